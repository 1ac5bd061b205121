"""Asking: everything that an evaluation wants of the models, kept as it comes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.errors import EvaluationError
from understudy.evaluation.arms import Arm
from understudy.evaluation.case import Case
from understudy.evaluation.connection import Connection
from understudy.evaluation.gap_closed import Likelihood
from understudy.evaluation.likelihoods import score_conversations
from understudy.evaluation.probe import Answer, Probe
from understudy.evaluation.probes import ProbeSet
from understudy.evaluation.replies import Asker, Request, ask, play_scripts
from understudy.evaluation.row_file import Progress, Row, RowFile
from understudy.evaluation.scores.skill import skill_probes
from understudy.evaluation.style import Line
from understudy.evaluation.yardsticks import training_questions

__all__ = ["Asked", "Report", "ask_arms", "ask_everything", "kept_plain_rows", "match_answers", "plain_lines"]

Report = Callable[[Progress], None]
PLAIN_FILE = "plain_replies.jsonl"


@dataclass(frozen=True)
class Asked:
    """What the models gave: rows and likelihoods by arm, the untuned model's plain answers."""

    rows: dict[str, list[Row]]
    likelihoods: dict[str, list[Likelihood]]
    plain: list[Line]
    note: str | None

    def answers(self, probes: Sequence[Probe]) -> dict[str, list[Answer]]:
        """Replies beside their probes, by arm."""
        return {arm: match_answers(rows, probes) for arm, rows in self.rows.items()}


def match_answers(rows: Sequence[Row], probes: Sequence[Probe]) -> list[Answer]:
    """Replies beside their probes; refused requests are missing, not bad.

    Args:
        probes: Of which these are replies; turns of conversations are found in the rows themselves.
    """
    known = {probe.id: probe for probe in (*probes, *skill_probes())}
    return [
        Answer(known.get(row["probe_id"]) or _probe_of(row), row["reply"], row["sample"])
        for row in rows
        if row["finish_reason"] != "refused"
    ]


def _probe_of(row: Mapping[str, Any]) -> Probe:
    """The turn of a conversation whose history is the arm's own."""
    return Probe(
        row["probe_id"],
        row["category"],
        row["group"],
        tuple(m for m in row["messages"] if m["role"] != "system"),
        turn=row["turn"],
        part=row["part"],
        kind=row["kind"],
    )


async def ask_everything(
    connection: Connection,
    case: Case,
    arms: Sequence[Arm],
    probes: ProbeSet,
    report: Report,
    elsewhere: Mapping[str, Connection],
) -> Asked:
    """Ask, play and score; an evaluation that was stopped goes on where it was.

    Replies that another run of this character got to the very same request are taken over.

    Args:
        elsewhere: Connections of arms whose model another server has, by arm name.
    """
    settings = case.settings
    measured = [arm for arm in arms if arm.measured]
    replies, plain = RowFile(case.file("replies")), RowFile(case.run.folder / PLAIN_FILE)
    likelihoods = RowFile(case.file("likelihoods"))
    questions = training_questions(case.training, settings.style_questions)
    untuned = _untuned(case)
    asker = Asker(connection, settings, replies, _known_elsewhere(case), elsewhere)
    try:
        rows = await ask_arms(asker, measured, probes, report)
        answers = await ask(Asker(connection, settings, plain, asker.known), [untuned], questions, report)
        scored, note = await score_conversations(asker, measured, probes.conversations, likelihoods, report)
    except BaseException:
        for file in (replies, plain, likelihoods):
            file.close()
        raise
    replies.close(keep=[row["key"] for arm_rows in rows.values() for row in arm_rows])
    plain.close()
    likelihoods.close()
    return Asked(rows, scored, plain_lines(answers[untuned.name]), note)


def kept_plain_rows(case: Case) -> list[Row]:
    """The untuned model's plain answers that an evaluation of this case has kept, in order.

    Raises:
        EvaluationError: Some were never asked.
    """
    kept = RowFile(case.run.folder / PLAIN_FILE).rows
    questions = training_questions(case.training, case.settings.style_questions)
    keys = [Request(_untuned(case), probe, 0, case.settings).key for probe in questions]
    if not all(key in kept for key in keys):
        raise EvaluationError(
            f"{case.run.folder / PLAIN_FILE}: does not hold all answers of the untuned model. "
            "Evaluate again to have them asked."
        )
    return [kept[key] for key in keys]


def plain_lines(rows: Sequence[Mapping[str, Any]]) -> list[Line]:
    """The plain answers as negative examples of style."""
    return [Line(row["reply"], row["group"]) for row in rows if row["reply"]]


def _untuned(case: Case) -> Arm:
    return Arm("cheap+none", case.run.base_model, case.run.base_model, "none", "")


async def ask_arms(
    asker: Asker, arms: Sequence[Arm], probes: ProbeSet, report: Report
) -> dict[str, list[Row]]:
    """Ask every arm the set's probes and general tasks, and play its conversations; rows by arm."""
    skills = skill_probes()[: asker.settings.skills]
    rows = await ask(asker, arms, [*probes.probes, *skills], report)
    spoken = await play_scripts(asker, arms, probes.scripts, report)
    return {name: [*rows[name], *spoken[name]] for name in rows}


def _known_elsewhere(case: Case) -> dict[str, Row]:
    """Rows of the character's other runs by request: the untuned arms are the same in all of them."""
    known: dict[str, Row] = {}
    for path in sorted(case.folder.runs.glob("*/*replies*.jsonl")):
        if path.parent != case.run.folder:
            known |= _requests(path)
    return known


def _requests(path: Path) -> dict[str, Row]:
    return {row["request"]: row for row in RowFile(path).rows.values() if "request" in row}
