"""An exported int8 model, and its process."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from export.conftest import export_now, tuned
from inference.conftest import Worker
from models import tiny_model

__all__ = ["tiny_model", "tuned"]


@pytest.fixture(scope="session")
def exported(tuned: Callable[..., Any]) -> Path:
    """A folder that was accepted, of a tiny model of random weights."""
    pytest.importorskip("ctranslate2", reason="the extra 'int8' is not installed")
    spec = tuned("llama", formats=("ctranslate2",))
    export_now(spec)
    return spec.output / "ctranslate2"


@pytest.fixture(scope="session")
def worker(exported: Path) -> Iterator[Worker]:
    """One process for all tests of a run."""
    process = Worker("understudy.int8")
    yield process
    process.close()


@pytest.fixture(scope="session")
def chat(worker: Worker, exported: Path) -> Callable[..., list[dict[str, Any]]]:
    """``chat("Who are you?", temperature=0)`` asks it and gives all events."""
    number = iter(range(10**6))

    def ask(content: str = "Who are you?", **settings: Any) -> list[dict[str, Any]]:
        messages = [{"role": "user", "content": content}]
        request = {"id": f"chat-{next(number)}", "op": "chat", "base": exported, "messages": messages}
        return worker.ask(**{**request, **settings})

    return ask
