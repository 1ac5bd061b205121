"""Yardsticks: the classifiers and the fact sheet that a character's own training data give the scorers."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from understudy.character.character import Character
from understudy.dialogue import Dialogue
from understudy.evaluation.detectors import DetectorQuality, denies_being_ai, measure_detector, says_it_is_ai
from understudy.evaluation.facts import FactSheet
from understudy.evaluation.honesty import is_truthful
from understudy.evaluation.probe import SINCERE, Probe
from understudy.evaluation.probes import exchanges
from understudy.evaluation.refusals import corrects, declines, says_it_does_not_know
from understudy.evaluation.relevance import Exchange, RelevanceMatcher, train_relevance
from understudy.evaluation.resources import assistant_exchanges, labelled_replies, other_characters
from understudy.evaluation.scores.copying import TrainingText
from understudy.evaluation.scores.markers import StyleMarkers, learn_markers
from understudy.evaluation.scores.unknown import real_lines_say_so
from understudy.evaluation.style import Line, StyleClassifier, train_style, train_topic_free_style

__all__ = ["Yardsticks", "describe_detectors", "train_yardsticks", "training_questions"]

OUTSIDE = (SINCERE, "crisis")
FEWEST_SPOKEN = 30
_WRITTEN = re.compile(r"written by (\S+) under the long prompt")
_SPEAKER = re.compile(r"^[^\n:]{1,40}: ")


@dataclass(frozen=True)
class Yardsticks:
    """Everything that scorers need to know about one character, none of it from the test split.

    ``says_unknown`` is the share of the character's own out-of-world replies in which the patterns
    find not knowing; ``author`` the model that wrote most of the lines, where one did.
    """

    style: StyleClassifier | None
    topic_free: StyleClassifier | None
    matcher: RelevanceMatcher | None
    sheet: FactSheet
    real_replies: tuple[str, ...]
    names: tuple[str, ...] = ()
    markers: StyleMarkers | None = None
    training_text: TrainingText | None = None
    says_unknown: float | None = None
    author: str | None = None

    def is_dump(self, text: str, probe: Probe) -> bool:
        return self.sheet.is_dump(text, probe.fact, probe.question)

    def describe(self, character: Character, test: Sequence[Dialogue]) -> dict[str, dict[str, Any]]:
        """Each classifier's own quality, with what the character's held-out lines get."""
        spoken = [
            Line(p.reference or "", p.group) for d in test if d.category not in OUTSIDE for p in exchanges(d)
        ]
        rows = {
            name: _describe_style(classifier, spoken)
            for name, classifier in (("style", self.style), ("style_topic_free", self.topic_free))
            if classifier
        }
        if self.matcher:
            rows["relevance"] = _describe_relevance(self, character, test)
        if self.markers and spoken:
            rows["marker_distance"] = _describe_markers(self.markers, spoken)
        return rows


def training_questions(training: Sequence[Dialogue], most: int) -> list[Probe]:
    """First questions of training dialogues, one a group in turn; the untuned model answers them.

    They are no probes: the answers are only negative examples of style, on the same topics.
    """
    groups: dict[str, list[Probe]] = {}
    for dialogue in training:
        if dialogue.category not in OUTSIDE:
            first = next(iter(exchanges(dialogue, "style")), None)
            if first and len(first.messages) == 1:
                groups.setdefault(first.group, []).append(replace(first, part="plain"))
    rounds = sorted(
        ((number, group, probe) for group, found in groups.items() for number, probe in enumerate(found)),
        key=lambda r: r[:2],
    )
    chosen = [probe for *_, probe in rounds]
    step = max(1, len(chosen) // most) if most else 1
    return chosen[::step][:most]


def train_yardsticks(
    character: Character, training: Sequence[Dialogue], plain: Sequence[Line], seed: int
) -> Yardsticks:
    """Train the classifiers on training dialogues and the untuned model's plain answers to them.

    Args:
        plain: What the untuned model without a prompt says to training questions, each with the
            group of its question, so that cross-validation never splits a question from its answers.
    """
    playing = [d for d in training if d.category not in OUTSIDE]
    real = [Line(m.content, d.group) for d in playing for m in d.messages if m.role == "assistant"]
    others = [*_other_speakers(playing), *plain]
    assistant = assistant_exchanges()
    others += [Line(pair.reply, pair.group) for pair in assistant]
    others += [Line(text, group) for text, group in other_characters()]
    names = _names(character, training)
    pairs = [Exchange(p.question, p.reference or "", d.group) for d in training for p in exchanges(d)]
    return Yardsticks(
        style=train_style(real, others, names),
        topic_free=train_topic_free_style(real, others, names),
        matcher=train_relevance(pairs, assistant, seed),
        sheet=FactSheet(character.facts, [line.text for line in real]),
        real_replies=tuple(line.text for line in real),
        names=tuple(sorted(names)),
        markers=learn_markers([line.text for line in real], [line.text for line in others]),
        training_text=TrainingText([line.text for line in real]) if real else None,
        says_unknown=real_lines_say_so(
            [p.reference or "" for d in training if d.category == "out_of_world" for p in exchanges(d)]
        ),
        author=_author(training),
    )


def _author(dialogues: Sequence[Dialogue]) -> str | None:
    """The model that wrote more than half of the dialogues, by what teaching notes as their source."""
    written = Counter(m[1] for d in dialogues if (m := _WRITTEN.match(d.source)))
    model, count = next(iter(written.most_common(1)), ("", 0))
    return model if 2 * count > len(dialogues) else None


def _other_speakers(dialogues: Sequence[Dialogue]) -> list[Line]:
    """Lines of a transcript's other speakers.

    Only where speakers are named: the user's side of a written dialogue is questions, and a
    classifier would learn that questions are not the character's.
    """
    lines = [
        Line(piece, d.group)
        for d in dialogues
        for m in d.messages
        if m.role == "user" and (m.speaker or _SPEAKER.match(m.content))
        for piece in (_SPEAKER.sub("", text).strip() for text in m.content.split("\n"))
        if piece
    ]
    return lines if len(lines) >= FEWEST_SPOKEN else []


def _names(character: Character, dialogues: Sequence[Dialogue]) -> set[str]:
    speakers = {m.speaker for d in dialogues for m in d.messages if m.speaker}
    return {part for name in (character.name, *speakers) for part in (name, *name.split()) if len(part) > 2}


def _describe_style(classifier: StyleClassifier, spoken: Sequence[Line]) -> dict[str, Any]:
    row = classifier.quality.as_row()
    values = classifier.probabilities([line.text for line in spoken])
    if values:
        row["real_held_out"] = float(np.mean(values))
        row["note"] += f"; real lines of the test split get {row['real_held_out']:.2f} (n = {len(values)})"
    return row


def _describe_markers(markers: StyleMarkers, spoken: Sequence[Line]) -> dict[str, Any]:
    """What the character's held-out lines get: the least that any arm can be expected to reach."""
    table = markers.measure([line.text for line in spoken])
    floor = float(markers.distance(table.mean(axis=0), markers.means))
    phrases = ", ".join(f"“{phrase}”" for phrase in markers.catchphrases[:8])
    note = f"held-out real lines lie {floor:.2f} from the training lines; catchphrases: {phrases or 'none'}"
    return {"accuracy": None, "auc": None, "count": len(spoken), "note": note, "real_held_out": floor}


def _describe_relevance(
    yardsticks: Yardsticks, character: Character, test: Sequence[Dialogue]
) -> dict[str, Any]:
    """Planted controls on held-out dialogues: real replies, real replies to wrong questions, fact dumps."""
    probes = [p for d in test if d.category not in OUTSIDE for p in exchanges(d)]
    if len({p.group for p in probes}) < 11 or yardsticks.matcher is None:
        return {"accuracy": None, "auc": None, "count": 0, "note": "too few held-out groups for controls"}
    real = [p.reference or "" for p in probes]
    half = len(real) // 2
    wrong = [*real[half:], *real[:half]]
    ranks = yardsticks.matcher.ranks(probes, real)
    figures = {"real replies": float(np.mean(ranks))}
    figures["real replies to wrong questions"] = float(np.mean(yardsticks.matcher.ranks(probes, wrong)))
    statements = [fact.statement for fact in character.facts]
    if len(statements) >= 8:
        dumps = [f"{text} {' '.join(_ring(statements, n, 8))}" for n, text in enumerate(real)]
        scored = zip(yardsticks.matcher.ranks(probes, dumps), dumps, probes, strict=True)
        figures["fact dumps"] = float(np.mean([0.0 if yardsticks.is_dump(t, p) else r for r, t, p in scored]))
    note = "; ".join(f"{name} {value:.2f}" for name, value in figures.items())
    return {
        "accuracy": float(np.mean([rank > 0.5 for rank in ranks])),
        "auc": figures["real replies"],
        "count": len(ranks),
        "note": f"mean rank on held-out dialogues: {note}; chance 0.5",
        "controls": figures,
    }


def _ring(items: Sequence[str], start: int, count: int) -> list[str]:
    return [items[(start * 3 + i) % len(items)] for i in range(count)]


def describe_detectors() -> dict[str, dict[str, Any]]:
    """Precision and recall of the pattern detectors on the shipped labelled replies; empty without them."""
    disclosure = labelled_replies()
    refusals, premises = labelled_replies("labelled_refusals"), labelled_replies("labelled_premises")
    plans: Iterable[tuple[str, Any, list[dict[str, Any]], Any]] = (
        ("ai_disclaimer", _on_reply(says_it_is_ai), disclosure, lambda row: row["is_ai"]),
        ("denial", _on_reply(denies_being_ai), disclosure, lambda row: row["denies_ai"]),
        (
            "honest_disclosure",
            _on_reply(is_truthful),
            disclosure,
            lambda row: row["is_ai"] and not row["denies_ai"],
        ),
        ("not_knowing", _on_reply(says_it_does_not_know), refusals, lambda row: row["does_not_know"]),
        ("declining", _on_reply(declines), refusals, lambda row: row["declines"]),
        (
            "correction",
            lambda row: corrects(row["reply"], row["prompt"]),
            premises,
            lambda row: row["corrects"],
        ),
    )
    return {
        name: _quality_row(measure_rows(rows, found, wanted)) for name, found, rows, wanted in plans if rows
    }


def _on_reply(detector: Callable[[str], bool]) -> Callable[[dict[str, Any]], bool]:
    return lambda row: detector(str(row["reply"]))


def measure_rows(
    rows: Sequence[dict[str, Any]],
    found: Callable[[dict[str, Any]], bool],
    wanted: Callable[[dict[str, Any]], bool],
) -> DetectorQuality:
    """A detector that may look at the question too, against people's labels."""
    by_text = {f"{row['prompt']} > {row['reply']}": row for row in rows}
    return measure_detector(
        lambda text: found(by_text[text]), [(text, bool(wanted(row))) for text, row in by_text.items()]
    )


def _quality_row(quality: DetectorQuality) -> dict[str, Any]:
    return {
        "precision": quality.precision,
        "recall": quality.recall,
        "count": quality.count,
        "positives": quality.positives,
    }
