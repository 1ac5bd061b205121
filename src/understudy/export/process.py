"""Process: the export runs apart, because it needs torch and as much memory as the model."""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from understudy.errors import ModelError
from understudy.export.spec import ExportSpec, save_spec

__all__ = ["run_export"]


def run_export(
    spec: ExportSpec, on_event: Callable[[dict[str, Any]], None] = lambda event: None
) -> dict[str, Any]:
    """Run an export to its end.

    Returns:
        What ``export.json`` holds.

    Raises:
        ModelError: It was refused, or what was written is not the trained model.
    """
    with tempfile.TemporaryDirectory(prefix="understudy-export-") as folder:
        path, log = Path(folder) / "spec.json", Path(folder) / "log.txt"
        save_spec(path, spec)
        failed = _follow(path, log, on_event)
        if failed is not None:
            raise ModelError(
                failed or f"The export ended unexpectedly. {log.read_text(errors='replace')[-600:]}"
            )
    return dict(json.loads((spec.output / "export.json").read_text(encoding="utf-8")))


def _follow(path: Path, log: Path, on_event: Callable[[dict[str, Any]], None]) -> str | None:
    """Why the process failed; ``None`` if it did not, empty if it did not say."""
    command = [sys.executable, "-m", "understudy.export", str(path)]
    failed: str | None = ""
    with (
        log.open("w") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8"
        ) as process,
    ):
        assert process.stdout is not None
        try:
            for line in process.stdout:
                event = json.loads(line)
                if event["event"] == "failed":
                    failed = str(event["message"])
                elif event["event"] == "done":
                    failed = None
                else:
                    on_event(event)
        except BaseException:
            process.terminate()
            raise
    return failed
