"""Loss: the curve of a training."""

from collections.abc import Mapping
from typing import Any

from understudy.report.figures import DEPLOYED, WIDTH
from understudy.report.plot import DIM, FAINT, Plot, arm_colour, drawing, to_plot

__all__ = ["draw_loss"]


def draw_loss(events: list[dict[str, Any]]) -> Plot | None:
    """Training loss by step, validation loss where it was measured."""
    points = [_metrics(event) for event in events]
    train = [(p["step"], p["train_loss"]) for p in points if p and p.get("train_loss") is not None]
    if len(train) < 2:
        return None
    with drawing(WIDTH, 260) as figure:
        axes = figure.subplots()
        train.sort()
        axes.plot(*zip(*train, strict=True), color=FAINT, linewidth=1)
        axes.plot(
            [step for step, _ in train], _smooth([loss for _, loss in train]), color=arm_colour(DEPLOYED)
        )
        valid = sorted(_validation(points).items())
        if valid:
            axes.plot(
                *zip(*valid, strict=True), "s--", color=arm_colour("cheap+short"), markersize=5, linewidth=1.2
            )
            axes.annotate(
                "validation",
                valid[-1],
                xytext=(0, 9),
                textcoords="offset points",
                ha="right",
                color=arm_colour("cheap+short"),
            )
        axes.set_xlabel("step")
        axes.set_ylabel("loss, nats per token")
        axes.set_ylim(bottom=0)
        axes.tick_params(axis="y", labelcolor=DIM)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.set_axisbelow(True)
        alt = f"From {train[0][1]:.2f} at step {train[0][0]} to {train[-1][1]:.2f} at step {train[-1][0]}."
        if valid:
            alt += f" Validation: {valid[0][1]:.2f} to {valid[-1][1]:.2f}."
        return to_plot(figure, "loss", "Training loss", alt, "Thin: each step. Thick: running mean.")


def _metrics(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """Metrics of an event, as the API sends them (``data``) or as the worker writes them."""
    data = event.get("data")
    row = data if isinstance(data, Mapping) and data.get("step") is not None else event
    return dict(row) if isinstance(row.get("step"), int) else None


def _validation(points: list[dict[str, Any] | None]) -> dict[int, float]:
    """Full validation where there is one, else the small batches."""
    for key in ("full_valid_loss", "valid_loss"):
        found = {p["step"]: p[key] for p in points if p and p.get(key) is not None}
        if found:
            return found
    return {}


def _smooth(losses: list[float]) -> list[float]:
    """Mean of the last steps, about a twentieth of them."""
    window = max(1, len(losses) // 20)
    return [
        sum(losses[max(0, i - window + 1) : i + 1]) / len(losses[max(0, i - window + 1) : i + 1])
        for i in range(len(losses))
    ]
