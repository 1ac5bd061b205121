"""Scoreboard: every score of every arm."""

from collections.abc import Mapping, Sequence

from understudy.character.character import Character
from understudy.evaluation.arms import DEPLOYED, Arm
from understudy.evaluation.comparison import Comparison, compare
from understudy.evaluation.facts import score_facts
from understudy.evaluation.gap_closed import Likelihood, score_gap_closed, score_nll
from understudy.evaluation.honesty import score_honesty
from understudy.evaluation.leak import score_false_break, score_leak
from understudy.evaluation.length import score_length
from understudy.evaluation.probe import Answer, Measured
from understudy.evaluation.relevance import score_relevance
from understudy.evaluation.repetition import score_repetition
from understudy.evaluation.score import DIRECTIONS, Score, not_computed
from understudy.evaluation.settings import Settings
from understudy.evaluation.style import score_style
from understudy.evaluation.yardsticks import Yardsticks

__all__ = ["compare_arms", "score_arm", "score_arms"]


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
    everything, answers = answers, [a for a in answers if a.probe.part == "single"]
    pressed = [a for a in everything if a.probe.part in ("single", "further")]
    in_character = character.policies.disclosure == "in_character"
    return {
        "nll_per_token": score_nll(likelihoods, seed),
        "style": score_style(answers, yardsticks.style, seed),
        "style_topic_free": score_style(answers, yardsticks.topic_free, seed),
        "in_fiction_leak": score_leak(pressed),
        "false_break": score_false_break(answers),
        "honesty": score_honesty(answers, in_character_policy=in_character),
        "fact_recall": score_facts(answers, yardsticks.sheet),
        "relevance": score_relevance(answers, yardsticks.matcher, yardsticks.is_dump, seed),
        "reply_length_ratio": score_length(answers, yardsticks.real_replies, seed),
        "repetition": score_repetition(answers),
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
        scores["gap_closed"] = Measured(_gap(arm, likelihoods, settings.seed))
        board[arm.name] = {name: scores[name] for name in DIRECTIONS if name in scores}
    return board


def _gap(arm: Arm, likelihoods: Mapping[str, Sequence[Likelihood]], seed: int) -> Score:
    if not all(likelihoods.get(name) for name in (arm.name, "cheap+short", "cheap+long")):
        return not_computed("no real reply could be scored", unit="share of the prompt's gain")
    return score_gap_closed(
        likelihoods[arm.name], likelihoods["cheap+short"], likelihoods["cheap+long"], seed
    )


def compare_arms(board: Mapping[str, Mapping[str, Measured]], settings: Settings) -> list[Comparison]:
    """The deployed arm against every other, in all scores but the gap (see likelihood)."""
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
        if name in mine and name != "gap_closed"
        for other in board
        if other != DEPLOYED
    ]
