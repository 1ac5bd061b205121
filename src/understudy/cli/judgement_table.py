"""A judgement as a person reads it in the terminal."""

from __future__ import annotations

from typing import Any

__all__ = ["print_judgement"]


def print_judgement(judgement: dict[str, Any]) -> None:
    """The answer, raters with their rates and controls, faults, agreement."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(judgement["sentence"], markup=False)
    table = Table(box=None, pad_edge=False)
    for title in ("", "wins", "at equal length", "consistent", "first taken", "controls"):
        table.add_column(title, justify="left" if not title else "right")
    for row in (*judgement["judges"], *judgement["persons"]):
        told = [r for r in row["controls"] if r["count"]]
        passed = f"{sum(r['passed'] for r in told)} of {len(told)}" if told else "–"
        table.add_row(
            row["name"], _rate(row["win_rate"]), _rate(row["length_adjusted"]),
            _percent(row["consistent"]), _percent(row["first_taken"]), passed,
        )  # fmt: skip
    console.print()
    console.print(table)
    for line in _remarks(judgement):
        console.print(line, markup=False)


def _remarks(judgement: dict[str, Any]) -> list[str]:
    a, b = judgement["a"], judgement["b"]
    lines = []
    for who, row in judgement["agreement"].items():
        if isinstance(row, dict) and row.get("alpha") is not None:
            lines.append(
                f"Agreement, {who.replace('_', ' ')}: alpha {row['alpha']:.2f}, "
                f"{_percent(row['equal'])} equal of {row['count']} pairs."
            )
    for row in judgement["faults"]:
        name = row["fault"].replace("_", " ")
        if row["believed"] and row["difference"]:
            lines.append(f"Fault {name}, {row['judge']}: {a} {_rate(row['a'])}, {b} {_rate(row['b'])}.")
        else:
            lines.append(
                f"Fault {name}, {row['judge']}: withheld, {row['reason'] or 'no reply was examined'}."
            )
    missing = judgement["protocol"]["controls_missing"]
    lines += [f"Control {kind.replace('_', ' ')}: not made, {why}." for kind, why in missing.items()]
    return lines + [f"Protocol: {breach}." for breach in judgement["protocol"]["breaches"]]


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _rate(row: dict[str, Any] | None) -> str:
    if not row or row["value"] is None:
        return "–"
    if row["low"] is None:
        return f"{100 * row['value']:.0f} %"
    return f"{100 * row['value']:.0f} % ({100 * row['low']:.0f}–{100 * row['high']:.0f})"
