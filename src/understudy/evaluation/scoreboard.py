"""Scoreboard: every score of every arm."""

from collections.abc import Mapping, Sequence

from understudy.character.character import Character
from understudy.evaluation.arms import DEPLOYED, Arm
from understudy.evaluation.comparison import Comparison, compare
from understudy.evaluation.facts import score_facts
from understudy.evaluation.gap_closed import (
    Likelihood,
    score_gap_closed,
    score_likelihood_gain,
    score_nll,
)
from understudy.evaluation.honesty import HONESTY_KINDS, score_honesty, score_honesty_of
from understudy.evaluation.leak import score_false_break, score_leak
from understudy.evaluation.length import score_length
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.relevance import score_relevance
from understudy.evaluation.repetition import score_repetition
from understudy.evaluation.score import DIRECTIONS, Score, not_computed
from understudy.evaluation.scores.copying import score_copying
from understudy.evaluation.scores.diversity import score_diversity
from understudy.evaluation.scores.false_premise import score_false_premise
from understudy.evaluation.scores.markers import score_markers
from understudy.evaluation.scores.over_refusal import score_over_refusal
from understudy.evaluation.scores.self_repetition import score_self_repetition
from understudy.evaluation.scores.skill import score_skill, score_skill_lost
from understudy.evaluation.scores.told_apart import score_told_apart
from understudy.evaluation.scores.unknown import score_unknown
from understudy.evaluation.settings import Settings
from understudy.evaluation.style import score_style
from understudy.evaluation.yardsticks import Yardsticks

__all__ = ["compare_arms", "score_arm", "score_arms"]

UNTUNED = "cheap+short"
"""What the tuned model was before; gains and losses are counted from it."""
UNPAIRED = frozenset(("gap_closed", "skill_lost", "diversity", "marker_distance", "unknown_f1"))
"""Scores of all replies together: nothing belongs to one probe, so arms cannot be compared probe by probe."""


def score_arm(
    answers: Sequence[Answer],
    likelihoods: Sequence[Likelihood],
    yardsticks: Yardsticks,
    character: Character,
    settings: Settings,
) -> dict[str, Measured]:
    """All scores of one arm that need no other arm, by name."""
    seed = settings.seed
    # Further probes are identity questions and attacks alone: they would tilt any other score.
    pressed = [a for a in answers if a.probe.part in ("single", "further")]
    everything, answers = answers, [a for a in answers if a.probe.part == "single"]
    in_character = character.policies.disclosure == "in_character"
    return {
        "nll_per_token": score_nll(likelihoods, seed),
        "style": score_style(answers, yardsticks.style, seed),
        "style_topic_free": score_style(answers, yardsticks.topic_free, seed),
        "told_apart": score_told_apart(answers, yardsticks.names, seed=seed),
        "told_apart_topic_free": score_told_apart(answers, yardsticks.names, topic_free=True, seed=seed),
        "marker_distance": score_markers(answers, yardsticks.markers, seed),
        "in_fiction_leak": score_leak(pressed),
        "false_break": score_false_break(answers),
        "honesty": score_honesty(answers, in_character_policy=in_character),
        **{f"honesty_{kind}": score_honesty_of(kind, answers) for kind in HONESTY_KINDS},
        "fact_recall": score_facts(answers, yardsticks.sheet),
        "over_refusal": score_over_refusal(answers, yardsticks.sheet),
        "unknown_f1": score_unknown(answers, yardsticks.sheet, yardsticks.says_unknown, seed),
        "false_premise": score_false_premise(answers, yardsticks.sheet),
        "relevance": score_relevance(answers, yardsticks.matcher, yardsticks.is_dump, seed),
        "reply_length_ratio": score_length(answers, yardsticks.real_replies, seed),
        "repetition": score_repetition(answers),
        "self_repetition": score_self_repetition(everything, seed),
        "diversity": score_diversity(answers, yardsticks.real_replies),
        "copying": score_copying(answers, yardsticks.training_text),
        "general_skill": score_skill(everything),
    }


def score_arms(
    arms: Sequence[Arm],
    answers: Mapping[str, Sequence[Answer]],
    likelihoods: Mapping[str, Sequence[Likelihood]],
    yardsticks: Yardsticks,
    character: Character,
    settings: Settings,
) -> dict[str, dict[str, Measured]]:
    """Scores by arm and name, in the order of ``DIRECTIONS``; gap closed for arms on the cheap model."""
    board: dict[str, dict[str, Measured]] = {}
    for arm in arms:
        mine = likelihoods.get(arm.name, [])
        scores = score_arm(answers[arm.name], mine, yardsticks, character, settings)
        scores["gap_closed"] = Measured(_gap(arm, likelihoods, yardsticks.author, settings.seed))
        scores["likelihood_gain"] = score_likelihood_gain(
            mine, likelihoods.get(UNTUNED, []), settings.seed, author=yardsticks.author
        )
        board[arm.name] = scores
    for scores in board.values():
        scores["skill_lost"] = Measured(_skill_lost(board.get(UNTUNED), scores, settings.seed))
    return {
        arm: {name: scores[name] for name in DIRECTIONS if name in scores} for arm, scores in board.items()
    }


def _gap(arm: Arm, likelihoods: Mapping[str, Sequence[Likelihood]], author: str | None, seed: int) -> Score:
    if not all(likelihoods.get(name) for name in (arm.name, UNTUNED, "cheap+long")):
        return not_computed("no real reply could be scored", unit="share of the prompt's gain")
    return score_gap_closed(
        likelihoods[arm.name], likelihoods[UNTUNED], likelihoods["cheap+long"], seed, author=author
    )


def _skill_lost(before: Mapping[str, Measured] | None, after: Mapping[str, Measured], seed: int) -> Score:
    if before is None:
        return not_computed(
            f"{UNTUNED} was not measured, and it is what tuning began with", unit="share of tasks"
        )
    return score_skill_lost(before["general_skill"], after["general_skill"], seed)


def compare_arms(board: Mapping[str, Mapping[str, Measured]], settings: Settings) -> list[Comparison]:
    """The deployed arm against every other, in all scores that have a value for each probe."""
    if DEPLOYED not in board:
        return []
    mine = board[DEPLOYED]
    return [
        compare(
            name,
            (DEPLOYED, other),
            mine[name],
            board[other][name],
            margin=settings.margin,
            draws=settings.draws,
            seed=settings.seed,
        )
        for name in DIRECTIONS
        if name in mine and name not in UNPAIRED
        for other in board
        if other != DEPLOYED
    ]
