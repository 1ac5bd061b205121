"""``understudy import``: a transcript, script or chat file becomes dialogues."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.dialogue.importing import ImportReport

__all__ = ["import_command"]


def import_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    file: Annotated[Path, typer.Argument(help="Transcript (CSV, TSV), script ('NAME: line') or chat JSONL.")],
    speaker: Annotated[
        list[str] | None,
        typer.Option(help="Who in the file is the character; may be given twice. Default: its name."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="chat, pairs, transcript or script. Default: found out from the file.")
    ] = None,
    speaker_column: Annotated[str | None, typer.Option(help="Column of speakers, name or number.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of speeches, name or number.")] = None,
    group_column: Annotated[
        str | None, typer.Option(help="Column of episodes or scenes; several joined by commas.")
    ] = None,
    context: Annotated[int, typer.Option(help="Most speeches of others before a reply.")] = 6,
    max_messages: Annotated[int, typer.Option(help="Longest dialogue; longer ones are cut.")] = 24,
    speaker_names: Annotated[
        str, typer.Option(help="Names before others' speeches: keep, drop, or auto (where several speak).")
    ] = "auto",
    stage_directions: Annotated[
        str, typer.Option(help="What becomes of [...] and (...): drop, keep or asterisks.")
    ] = "drop",
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what an earlier import of this file made otherwise.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be added; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Add a file's dialogues to the character. Importing a file again adds nothing twice.

    Example: understudy import iroh avatar.csv --speaker Iroh --dry-run
    """
    from understudy.dialogue.importing import import_dialogues
    from understudy.dialogue.options import ImportOptions
    from understudy.folder import open_folder

    options = ImportOptions(
        tuple(speaker or ()),
        format,
        speaker_column,
        text_column,
        group_column,
        context,
        max_messages,
        speaker_names,  # type: ignore[arg-type]
        stage_directions,  # type: ignore[arg-type]
    )
    report = import_dialogues(open_folder(name), file, options, dry_run=dry_run, replace_earlier=replace)
    for warning in report.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if as_json:
        print(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        print(_describe(report, name))


def _describe(report: ImportReport, name: str) -> str:
    details = "; ".join(f"{what}: {value}" for what, value in report.details.items())
    parts = [f"{report.file}: {report.format} ({details})"]
    if report.lines:
        who = " / ".join(report.speakers)
        parts.append(f"  {report.lines:,} lines; {who} speaks {report.lines_of_speaker:,} of them")
    parts.append(
        f"  {_count(report.dialogues, 'dialogue')} with {_count(report.replies, 'reply')} "
        f"in {_count(report.groups, 'group')} that no split cuts"
    )
    parts += _left_out(report)
    parts += ["", "For example:", *(_sample(sample) for sample in report.samples), ""]
    parts += [_outcome(report, name), _next(report, name)]
    return "\n".join(parts)


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _left_out(report: ImportReport) -> list[str]:
    return (
        ["  left out:", *(f"    {n:,} x {why}" for why, n in report.skipped.items())]
        if report.skipped
        else []
    )


def _sample(sample: dict[str, str]) -> str:
    before, reply = _short(sample["before"]), _short(sample["reply"])
    asked = sample["before_speaker"]
    named = before if not asked or before.startswith(asked.split(",")[0] + ":") else f"{asked}: {before}"
    first = f"  {named}\n" if before else ""
    return f"{first}    {sample['speaker']}: {reply}"


def _short(text: str) -> str:
    """The end of what was said before would be closest to the reply, but its beginning reads better."""
    line = " / ".join(text.split("\n"))
    return line if len(line) <= 100 else line[:99].rstrip() + "…"


def _next(report: ImportReport, name: str) -> str:
    if report.dry_run:
        return "Next: the same command without --dry-run"
    from understudy.folder import typed

    return f"Next: understudy build {typed(name)}"


def _outcome(report: ImportReport, name: str) -> str:
    place = f"{name}/dialogues.jsonl"
    if report.dry_run:
        return f"Nothing was written. It would add {_count(report.added, 'dialogue')} to {place}."
    known = f" {report.known:,} were there already." if report.known else ""
    removed = f" Removed {_count(report.removed, 'dialogue')} of an earlier import." if report.removed else ""
    outdated = (
        f" {_count(report.outdated, 'dialogue')} of an earlier import of this file, read otherwise, "
        "are still there; --replace removes them."
        if report.outdated
        else ""
    )
    added = f"Added {_count(report.added, 'dialogue')} to {place}, which now holds {report.total:,}."
    return added + known + removed + outdated
