"""Person: the same blind comparison, each pair in one seeded order, with planted controls among the pairs."""

from collections.abc import Callable
from dataclasses import dataclass

from understudy.evaluation.row_file import RowFile
from understudy.judging.comparison import Choice, first_order
from understudy.judging.controls import CONTROLS
from understudy.judging.pair import Pair, place
from understudy.judging.plan import JudgingPlan

__all__ = ["ANSWERS", "CONTROLS_OF_A_KIND", "Asked", "ask_person", "pairs_for_person"]

CONTROLS_OF_A_KIND = 2
ANSWERS = {"1": "the first", "2": "the second", "t": "a tie", "s": "skip", "p": "persona", "q": "stop"}


@dataclass(frozen=True)
class Asked:
    """What a person came to: ``left`` pairs have no answer yet."""

    answered: int
    left: int


def pairs_for_person(plan: JudgingPlan, rater: str) -> list[Pair]:
    """The pairs with two controls of each kind among them, in an order of this rater's own."""
    controls: list[Pair] = []
    for kind in CONTROLS:
        controls += [pair for pair in plan.controls.pairs if pair.kind == kind][:CONTROLS_OF_A_KIND]
    pairs = [pair for pair in plan.pairs.pairs if not pair.is_same]
    # Whoever stops early has seen enough controls all the same: they are spread over the first half.
    shuffled = sorted(pairs, key=lambda p: place(plan.seed, rater, p.id))
    controls.sort(key=lambda p: place(plan.seed, rater, p.id))
    step = max(1, len(shuffled) // (2 * max(1, len(controls))))
    for number, control in enumerate(controls):
        shuffled.insert(number * (step + 1) + 1, control)
    return shuffled


def ask_person(
    plan: JudgingPlan,
    rater: str,
    ratings: RowFile,
    show: Callable[[Pair, str, str, int, int], None],
    answer: Callable[[], str],
    show_persona: Callable[[], None],
) -> Asked:
    """Ask one pair after another until all are answered or the person stops; each answer is kept at once.

    Args:
        show: Gets the pair, the first and the second reply, its number and how many there are.
        answer: Gives a key of ``ANSWERS``.
    """
    pairs = pairs_for_person(plan, rater)
    keys = {pair.id: plan.comparison_key(rater, pair, first_order(pair, plan.seed)) for pair in pairs}
    open_pairs = [pair for pair in pairs if keys[pair.id] not in ratings.rows]
    answered = 0
    for number, pair in enumerate(open_pairs, len(pairs) - len(open_pairs) + 1):
        order = first_order(pair, plan.seed)
        show(pair, pair.reply(order[0]), pair.reply(order[1]), number, len(pairs))
        said = answer()
        while said == "p":
            show_persona()
            said = answer()
        if said == "q":
            break
        if said == "s":
            continue
        sides: dict[str, Choice] = {
            "1": "a" if order == "ab" else "b",
            "2": "b" if order == "ab" else "a",
            "t": "tie",
        }
        ratings.append(
            {
                "key": keys[pair.id],
                "rater": rater,
                "person": True,
                "kind": pair.kind,
                "pair": pair.id,
                "order": order,
                "choice": sides[said],
            }
        )
        answered += 1
    left = sum(keys[pair.id] not in ratings.rows for pair in pairs)
    return Asked(answered, left)
