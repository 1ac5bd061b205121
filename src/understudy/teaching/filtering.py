"""Filtering: what is refused beside all other replies is written anew, and at last dropped."""

from collections.abc import Sequence
from dataclasses import replace

from understudy.character.character import Character
from understudy.teaching.corpus import Place, corpus_faults
from understudy.teaching.judge import Judge, grade_dialogues
from understudy.teaching.teacher import Refused, Teacher, Written, write_dialogues

__all__ = ["drop_refused", "filter_dialogues"]


async def filter_dialogues(
    teacher: Teacher, written: Sequence[Written], character: Character, judge: Judge | None
) -> tuple[list[Written], bool]:
    """The conversations without refused replies, and whether the budget lasted.

    A conversation with a refused reply is written anew from there, told the reason, as often as the settings
    have rounds. The order of the conversations decides which of several alike replies stays, so that
    the same answers always give the same result.
    """
    written, complete = list(written), True
    for number in range(teacher.settings.rounds + 1):
        faults = corpus_faults(written, character, teacher.rules)
        if judge is not None:
            judged, _ = await grade_dialogues(judge, teacher.desk, written, teacher.settings)
            faults = judged | faults
        if not faults:
            break
        if number == teacher.settings.rounds or not complete:
            return drop_refused(written, faults), complete
        written, complete = await _write_anew(teacher, written, faults)
    return written, complete


async def _write_anew(
    teacher: Teacher, written: list[Written], faults: dict[Place, str]
) -> tuple[list[Written], bool]:
    """Each conversation with a fault, from its first one on."""
    first: dict[int, int] = {}
    for number, turn in sorted(faults):
        first.setdefault(number, turn)
    earlier = {}
    for number, turn in first.items():
        one = written[number]
        reply = one.exchanges[turn].reply or ""
        earlier[one.outline.id] = (one, turn, Refused(reply, faults[number, turn]))
    renewed: dict[str, Written] = {}
    complete = await write_dialogues(
        teacher,
        [written[number].outline for number in first],
        lambda one: renewed.__setitem__(one.outline.id, one),
        earlier,
    )
    return [renewed.get(one.outline.id, one) for one in written], complete


def drop_refused(written: Sequence[Written], faults: dict[Place, str]) -> list[Written]:
    """Loose conversations lose the refused replies with their lines; others end before the first of them."""
    kept = []
    for number, one in enumerate(written):
        places = [turn for turn in range(len(one.exchanges)) if (number, turn) in faults]
        if not places:
            kept.append(one)
            continue
        exchanges = list(one.exchanges)
        for turn in places:
            exchange = exchanges[turn]
            refused = Refused(exchange.reply or "", faults[number, turn])
            exchanges[turn] = replace(exchange, reply=None, refused=(*exchange.refused, refused))
        if not one.outline.loose:
            exchanges = exchanges[: places[0] + 1]
        kept.append(replace(one, exchanges=tuple(exchanges), ended=faults[number, places[-1]]))
    return kept
