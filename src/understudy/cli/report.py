"""``understudy report``: write the page that a person reads."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

__all__ = ["report_command"]


class ReportFormat(StrEnum):
    """How a report is written."""

    html = "html"
    md = "md"
    json = "json"


def report_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    run: Annotated[
        str | None, typer.Option(help="Run to report. Default: the latest with a verdict.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    form: Annotated[
        ReportFormat, typer.Option("--format", help="html: a page; md: Markdown; json: for programs.")
    ] = ReportFormat.html,
    as_json: Annotated[bool, typer.Option("--json", help="Print path and run as JSON.")] = False,
) -> None:
    """Write report.html (or .md, .json): one file, no network needed. Rebuilt when its inputs have changed.

    For example: understudy report ophelia --open
    """
    import json
    import sys

    from understudy.folder import open_folder
    from understudy.report import build_report

    report = build_report(open_folder(name), run, form.value)
    if not report.rebuilt:
        print(f"Kept as it was: {report.reason}.", file=sys.stderr)
    if as_json:
        print(json.dumps({"path": str(report.path), "run": report.run.name, "rebuilt": report.rebuilt}))
    else:
        print(report.path)
    if open_page:
        import webbrowser

        if not webbrowser.open(report.path.resolve().as_uri()):
            print("No browser could be opened; open the file above by hand.", file=sys.stderr)
