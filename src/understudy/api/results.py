"""Results: a finished job's metrics as the CSV file that clients download."""

import csv
import io
from collections.abc import Iterable
from typing import Any

__all__ = ["COLUMNS", "results_csv"]

COLUMNS = {
    "step": "step",
    "train_loss": "train_loss",
    "train_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}


def results_csv(metrics: Iterable[dict[str, Any]]) -> bytes:
    """One row a step, five decimals, blank where not measured; a repeated step keeps its last row."""
    steps = {row["step"]: row for row in metrics}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for step in sorted(steps):
        writer.writerow([_cell(steps[step].get(key)) for key in COLUMNS.values()])
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.5f}" if isinstance(value, float) else str(value)
