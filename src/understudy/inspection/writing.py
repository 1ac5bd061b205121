"""Writing: an evaluation that was made, as a folder that Inspect AI runs, checked before it is put there."""

import json
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from understudy.atomic import copy_file, write_json, write_jsonl, write_text
from understudy.dialogue import save_dialogues
from understudy.errors import ConfigError, EvaluationError, UnderstudyError
from understudy.evaluation.asking import kept_plain_rows
from understudy.evaluation.case import Case, open_case
from understudy.evaluation.casting import Casting
from understudy.evaluation.evaluation import library_versions
from understudy.evaluation.frozen_probes import FrozenProbes, read_frozen
from understudy.evaluation.looks import record_export
from understudy.evaluation.primary import ENDPOINT
from understudy.evaluation.probes import SetName
from understudy.evaluation.row_file import Row, RowFile
from understudy.evaluation.settings import Settings
from understudy.evaluation.verdict import load_verdict
from understudy.export.plan import slug
from understudy.folder import CharacterFolder, typed
from understudy.inspection.exported import (
    CHARACTER,
    MANIFEST,
    PARTS,
    PLAIN,
    PROBES,
    REPLIES,
    SCHEMA,
    TRAINING,
    asked_probes,
    file_hash,
    load_exported,
    share_otherwise,
)
from understudy.inspection.readme import describe

__all__ = ["Written", "write_inspection"]

TASK, README = "task.py", "README.md"
DATA = (CHARACTER, PROBES, TRAINING, PLAIN, REPLIES)
INPUTS = {
    "character.yaml": "the sheet",
    "dialogues.jsonl": "the dialogues",
    "manifest.json": "the dataset",
    "program": "Understudy itself",
}


@dataclass(frozen=True)
class Written:
    """A folder that was written. ``replies`` were decided again from its files, all as in the verdict.

    ``looks`` counts the looks at the set, this export among them.
    """

    folder: Path
    probe_set: str
    probes: int
    replies: int
    looks: int

    def as_row(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}


def write_inspection(
    folder: CharacterFolder, run: Path, *, probe_set: SetName = "development", output: Path | None = None
) -> Written:
    """Write a run's evaluation on one set of probes as a folder with a task for Inspect AI.

    The folder is read back and decides the verdict's own replies again before it takes its place. Files of
    an earlier export are replaced, others in the folder stay. The export is noted as a look at the set.

    Args:
        output: Default: ``inspect-<set>`` in the run's folder.

    Raises:
        EvaluationError: The run has no verdict on this set, or it is not current; the probes are missing or
            were changed; the folder would decide otherwise than the verdict.
        ConfigError: The output folder holds something else.
        UnderstudyError: The output folder cannot be written.
    """
    output = output or run / f"inspect-{probe_set}"
    _refuse_foreign(output)
    verdict = load_verdict(run, probe_set)
    if verdict is None:
        raise EvaluationError(_no_verdict(folder, run, probe_set))
    case = _open_current(folder, run, verdict)
    frozen = read_frozen(folder.probes / f"{probe_set}.json")
    if frozen.sha256 != verdict["probes"]["sha256"]:
        raise EvaluationError(_stale(folder, run, probe_set, "the probes"))
    replies = _published(case)
    with _beside(output) as place:
        manifest = _fill(place, case, frozen, verdict, replies)
        _check(place, replies)
        _put_in_place(place, output)
    looks = record_export(folder.probes, name=probe_set, sha256=frozen.sha256, run_id=run.name)
    return Written(output, probe_set, manifest["counts"]["single"], len(replies), looks)


def _open_current(folder: CharacterFolder, run: Path, verdict: Mapping[str, Any]) -> Case:
    """The case that the verdict judged, if nothing that its decisions rest on has changed since."""
    probe_set = verdict["probes"]["set"]
    try:
        settings = Settings(**verdict["settings"])
    except TypeError:
        raise EvaluationError(_stale(folder, run, probe_set, INPUTS["program"])) from None
    case = open_case(folder, run, settings, Casting())
    now, then = case.hashes(), verdict["hashes"]
    changed = [words for name, words in INPUTS.items() if now[name] != then.get(name)]
    if changed:
        raise EvaluationError(_stale(folder, run, probe_set, " and ".join(changed)))
    return case


def _no_verdict(folder: CharacterFolder, run: Path, probe_set: str) -> str:
    name = typed(folder.root)
    if probe_set == "final":
        return f"{run}: has no verdict on the final probes. Evaluate first: understudy evaluate {name}"
    return (
        f"{run}: has no verdict on the development probes. Evaluate on them: understudy evaluate {name} "
        "--development; or export the final ones, which counts as a look at them: "
        f"understudy inspect {name} --final"
    )


def _stale(folder: CharacterFolder, run: Path, probe_set: str, what: str) -> str:
    flag = " --development" if probe_set == "development" else ""
    return (
        f"{run}: {what} changed after its verdict on the {probe_set} probes. Evaluate again: "
        f"understudy evaluate {typed(folder.root)} --run {typed(run.name)}{flag}"
    )


def _published(case: Case) -> list[Row]:
    """The verdict's replies with what was decided; without conversations, and without refused requests."""
    rows = RowFile(case.file("replies")).rows.values()
    names = ("arm", "probe_id", "part", "sample", "reply", "passed", "why")
    kept = [{name: row.get(name) for name in names} for row in rows if row.get("part") in PARTS]
    kept = [row for row in kept if row["passed"] is not None]
    if not kept:
        path = case.file("replies")
        raise EvaluationError(
            f"{path}: holds no reply that was decided. Restore it, or evaluate again with --again."
        )
    return kept


def _fill(
    place: Path, case: Case, frozen: FrozenProbes, verdict: Mapping[str, Any], replies: Sequence[Row]
) -> dict[str, Any]:
    """All files of the folder; returns its manifest."""
    copy_file(case.folder.character, place / CHARACTER)
    copy_file(frozen.folder / f"{frozen.set.name}.json", place / PROBES)
    save_dialogues(place / TRAINING, case.training)
    plain = kept_plain_rows(case)
    write_jsonl(place / PLAIN, [{key: row[key] for key in ("probe_id", "group", "reply")} for row in plain])
    write_jsonl(place / REPLIES, replies)
    manifest = _manifest(place, case, frozen, verdict)
    write_json(place / MANIFEST, manifest)
    text = (files("understudy.inspection") / "data" / "task.txt").read_text(encoding="utf-8")
    write_text(place / TASK, text)
    write_text(place / README, describe(manifest))
    return manifest


def _manifest(place: Path, case: Case, frozen: FrozenProbes, verdict: Mapping[str, Any]) -> dict[str, Any]:
    asked = asked_probes(frozen.set, case.settings).values()
    arms = [arm for arm in verdict["arms"] if arm["measured"]]
    # The prompts as they were sent: another version of the program may render the sheet otherwise.
    sent = {arm["prompt_kind"]: arm["prompt"] for arm in arms if arm["prompt_kind"] != "few-shot"}
    return {
        "schema": SCHEMA,
        "character": case.character.name,
        "slug": slug(case.character.name),
        "rights": case.character.policies.rights,
        "probe_set": frozen.set.name,
        "sha256": frozen.sha256,
        "frozen_at": frozen.frozen_at,
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "counts": {part: sum(probe.part == part for probe in asked) for part in PARTS},
        "prompts": {kind: sent[kind] for kind in ("short", "long", "none", "trimmed") if kind in sent},
        "settings": case.settings.as_dict(),
        "thresholds": verdict["probes"]["thresholds"],
        "verdict": {
            "run_id": verdict["run_id"],
            "created_at": verdict["created_at"],
            "sentence": verdict["headline"]["sentence"],
            "limits": verdict["limits"],
        },
        "arms": [
            {key: arm[key] for key in ("name", "model", "prompt_kind")} | {"passed": arm["scores"][ENDPOINT]}
            for arm in arms
        ],
        "files": {name: file_hash(place / name) for name in DATA},
        "versions": library_versions(),
    }


def _check(place: Path, replies: Sequence[Row]) -> None:
    """Read the folder back and let it decide every reply of the verdict."""
    exported = load_exported(place)
    otherwise = share_otherwise(exported.rules, exported.probes, replies)
    if otherwise:
        raise EvaluationError(
            f"The exported rules decide {otherwise:.2%} of the verdict's {len(replies)} replies otherwise: "
            "libraries have changed since. Evaluate again with --again."
        )


def _refuse_foreign(output: Path) -> None:
    """Never write among files that are somebody's."""
    if output.is_dir() and any(output.iterdir()) and not _is_ours(output):
        raise ConfigError(f"{output}: is not empty and holds no earlier export. Choose another folder.")
    if output.exists() and not output.is_dir():
        raise ConfigError(f"{output}: is a file. Choose a folder.")


def _is_ours(output: Path) -> bool:
    try:
        return json.loads((output / MANIFEST).read_text(encoding="utf-8"))["schema"] == SCHEMA
    except (OSError, ValueError, TypeError, KeyError):
        return False


@contextmanager
def _beside(output: Path) -> Iterator[Path]:
    """A folder to build in, on the same disk as ``output``; gone afterwards, whatever happens.

    Raises:
        UnderstudyError: Nothing can be written there.
    """
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        building = tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}.")
    except OSError as error:
        raise UnderstudyError(
            f"{output}: cannot be written ({error.strerror}). Choose a folder that you may write to."
        ) from error
    with building as place:
        yield Path(place)


def _put_in_place(beside: Path, output: Path) -> None:
    """The manifest goes first and comes last, because it says that the folder is whole. Logs stay."""
    output.mkdir(parents=True, exist_ok=True)
    (output / MANIFEST).unlink(missing_ok=True)
    for name in (*DATA, TASK, README, MANIFEST):
        os.replace(beside / name, output / name)
