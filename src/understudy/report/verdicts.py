"""Verdicts: reading the figures of a verdict for sentences and tables."""

from dataclasses import dataclass
from typing import Any

from understudy.report.figures import DEPLOYED
from understudy.report.scores import (
    ScoreKind,
    best_arms,
    format_interval,
    format_value,
    score_kind,
    score_names,
)

__all__ = ["Cell", "KeyFigure", "ScoreRow", "Sheet", "key_figures", "read_sheet", "score_table"]

# The deployed arm beside the ones that it replaces; the other prompts of the tuned model after them.
ORDER = [DEPLOYED, "expensive+long", "cheap+long", "cheap+short", "tuned+none", "tuned+long"]
ORDER += ["cheap+trimmed", "cheap+few-shot", "wrong+short"]


@dataclass(frozen=True)
class Cell:
    """One score of one arm, ready to print. ``note`` is why there is no value, or a remark."""

    arm: str
    value: str
    interval: str
    count: int | None
    best: bool
    missing: bool
    note: str


@dataclass(frozen=True)
class ScoreRow:
    """One score over the arms. ``method`` says how it was made."""

    kind: ScoreKind
    unit: str
    method: str
    cells: tuple[Cell, ...]

    @property
    def missing(self) -> str:
        """Why no arm has this score; empty where one has it or the reasons differ."""
        reasons = {cell.note for cell in self.cells if cell.missing}
        alike = all(cell.missing for cell in self.cells) and len(reasons) == 1
        return reasons.pop() if alike else ""

    @property
    def notes(self) -> str:
        """Remarks on the values: once where all arms share them, else by arm."""
        notes = {cell.arm: cell.note for cell in self.cells if cell.note and not cell.missing}
        if len(notes) == len(self.cells) and len(set(notes.values())) == 1:
            return next(iter(notes.values()))
        return "; ".join(f"{arm}: {note}" for arm, note in notes.items())


@dataclass(frozen=True)
class KeyFigure:
    """One of the figures beside the verdict. ``tone`` is good, bad or plain."""

    label: str
    value: str
    against: str
    detail: str
    tone: str


@dataclass(frozen=True)
class Sheet:
    """A verdict with its arms by name and its comparisons by score and pair."""

    verdict: dict[str, Any]
    arms: list[dict[str, Any]]
    unmeasured: list[dict[str, Any]]
    pairs: dict[tuple[str, str, str], dict[str, Any]]

    @property
    def names(self) -> list[str]:
        """Names of the measured arms in the order of the verdict."""
        return [arm["name"] for arm in self.arms]

    @property
    def margin(self) -> float | None:
        """The share by which the deployed arm may be worse, stated before anything was measured."""
        margin = (self.verdict.get("settings") or {}).get("margin")
        return float(margin) if isinstance(margin, int | float) else None

    @property
    def prompts(self) -> dict[str, list[str]]:
        """Each system prompt once, with the arms that are given it."""
        found: dict[str, list[str]] = {}
        for arm in self.arms + self.unmeasured:
            found.setdefault(str(arm.get("prompt") or ""), []).append(arm["name"])
        return found

    def arm(self, name: str) -> dict[str, Any] | None:
        """A measured arm."""
        return next((arm for arm in self.arms if arm["name"] == name), None)

    def score(self, arm: str, score: str) -> dict[str, Any] | None:
        """A score that has a value."""
        found = self.arm(arm)
        value = (found.get("scores") or {}).get(score) if found else None
        return value if value and value.get("value") is not None else None

    def reason(self, arm: str, score: str) -> str:
        """Why an arm has no such score; empty where it has one or nothing is said."""
        found = ((self.arm(arm) or {}).get("scores") or {}).get(score) or {}
        return str(found.get("note") or "") if found.get("value") is None else ""

    def pair(self, score: str, b: str, a: str = DEPLOYED) -> dict[str, Any] | None:
        """A comparison that has a difference."""
        found = self.pairs.get((score, a, b))
        return found if found and found.get("difference") is not None else None

    def value(self, arm: str, score: str) -> str:
        """``86.0%``, or a dash."""
        found = self.score(arm, score) or {}
        return format_value(score_kind(score, str(found.get("unit") or "")), found.get("value"))

    def text(self, arm: str, score: str) -> str:
        """``86.0% (81.0 to 91.0)``, or a dash."""
        found = self.score(arm, score) or {}
        kind = score_kind(score, str(found.get("unit") or ""))
        interval = format_interval(kind, found.get("low"), found.get("high"))
        return self.value(arm, score) + (f" ({interval})" if interval else "")


def read_sheet(verdict: dict[str, Any]) -> Sheet:
    """Sort a verdict's arms into measured and priced ones; a verdict of any completeness is read."""
    named = [arm for arm in verdict.get("arms") or [] if arm.get("name")]
    arms = sorted(named, key=lambda arm: ORDER.index(arm["name"]) if arm["name"] in ORDER else len(ORDER))
    measured = [arm for arm in arms if arm.get("measured", True)]
    pairs = {
        (str(row.get("score")), str(row.get("a")), str(row.get("b"))): row
        for row in verdict.get("comparisons") or []
    }
    return Sheet(verdict, measured, [arm for arm in arms if arm not in measured], pairs)


def score_table(sheet: Sheet) -> list[ScoreRow]:
    """Every score over every measured arm, the best marked, the missing ones with their reason."""
    rows = []
    for name in score_names(sheet.arms):
        scores = {arm["name"]: (arm.get("scores") or {}).get(name) or {} for arm in sheet.arms}
        unit = next((str(score["unit"]) for score in scores.values() if score.get("unit")), "")
        kind = score_kind(name, unit)
        best = best_arms(kind, scores)
        method = next((str(score["method"]) for score in scores.values() if score.get("method")), "")
        rows.append(
            ScoreRow(
                kind,
                unit,
                method,
                tuple(_cell(kind, arm, score, arm in best) for arm, score in scores.items()),
            )
        )
    return rows


def _cell(kind: ScoreKind, arm: str, score: dict[str, Any], best: bool) -> Cell:
    missing = score.get("value") is None
    note = str(score.get("note") or ("not computed for this arm" if missing else ""))
    return Cell(
        arm=arm,
        value=format_value(kind, score.get("value")),
        interval=format_interval(kind, score.get("low"), score.get("high")),
        count=score.get("count"),
        best=best,
        missing=missing,
        note=note,
    )


def key_figures(sheet: Sheet, cost: dict[str, Any]) -> list[KeyFigure]:
    """The most telling figures: probes passed, tone, world view, disclaimers; a loss beyond them is one more.

    Where one cannot be computed, likelihood, the prompt's length and the price take its place.
    """
    core = ("probes_passed", "style", "fact_recall", "in_fiction_leak")
    figures = [figure for figure in (_figure(sheet, name) for name in core) if figure]
    loss = _worst_loss(sheet, set(core))
    spare = (_figure(sheet, "nll_per_token"), _prompt_figure(sheet), _cost_figure(cost))
    figures += [figure for figure in spare if figure][: max(0, 3 - len(figures))]
    return [*figures, loss] if loss else figures


def _figure(sheet: Sheet, score: str, tone: str = "") -> KeyFigure | None:
    mine = sheet.score(DEPLOYED, score)
    if mine is None:
        return None
    kind = score_kind(score, str(mine.get("unit") or ""))
    others = [name for name in ("cheap+short", "cheap+long", "expensive+long") if sheet.score(name, score)]
    against = ", ".join(f"{format_value(kind, sheet.score(n, score)['value'])} {n}" for n in others)  # type: ignore[index]
    interval = format_interval(kind, mine.get("low"), mine.get("high"))
    detail = ", ".join(
        p for p in (interval, f"n = {mine['count']}" if mine.get("count") is not None else "") if p
    )
    verdicts = [sheet.pairs.get((score, DEPLOYED, n), {}).get("better") for n in others]
    tone = tone or (
        "good" if any(verdicts) and False not in verdicts else "bad" if False in verdicts else "plain"
    )
    return KeyFigure(kind.title, format_value(kind, mine["value"]), against, detail, tone)


def _worst_loss(sheet: Sheet, used: set[str]) -> KeyFigure | None:
    """A score in which the deployed arm is worse beyond the interval: the reader must see it first."""
    worse = [
        row
        for (score, a, _), row in sheet.pairs.items()
        if a == DEPLOYED and row.get("better") is False and score not in used
    ]
    shares = [
        row for row in worse if score_kind(str(row["score"])).share and row.get("difference") is not None
    ]
    if not shares:
        return None
    return _figure(sheet, max(shares, key=lambda row: abs(row["difference"]))["score"], "bad")


def _prompt_figure(sheet: Sheet) -> KeyFigure | None:
    short, long = sheet.arm(DEPLOYED), sheet.arm("cheap+long") or sheet.arm("tuned+long")
    if not short or not long or short.get("prompt_tokens") is None or not long.get("prompt_tokens"):
        return None
    return KeyFigure(
        "System prompt",
        f"{short['prompt_tokens']:,} tokens",
        f"{long['prompt_tokens']:,} in the long prompt",
        "sent again with every message",
        "plain",
    )


def _cost_figure(cost: dict[str, Any]) -> KeyFigure | None:
    arms = {arm["arm"]: arm for arm in cost.get("arms") or [] if arm.get("place") == "hosted"}
    if DEPLOYED not in arms or "cheap+long" not in arms:
        return None
    mine, other = arms[DEPLOYED]["usd"], arms["cheap+long"]["usd"]
    return KeyFigure(
        "Per 1,000 conversations",
        f"${1000 * mine:,.2f}",
        f"${1000 * other:,.2f} cheap+long",
        f"priced, not measured; {arms[DEPLOYED]['as_of']}",
        "good" if mine < other else "bad",
    )
