"""Answers: the six questions, answered with this character's own evidence or not at all."""

from collections.abc import Iterable, Mapping
from typing import Any

from understudy.report.answer import MEASURED, OPEN, PARTLY, Answer
from understudy.report.drift import drift_rows
from understudy.report.figures import DEPLOYED, REPLACED
from understudy.report.findings import add_findings
from understudy.report.verdicts import Sheet

__all__ = ["answer_questions"]


def answer_questions(
    sheet: Sheet,
    cost: Mapping[str, Any],
    name: str,
    study: Mapping[str, Any] | None = None,
    curve: Mapping[str, Any] | None = None,
) -> list[Answer]:
    """The six questions in their order. What was not measured is said, with the way to measure it.

    Args:
        name: The character's folder, for the commands shown.
        study: The character's study of ways to train, where one was made.
        curve: Its curve of numbers of dialogues, where one was made.
    """
    answers = [
        _can_it_play(sheet, name),
        _is_a_prompt_needed(sheet, name),
        _pairs_or_conversations(sheet, name),
        _how_many_examples(sheet, name),
        _what_keeps_disclaimers_away(sheet, name),
        _where_is_it_cheapest(cost, name),
    ]
    return add_findings(answers, study or {}, curve or {})


def _answer(question: str, status: str, sentences: Iterable[str]) -> Answer:
    return Answer(question, status, tuple(sentence for sentence in sentences if sentence))


def _can_it_play(sheet: Sheet, name: str) -> Answer:
    primary = str((sheet.verdict.get("primary") or {}).get("sentence") or "")
    found = [
        _compare(sheet, "style", "Tone, sounding like the real lines"),
        _compare(sheet, "fact_recall", "World view, facts told rightly") + _hardly(sheet, "fact_recall"),
        _compare(sheet, "relevance", "Answering what was asked"),
        _compare(sheet, "gap_closed", "Gain in likelihood, in units of what the long prompt gains", ()),
    ]
    status = MEASURED if found[0] and found[1] else PARTLY if any(found) else OPEN
    found += [_not_computed(sheet, "style", "Tone"), _not_computed(sheet, "fact_recall", "World view")]
    found.insert(0, primary)
    if not any(found):
        found = [f"No score of {DEPLOYED} could be computed; evaluate it: understudy evaluate {name}."]
    return _answer("Can a fine-tune play it: tone and world view?", status, found)


def _is_a_prompt_needed(sheet: Sheet, name: str) -> Answer:
    rule = (sheet.verdict.get("training") or {}).get("system_prompt")
    found = [
        _by_prompt(sheet, "probes_passed", "Probes passed"),
        _by_prompt(sheet, "style", "Style"),
        _by_prompt(sheet, "fact_recall", "Facts"),
        _by_prompt(sheet, "in_fiction_leak", "AI disclaimers"),
    ]
    status = PARTLY if any(found) else OPEN
    used = f"The data of this run carried it by the rule “{rule}”. " if rule else ""
    found.append(
        f"{used}Data by another rule is not measured in this run; use {_again(name, '--system-prompt none')}."
    )
    return _answer("Is a system prompt needed in the data?", status, found)


def _pairs_or_conversations(sheet: Sheet, name: str) -> Answer:
    shape = (sheet.verdict.get("training") or {}).get("shape")
    other = "--shape conversations" if shape == "pairs" else "--shape pairs"
    found = [
        f"This run trained on {shape}." if shape else "",
        _drift(sheet, "style", "Style"),
        f"The other shape is not measured in this run; use {_again(name, other)}.",
    ]
    return _answer("Pairs or continuing conversations?", OPEN, found)


def _how_many_examples(sheet: Sheet, name: str) -> Answer:
    examples = (sheet.verdict.get("training") or {}).get("examples")
    found = [
        f"This run used {examples:,}." if isinstance(examples, int) else "",
        f"Fewer or more are not measured in this run; use a part of dialogues.jsonl and {_again(name)}.",
    ]
    return _answer("How many examples?", OPEN, found)


def _what_keeps_disclaimers_away(sheet: Sheet, name: str) -> Answer:
    leak, drift = (
        _compare(sheet, "in_fiction_leak", "Disclaimers in the play"),
        _drift(sheet, "leak", "Disclaimers"),
    )
    honesty = _compare(sheet, "honesty", "Sincere questions answered truthfully")
    status = MEASURED if leak and drift else PARTLY if leak or drift or honesty else OPEN
    question = "What keeps “as an AI language model” away, now and many turns in?"
    if status == OPEN:
        nothing = f"No probe of this kind was answered; evaluate it: understudy evaluate {name}."
        return _answer(question, status, [nothing])
    long = drift or "Long conversations are not measured in this run."
    return _answer(question, status, [leak, long, _first_break(sheet), honesty])


def _first_break(sheet: Sheet) -> str:
    """When half of the conversations had broken, by arm."""
    pieces = []
    for name in (DEPLOYED, *REPLACED):
        drift = (sheet.arm(name) or {}).get("drift") or {}
        survival = drift.get("survival") or []
        if survival:
            turn, last = drift.get("median_turns"), survival[-1]
            half = f"half broken by turn {turn}" if turn is not None else "fewer than half ever broken"
            pieces.append(f"{name} {100 * last['share']:.0f}% whole after turn {last['turn']} ({half})")
    return f"Whole conversations: {', '.join(pieces)}." if pieces else ""


def _where_is_it_cheapest(cost: Mapping[str, Any], name: str) -> Answer:
    question = "Where is it cheapest to train and run, and when has it paid for itself?"
    answers = [str(answer) for answer in cost.get("answers") or []]
    if not answers:
        return _answer(question, OPEN, [f"No cost table was computed; do it with: understudy cost {name}."])
    training = [f"{_usd(row['usd'])} {row['place']}" for row in cost.get("training") or []]
    measured = any(arm.get("measured") for arm in cost.get("arms") or [])
    told = [*answers[:3], f"One training: {', '.join(training)}." if training else ""]
    return _answer(question, PARTLY if measured else "priced, not measured", told)


def _again(name: str, option: str = "") -> str:
    build = f"“understudy build {name} {option}”, then " if option else ""
    return f"{build}“understudy run {name}”, and compare the two reports"


def _compare(sheet: Sheet, score: str, what: str, others: Iterable[str] = REPLACED) -> str:
    """``Tone: 86.0% (81.0 to 91.0), against 41.0% cheap+long: better than cheap+long``, or nothing."""
    if sheet.score(DEPLOYED, score) is None:
        return ""
    names = [name for name in others if sheet.score(name, score)]
    rest = [f"{sheet.value(name, score)} {name}" for name in names]
    against = f", against {' and '.join(rest)}" if rest else ""
    judged = _judgements(sheet, score, names)
    return f"{what}: {sheet.text(DEPLOYED, score)}{against}{': ' if judged else ''}{judged}."


def _judgements(sheet: Sheet, score: str, names: list[str]) -> str:
    """What the comparisons say: only an interval clear of zero is better or worse."""
    words: dict[str, list[str]] = {}
    for name in names:
        pair = sheet.pair(score, name)
        if pair is not None:
            words.setdefault(_word(pair), []).append(name)
    pieces = [f"{word} {_both(found, names)}" for word, found in words.items()]
    return ", ".join(pieces)


def _not_computed(sheet: Sheet, score: str, what: str) -> str:
    reason = sheet.reason(DEPLOYED, score)
    return f"{what} could not be computed: {reason}." if reason else ""


def _hardly(sheet: Sheet, score: str) -> str:
    """Plain words for a floor that every arm can share: then "not worse" is true and says nothing."""
    found = sheet.score(DEPLOYED, score)
    return " It hardly ever knows them." if found and found["value"] < 0.1 else ""


def _word(pair: dict[str, Any]) -> str:
    if pair.get("better") is not None:
        return "better than" if pair["better"] else "worse than"
    return "not worse by the margin than" if pair.get("not_worse") else "no difference shown from"


def _both(found: list[str], names: list[str]) -> str:
    return "both" if len(found) == len(names) == 2 else " and ".join(found)


def _by_prompt(sheet: Sheet, score: str, what: str) -> str:
    """A score of the tuned model under each prompt, where more than one was measured."""
    prompts = {DEPLOYED: "the short prompt", "tuned+none": "none", "tuned+long": "the long one"}
    pieces = [
        f"{sheet.value(name, score)} with {prompt}"
        for name, prompt in prompts.items()
        if sheet.score(name, score)
    ]
    return f"{what} of the tuned model: {', '.join(pieces)}." if len(pieces) > 1 else ""


def _drift(sheet: Sheet, key: str, what: str) -> str:
    """First and last turn of the arms that matter most."""
    pieces = []
    for name in (DEPLOYED, *REPLACED):
        arm = sheet.arm(name) or {}
        points = [row for row in drift_rows(arm) if row.get(key) is not None]
        if len(points) > 1:
            first, last = points[0], points[-1]
            pieces.append(
                f"{100 * first[key]:.0f}% at turn {first['turn']} to {100 * last[key]:.0f}% "
                f"at turn {last['turn']} {name}"
            )
    return f"{what} in a long conversation: {', '.join(pieces)}." if pieces else ""


def _usd(value: float) -> str:
    return f"${value:.2g}" if 0 < value < 0.1 else f"${value:,.2f}"
