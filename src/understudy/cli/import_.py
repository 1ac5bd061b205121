"""``understudy import``: transcripts, scripts, books and chat files become dialogues."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from understudy.dialogue.importing import ImportReport
    from understudy.dialogue.options import ImportOptions
    from understudy.folder import CharacterFolder

__all__ = ["import_command"]


def import_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Transcript (CSV, TSV), script, play, screenplay, subtitles, novel, chat log or chat JSONL; "
            "several, or a folder of them."
        ),
    ],
    speaker: Annotated[
        list[str] | None,
        typer.Option(help="Who in the file is the character; may be given twice. Default: its name."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="Such as chat, transcript, script or novel. Default: found out from the file."),
    ] = None,
    encoding: Annotated[str | None, typer.Option(help="Such as cp1251. Default: found out.")] = None,
    speaker_column: Annotated[str | None, typer.Option(help="Column of speakers, name or number.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of speeches, name or number.")] = None,
    question_column: Annotated[
        str | None, typer.Option(help="Column or key of questions, where a row is a question and an answer.")
    ] = None,
    answer_column: Annotated[str | None, typer.Option(help="Column or key of answers.")] = None,
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
    category: Annotated[
        str,
        typer.Option(help="Category of dialogues that have none: general for anybody's tasks, role_break, …"),
    ] = "",
    write_lines: Annotated[
        Path | None,
        typer.Option(help="Also write every line that was read, with its speaker, to this CSV to correct."),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Remove what an earlier import of this file made otherwise.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be added; write nothing.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Add the dialogues of files to the character. Importing a file again adds nothing twice.

    Example: understudy import iroh avatar.csv --speaker Iroh --dry-run
    """
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
        question_column,
        answer_column,
        encoding,
        category,
    )
    paths = _expand(files)
    if write_lines:
        _write_lines(write_lines, paths, options)
    reports = list(_import_all(open_folder(name), paths, options, dry_run, replace))
    if as_json:
        values = [report.as_json() for report in reports]
        print(json.dumps(values[0] if len(paths) == 1 else values, ensure_ascii=False, indent=2))
        return
    for number, report in enumerate(reports, 1):
        print(_describe(report, name, last=number == len(reports)))


def _expand(paths: list[Path]) -> list[Path]:
    """The files, and those directly in folders."""
    from understudy.errors import DialogueError

    found: list[Path] = []
    for path in paths:
        inside = (
            sorted(p for p in path.iterdir() if p.is_file() and p.name[0] != ".") if path.is_dir() else [path]
        )
        if not inside:
            raise DialogueError(f"{path}: is a folder without files.")
        found += inside
    return found


def _import_all(
    folder: CharacterFolder, paths: list[Path], options: ImportOptions, dry_run: bool, replace: bool
) -> Iterator[ImportReport]:
    """Import one file after the other; of several, those that cannot be read are named and left out."""
    from understudy.dialogue.importing import import_dialogues
    from understudy.errors import DialogueError

    faults = []
    for path in paths:
        try:
            report = import_dialogues(folder, path, options, dry_run=dry_run, replace_earlier=replace)
        except DialogueError as error:
            if len(paths) == 1:
                raise
            print(f"left out: {error}", file=sys.stderr)
            faults.append(error)
            continue
        for warning in report.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        yield report
    if len(faults) == len(paths):
        raise DialogueError(f"None of the {len(paths)} files could be imported; the reasons stand above.")


def _write_lines(target: Path, paths: list[Path], options: ImportOptions) -> None:
    from understudy.dialogue import read_source
    from understudy.dialogue.lines_table import write_lines
    from understudy.errors import ConfigError

    if len(paths) != 1:
        raise ConfigError("--write-lines takes one file at a time.")
    if target.exists():
        raise ConfigError(f"{target}: exists already. Name another file, so that no correction is lost.")
    lines = read_source(paths[0], options).lines
    if not lines:
        raise ConfigError(
            f"{paths[0]}: holds no lines with speakers, so there is nothing to correct in a table."
        )
    write_lines(target, lines)
    print(f"Every line with its speaker: {target}", file=sys.stderr)


def _describe(report: ImportReport, name: str, *, last: bool = True) -> str:
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
    parts += [_outcome(report, name), *_preferences(report, name)]
    parts += [_next(report, name)] if last else [""]
    return "\n".join(parts)


def _count(number: int, noun: str) -> str:
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else plural}"


def _left_out(report: ImportReport) -> list[str]:
    from understudy.dialogue.importing import UNSURE_HINT
    from understudy.dialogue.scene import UNSURE_REASON

    if not report.skipped:
        return []
    hint = [f"  {UNSURE_HINT}"] if UNSURE_REASON in report.skipped else []
    return ["  left out:", *(f"    {n:,} x {why}" for why, n in report.skipped.items()), *hint]


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


def _preferences(report: ImportReport, name: str) -> list[str]:
    if not report.preferences:
        return []
    found = _count(report.preferences, "reply")
    verb = "Would add" if report.dry_run else "Added"
    return [
        f"{found} that somebody decided against. "
        f"{verb} {_count(report.preferences_added, 'preference pair')} to {name}/preferences.jsonl."
    ]


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
