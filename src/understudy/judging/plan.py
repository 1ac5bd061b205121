"""Plan: which pairs are compared, which controls come first, and everything that an answer depends on."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.character.character import load_character
from understudy.cost.evidence import read_object
from understudy.dataset import split_dialogues
from understudy.dialogue import Dialogue, load_dialogues
from understudy.errors import ConfigError, UnderstudyError
from understudy.folder import CharacterFolder, typed
from understudy.judging.briefing import Briefing, brief
from understudy.judging.comparison import Order
from understudy.judging.controls import Controls, build_controls, examined_controls
from understudy.judging.family import writers_of
from understudy.judging.faults import Examined
from understudy.judging.pair import Pair, Pairs, pairs_hash, read_pairs
from understudy.judging.prompt import load_prompt

__all__ = ["CONTROLS_EACH", "PAIRS", "JudgingPlan", "plan_judging"]

PAIRS = 324
CONTROLS_EACH = 12
SHORT, LONG, UNTUNED_LONG = "tuned+short", "expensive+long", "cheap+long"


@dataclass(frozen=True)
class JudgingPlan:
    """Everything that is fixed before anybody is asked.

    arms: Names of a and b. writers: Models whose writing is judged or was learned, with what they are here.
    """

    folder: CharacterFolder
    run: Path
    briefing: Briefing
    arms: tuple[str, str]
    pairs: Pairs
    controls: Controls
    writers: dict[str, str]
    seed: int

    def examined(self) -> list[Examined]:
        """The replies of both arms that are searched for faults, each once."""
        found: dict[tuple[str, str], Examined] = {}
        for pair in self.pairs.pairs:
            for side, arm in zip("ab", self.arms, strict=True):
                found[pair.id, side] = Examined(f"{pair.id}/{arm}", "reply", pair, side)
        return list(found.values())

    def examined_controls(self) -> list[Examined]:
        return examined_controls(self.controls.pairs)

    def sha256(self) -> str:
        """Hash of the pairs and controls with their texts."""
        return pairs_hash((*self.pairs.pairs, *self.controls.pairs))

    def comparison_key(self, rater: str, pair: Pair, order: Order) -> str:
        """What a rating of a pair in one order is found again by."""
        prompt = load_prompt("pairwise").sha256
        return _key([rater, prompt, self._about(pair), order, self.seed])

    def examination_key(self, rater: str, examined: Examined) -> str:
        """What the faults that a rater saw in a reply are found again by."""
        prompt = load_prompt("faults").sha256
        return _key([rater, prompt, self._about(examined.pair), examined.reply])

    def _about(self, pair: Pair) -> list[Any]:
        told = [self.briefing.persona, self.briefing.facts, pair.fact]
        return [told, pair.id, [dict(m) for m in pair.messages], pair.a, pair.b]


def plan_judging(
    folder: CharacterFolder,
    run: Path,
    *,
    arms: tuple[str, str] | None = None,
    pairs: int = PAIRS,
    controls: int = CONTROLS_EACH,
    seed: int = 0,
) -> JudgingPlan:
    """Choose pairs and controls. The same run, numbers and seed give the same plan.

    Args:
        arms: a and b; by default the understudy against the star where that was measured, else against
            the untuned model with the long prompt.

    Raises:
        ConfigError: The run has no verdict, or an arm was not measured.
        EvaluationError: No probe was answered by both arms.
    """
    verdict = read_object(run / "verdict.json")
    if not verdict:
        raise ConfigError(
            f"{run}: has no verdict, so there is nothing to compare. Evaluate first: understudy evaluate "
            f"{typed(folder.root)}"
        )
    character = load_character(folder.character)
    measured = {row["name"]: row for row in verdict.get("arms", ()) if row.get("measured")}
    chosen = arms or (SHORT, LONG if LONG in measured else UNTUNED_LONG)
    absent = [arm for arm in chosen if arm not in measured]
    if absent or chosen[0] == chosen[1]:
        problem = (
            f"{', '.join(absent)} was not measured" if absent else "an arm cannot be compared with itself"
        )
        raise ConfigError(f"--arms {','.join(chosen)}: {problem}. Measured: {', '.join(measured)}.")
    dialogues, test = _dialogues(folder)
    by_category = (verdict.get("primary") or {}).get("by_category") or ()
    return JudgingPlan(
        folder,
        run,
        brief(character),
        chosen,
        read_pairs(
            run,
            chosen,
            name=character.name,
            facts={fact.id: fact.statement for fact in character.facts},
            most=pairs,
            seed=seed,
            categories=[row["category"] for row in by_category] or None,
        ),
        build_controls(character, [*test, *dialogues], run, each=controls, seed=seed),
        _writers(folder, measured, chosen, dialogues),
        seed,
    )


def _dialogues(folder: CharacterFolder) -> tuple[list[Dialogue], list[Dialogue]]:
    """All dialogues, and the held-out ones where the dataset still fits them."""
    dialogues = load_dialogues(folder.dialogues) if folder.dialogues.is_file() else []
    try:
        return dialogues, list(split_dialogues(folder, "test"))
    except UnderstudyError:
        return dialogues, []


def _writers(
    folder: CharacterFolder, measured: dict[str, Any], arms: tuple[str, str], dialogues: list[Dialogue]
) -> dict[str, str]:
    written = dict.fromkeys(sorted(writers_of(folder, dialogues)), "the teacher of the dialogues")
    played = {measured[arm]["base_model"] or measured[arm]["model"]: f"the model of {arm}" for arm in arms}
    return written | played


def _key(parts: list[Any]) -> str:
    return hashlib.sha256(json.dumps(parts, ensure_ascii=False, sort_keys=True).encode()).hexdigest()
