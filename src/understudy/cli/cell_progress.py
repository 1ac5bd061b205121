"""Progress of cells, as ``curve`` and ``study`` show it: which one, how far, how long still."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from understudy.cli.progress import ProgressLine
from understudy.study.run_cells import Listener

if TYPE_CHECKING:
    from understudy.client.provider import Provider
    from understudy.errors import UnderstudyError
    from understudy.evaluation.replies import Progress
    from understudy.study.cell_plan import CellPlan
    from understudy.study.measurement import Measurement

__all__ = ["CellProgress", "consent", "refuse_format"]

FORMATS = ("text", "md", "json")


def refuse_format(format_: str) -> None:
    """Raises ConfigError for a format that there is not."""
    from understudy.errors import ConfigError

    if format_ not in FORMATS:
        raise ConfigError(f"--format {format_!r} is not one of {', '.join(FORMATS)}.")


def consent(provider: Provider, yes: bool) -> None:
    """Ask before a provider that charges is used; the price was shown."""
    from understudy.cli.consent import ask_to_spend

    if provider.paid and not yes:
        ask_to_spend(provider.name, "Train and measure all of these?")


class CellProgress(Listener):
    """A line for each cell, and within it one moving line. Ctrl-C ends it; what is done is kept."""

    def __init__(self, stream: Any, name: str, command: str) -> None:
        self._stream = stream
        self._line = ProgressLine(stream)
        self._name, self._command = name, command

    def __enter__(self) -> CellProgress:
        self._line.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *details: object) -> None:
        self._line.__exit__()
        if kind is KeyboardInterrupt:
            from understudy.folder import typed

            self._say(
                "Stopped. Every cell that is done is kept, and a training under way goes on at the server. "
                f"Go on with: understudy {self._command} {typed(self._name)}"
            )
            raise typer.Exit(130)

    def waiting(self) -> None:
        self._say(f"Another process works on this {self._command}; waiting for it.")

    def cell(self, number: int, total: int, plan: CellPlan, seconds_left: float | None) -> None:
        from understudy.study.forecast import duration

        left = f", about {duration(seconds_left)} left in all" if seconds_left is not None else ""
        self._say(f"cell {number} of {total}: {plan.cell.name}{left}")

    def skipped(self, number: int, total: int, plan: CellPlan) -> None:
        self._say(f"cell {number} of {total}: {plan.cell.name} was measured before")

    def failed(self, plan: CellPlan, error: UnderstudyError) -> None:
        self._say(f"{plan.cell.name} failed, the others go on: {error}")

    def done(self, plan: CellPlan, measurement: Measurement) -> None:
        seconds = measurement.seconds
        parts = [f"{what} {time:.0f} s" for what, time in seconds.items() if time is not None]
        self._say(f"  {', '.join(parts)}")

    def event(self, event: dict[str, Any]) -> None:
        from understudy.evaluation.replies import Progress

        data = event.get("data") or {}
        if event.get("type") == "metrics" and data.get("total_steps"):
            step = Progress("step", int(data["total_steps"]))
            step.done = int(data["step"])
            if data.get("train_loss") is not None:
                step.note = f"loss {data['train_loss']:.3f}"
            self._line.show(step)

    def progress(self, progress: Progress) -> None:
        self._line.show(progress)

    def _say(self, text: str) -> None:
        self._line.__exit__()
        print(text, file=self._stream, flush=True)
