"""A run whose better replies are known, and judges over HTTP whose faults are known."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

from understudy.dialogue import load_dialogues
from understudy.evaluation.probes import exchanges
from understudy.folder import CharacterFolder, open_folder
from understudy.judging.faults import fault_names
from understudy.judging.plan import JudgingPlan

EXAMPLE = Path(str(files("understudy"))) / "examples" / "ophelia"
TUNED, STAR = "tuned+short", "expensive+long"
SHARE = 0.8  # of pairs in which the tuned arm's reply is the better one, in groups of one


def set_stage(root: Path, *, probes: int = 60, longer: bool = False) -> tuple[CharacterFolder, Path]:
    """Ophelia with a run of two arms. The better reply holds "★"; with ``longer``, b's replies are longer."""
    place = root / "ophelia"
    shutil.copytree(EXAMPLE, place)
    folder = open_folder(place)
    run = folder.run("20260101T000000Z")
    run.mkdir(parents=True)
    rows, plain = [], []
    found = [p for d in load_dialogues(folder.dialogues) for p in exchanges(d) if len(p.messages) == 1]
    for number, probe in enumerate(found[: 2 * probes]):
        row = {
            "probe_id": f"probe/{number}", "category": "fact" if number % 3 else "small_talk",
            "group": f"group/{number // 2}", "turn": 1, "messages": [dict(m) for m in probe.messages],
            "reference": probe.reference, "finish_reason": "stop",
        }  # fmt: skip
        if number >= probes:
            plain.append({**row, "key": f"p{number}", "reply": f"As an AI, I cannot say. ({number})"})
            continue
        wins = number % 10 < 10 * SHARE
        a, b = ("★ Oh, yes", "Well, no") if wins else ("Well, no", "★ Oh, yes")
        tail = " and on and on it goes" * (longer and not number % 4)
        arms = ((TUNED, f"**{a}**, {number}"), (STAR, f"{b}, {number}{tail}"))
        for arm, reply in arms:
            prompt = [{"role": "system", "content": f"secret of {arm}"}]
            rows.append({**row, "arm": arm, "key": f"{arm}{number}", "reply": reply,
                         "messages": [*prompt, *row["messages"]]})  # fmt: skip
    write(run / "replies.jsonl", rows)
    write(run / "plain_replies.jsonl", plain)
    arms = [
        {"name": name, "model": model, "base_model": model, "measured": True, "scores": {}}
        for name, model in ((TUNED, "Qwen/Qwen3-0.6B"), (STAR, "gpt-4.1"))
    ]
    verdict = {"schema": "understudy.verdict/1", "character": "Princess Ophelia", "arms": arms}
    (run / "verdict.json").write_text(json.dumps(verdict), encoding="utf-8")
    return folder, run


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


class Judge:
    """Answers comparisons by ``choose`` and examinations by what is known.

    choose: Gets (first line, second line, whether it is a control) and gives -1 for the first, 1 for the
    second, 0 for a tie.
    """

    def __init__(self, plan: JudgingPlan, choose: Callable[[str, str, bool], int] | None = None) -> None:
        self.truth = {frozenset((pair.a, pair.b)): pair.a for pair in plan.controls.pairs}
        self.known = {
            (case.pair.messages[-1]["content"], case.reply): case.known for case in plan.examined_controls()
        }
        self.choose = choose or self.knows
        self.seen: list[str] = []

    def knows(self, first: str, second: str, control: bool) -> int:
        """The truth."""
        better = self.truth.get(frozenset((first, second)))
        if better is not None:
            return 1 if better == second else -1
        return ("★" in second) - ("★" in first)

    def __call__(self, request: dict[str, Any]) -> str:
        text = request["messages"][-1]["content"]
        self.seen.append(json.dumps(request, ensure_ascii=False))
        lines = re.findall(r"Line (\w):\n<line>\n(.*?)\n</line>", text, re.DOTALL)
        if not lines:
            return self._examine(text)
        (first, one), (second, two) = lines
        chosen = self.choose(one, two, frozenset((one, two)) in self.truth)
        return f"REASON: so it is\nBETTER: {'TIE' if not chosen else second if chosen > 0 else first}"

    def _examine(self, text: str) -> str:
        line = re.findall(r"<line>\n(.*?)\n</line>", text, re.DOTALL)[0]
        question = re.findall(r"^Visitor: (.*)$", text, re.MULTILINE)[-1]
        found = self.known.get((question, line), {"wrong_tone": "Well, no" in line})
        return "\n".join(f"{name.upper()}: {'yes' if found.get(name) else 'no'}" for name in fault_names())


def first(one: str, two: str, control: bool) -> int:
    return -1


def longer(one: str, two: str, control: bool) -> int:
    return (len(two) > len(one)) - (len(two) < len(one))


def chance(one: str, two: str, control: bool) -> int:
    return 1 if hashlib.sha256(f"{one}|{two}".encode()).digest()[0] % 2 else -1
