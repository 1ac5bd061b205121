"""Answers: a paragraph for each of the six questions, made from the study's figures and from nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.folder import typed
from understudy.study.cell import describe_level
from understudy.study.effects import kind_of_score
from understudy.study.measurement import DEPLOYED
from understudy.study.page import amount, value_with_interval

__all__ = ["StudyAnswer", "answer_questions", "compare_in_words"]

MEASURED, PARTLY, OPEN = "measured", "partly measured", "not measured in this study"
# What is told of every comparison, in this order.
TOLD = ("nll_per_token", "probes_passed", "style", "fact_recall", "in_fiction_leak", "honesty", "relevance")
HARDLY = 0.1
Figures = Mapping[str, Any]


@dataclass(frozen=True)
class StudyAnswer:
    """One question, how far the study answers it, and the paragraph."""

    question: str
    status: str
    sentences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"question": self.question, "status": self.status, "sentences": list(self.sentences)}


def answer_questions(study: Figures, name: str) -> list[StudyAnswer]:
    """The six questions in their order; what was not measured is said, with the way to measure it.

    Args:
        study: A study as ``study.json`` holds it, but for its answers.
        name: The character's folder, for commands.
    """
    return [
        _can_it_play(study),
        _is_a_prompt_needed(study),
        _pairs_or_conversations(study),
        _how_many(study, name),
        _what_keeps_disclaimers_away(study),
        _where_is_it_cheapest(study, name),
    ]


def compare_in_words(effects: Figures, than: str, scores: Sequence[str] = TOLD) -> str:
    """``against the baseline it is better in style, +9.1 points (…); not shown either way in facts``."""
    groups: dict[str, list[str]] = {"better": [], "worse": [], "not shown": []}
    for score in scores:
        if row := effects.get(score):
            title = _lower(kind_of_score(score).title)
            # How wide the other intervals are stands in the table; here they would bury what is shown.
            told = title if row["shown"] == "not shown" else f"{title}, {amount(score, row)}"
            groups[row["shown"]].append(told)
    parts = [f"{word} in {'; in '.join(found)}" for word in ("better", "worse") if (found := groups[word])]
    if groups["not shown"]:
        parts.append(f"not shown either way in {_list(groups['not shown'])}")
    return (
        f"against {than} it is {'; '.join(parts)}" if parts else f"against {than} nothing could be computed"
    )


def _can_it_play(study: Figures) -> StudyAnswer:
    question = "Can a fine-tune play it: tone and world view?"
    against, scores = study["against_untuned"], _scores(study, "baseline")
    if not against:
        return StudyAnswer(question, OPEN, ("The untuned model was not measured.",))
    rival = "cheap+long" if "cheap+long" in against else next(iter(against))
    rows = against[rival]
    found = [
        _verdict("Tone", rows.get("style"), "style", scores),
        _verdict("World view, facts told rightly", rows.get("fact_recall"), "fact_recall", scores)
        + _hardly(scores),
        _sentence("All in all,", compare_in_words(rows, _arm(rival))),
    ]
    if rival != "cheap+short" and "cheap+short" in against:
        found.append(_sentence("And", compare_in_words(against["cheap+short"], _arm("cheap+short"))))
    found += [_row_sentence(cell) for factor in ("method", "base") for cell in _singles(study, factor)]
    has_both = rows.get("style") and rows.get("fact_recall")
    return StudyAnswer(question, MEASURED if has_both else PARTLY, _full(found))


def _is_a_prompt_needed(study: Figures) -> StudyAnswer:
    question = "Is a system prompt needed in the data?"
    cells = _singles(study, "system_prompt")
    if not cells:
        return StudyAnswer(question, OPEN, ("Name levels of system_prompt in study.yaml.",))
    base = describe_level("system_prompt", study["baseline"]["system_prompt"])
    found = [
        _in_short(cells),
        f"All are asked under the short prompt and compared with data under {base}, unless said otherwise.",
    ]
    for cell in cells:
        found.append(_row_sentence(cell))
        level = cell["changed"]["system_prompt"]
        own = {"none": ("tuned+none", "no prompt"), "full": ("tuned+long", "the long prompt")}.get(level)
        if own and own[0] in cell["effects"]:
            words = compare_in_words(cell["effects"][own[0]], "the baseline under the short prompt")
            found.append(_sentence(f"Asked under {own[1]}, as it was trained,", words))
    return StudyAnswer(question, MEASURED, _full(found))


def _pairs_or_conversations(study: Figures) -> StudyAnswer:
    question = "Pairs or continuing conversations?"
    cells = _singles(study, "shape")
    if not cells:
        return StudyAnswer(question, OPEN, ("Name levels of shape in study.yaml.",))
    base = study["baseline"]["shape"]
    found = [_in_short(cells), f"The baseline learns {base}."]
    for cell in cells:
        found.append(_row_sentence(cell))
        later = cell["effects"].get(DEPLOYED, {}).get("nll_later")
        if later:
            found.append(
                f"From the third reply of a conversation on, surprise at the character's lines with "
                f"{cell['changed']['shape']} is {_shown(later)}: {amount('nll_later', later)}."
            )
    return StudyAnswer(question, MEASURED, _full(found))


def _how_many(study: Figures, name: str) -> StudyAnswer:
    question = "How many examples?"
    stops = study["stopping"]
    if not stops:
        return StudyAnswer(question, OPEN, (f"Name sizes in study.yaml, or: understudy curve {typed(name)}",))
    found = [f"{kind_of_score(row['score']).title}: {_lower(row['sentence'])}" for row in stops]
    return StudyAnswer(question, MEASURED, _full(found))


def _what_keeps_disclaimers_away(study: Figures) -> StudyAnswer:
    question = "What keeps “as an AI language model” away, now and many turns in?"
    scores = _scores(study, "baseline")
    untuned = study["untuned"]
    cells = [*_singles(study, "protective"), *_mixed(study, "protective")]
    leak, plain = scores.get("in_fiction_leak"), untuned.get("cheap+short", {}).get("in_fiction_leak")
    found = [_in_short(cells)]
    if leak:
        rival = f", the untuned model in {_value('in_fiction_leak', plain)}" if plain else ""
        found.append(f"The baseline calls itself an AI in {_value('in_fiction_leak', leak)}{rival}.")
    told = ("in_fiction_leak", "honesty", "style")
    for cell in cells:
        words = compare_in_words(cell["effects"].get(DEPLOYED, {}), "the baseline", told)
        found.append(_sentence(f"With {cell['title']},", words))
    found.append(_turns(study))
    status = MEASURED if cells and leak else PARTLY if leak else OPEN
    return StudyAnswer(question, status, _full(found) or ("No probe of this kind was answered.",))


def _where_is_it_cheapest(study: Figures, name: str) -> StudyAnswer:
    question = "Where is it cheapest to train and run, and when has it paid for itself?"
    expense = study["expense"]
    found = []
    if expense.get("seconds"):
        found.append(
            f"Training the baseline took {expense['seconds']:.0f} seconds here for {expense['tokens']:,} "
            "tokens."
        )
    quotes = [
        f"{_usd(q['usd'])} {_place(q['place'])}" for q in expense.get("quotes", []) if q["usd"] is not None
    ]
    if quotes:
        found.append(f"The same tokens cost, priced and not measured: {', '.join(quotes)}.")
    found += [str(answer) for answer in expense.get("answers", [])]
    if not expense.get("answers"):
        found.append(f"For break-even see: understudy cost {typed(name)}")
    return StudyAnswer(question, PARTLY if expense.get("seconds") else OPEN, _full(found))


# --- pieces -----------------------------------------------------------------------------------------


def _singles(study: Figures, factor: str) -> list[Figures]:
    return [cell for cell in study["cells"] if set(cell["changed"]) == {factor}]


def _mixed(study: Figures, factor: str) -> list[Figures]:
    return [cell for cell in study["cells"] if factor in cell["changed"] and len(cell["changed"]) > 1]


def _scores(study: Figures, title: str, arm: str = DEPLOYED) -> Figures:
    cell = next((cell for cell in study["cells"] if cell["title"] == title), None)
    return (cell or {}).get("scores", {}).get(arm, {})


def _row_sentence(cell: Figures) -> str:
    words = compare_in_words(cell["effects"].get(DEPLOYED, {}), "the baseline")
    return _sentence(f"With {cell['title']},", words)


def _verdict(what: str, row: Figures | None, score: str, scores: Figures) -> str:
    """``Tone: 91% (…), +9 points (…) against the untuned model under the long prompt: shown better.``"""
    if row is None:
        return f"{what} could not be computed."
    words = {"better": "shown better", "worse": "shown worse"}
    judged = words.get(row["shown"], "no difference shown, which is not equal")
    return (
        f"{what}: {_value(score, scores.get(score))}, {amount(score, row)} against the untuned model under "
        f"the long prompt: {judged}."
    )


def _hardly(scores: Figures) -> str:
    """Plain words for a floor that both can share: then a comparison says little."""
    row = scores.get("fact_recall")
    return " It hardly ever knows them." if row and row["value"] is not None and row["value"] < HARDLY else ""


def _turns(study: Figures) -> str:
    """Leaks of the baseline at the first and the last turn that has enough conversations."""
    cell = next((cell for cell in study["cells"] if cell["title"] == "baseline"), None)
    turns = [
        row for row in (cell or {}).get("by_turn", []) if row.get("leak") is not None and row["count"] >= 5
    ]
    if len(turns) < 2:
        return "Long conversations were not measured."
    first, last = turns[0], turns[-1]
    return (
        "In scripted conversations, with its own replies as the history, it calls itself an AI in "
        f"{first['leak']:.0%} of the replies at turn {first['turn']} ({first['count']}) and "
        f"{last['leak']:.0%} at turn {last['turn']} ({last['count']})."
    )


def _value(score: str, row: Figures | None) -> str:
    value, interval = value_with_interval(score, row)
    return f"{value} ({interval})" if interval else value


def _shown(row: Figures) -> str:
    return {"better": "shown better", "worse": "shown worse"}.get(row["shown"], "not shown either way")


def _arm(name: str) -> str:
    prompt = {"cheap+long": "long", "cheap+short": "short"}.get(name)
    return f"the untuned model under the {prompt} prompt" if prompt else name


def _sentence(start: str, words: str) -> str:
    return f"{start} {words}."


def _lower(text: str) -> str:
    """The first letter small, unless the word is an abbreviation."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _list(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def _place(place: str) -> str:
    return "on this machine (electricity)" if place == "this machine" else f"at {place}"


def _in_short(cells: Sequence[Figures]) -> str:
    """What each change is shown to do, without figures, for who has two minutes."""
    parts = []
    for cell in cells:
        rows = cell["effects"].get(DEPLOYED, {})
        words = []
        for word in ("better", "worse"):
            found = [_lower(kind_of_score(s).title) for s in TOLD if s in rows and rows[s]["shown"] == word]
            words += [f"{word} in {_list(found)}"] if found else []
        parts.append(f"{cell['title']}: {', '.join(words) or 'no difference shown'}")
    return f"In short, against the baseline: {'. '.join(map(_upper, parts))}." if parts else ""


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _usd(value: float) -> str:
    return f"${value:.2g}" if 0 < value < 0.1 else f"${value:,.2f}"


def _full(sentences: Sequence[str]) -> tuple[str, ...]:
    return tuple(sentence for sentence in sentences if sentence)
