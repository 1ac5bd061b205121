"""Fixtures of the inference tests: tiny models, voices, and the worker as a process."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from models import tiny_model

__all__ = ["Worker", "tiny_model"]


class Worker:
    """An inference process with its two pipes."""

    def __init__(self, module: str = "understudy.inference") -> None:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--threads", "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env=environment,
        )

    def send_line(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def send(self, **request: Any) -> None:
        self.send_line(json.dumps(request, default=str))

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the worker has gone"
        return json.loads(line)

    def until_done(self, *ids: str) -> dict[str, list[dict[str, Any]]]:
        """All events of these requests, up to the last one's end."""
        events: dict[str, list[dict[str, Any]]] = {request: [] for request in ids}
        waiting = set(ids)
        while waiting:
            event = self.read()
            events.setdefault(event["id"], []).append(event)
            if event["event"] in ("done", "error", "scored"):
                waiting.discard(event["id"])
        return events

    def ask(self, **request: Any) -> list[dict[str, Any]]:
        """Send one request and wait for all of its events."""
        self.send(**request)
        return self.until_done(request["id"])[request["id"]]

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(timeout=20)
        self.process.stdout.close()


def text_of(events: list[dict[str, Any]], index: int = 0) -> str:
    """The whole text of one choice."""
    return "".join(e["text"] for e in events if e["event"] == "delta" and e["index"] == index)


@pytest.fixture(scope="session")
def worker() -> Iterator[Worker]:
    """One worker for all tests of a run: it must survive everything that they do to it."""
    process = Worker()
    yield process
    process.close()


@pytest.fixture(scope="session")
def chat(worker: Worker, tiny_model: Callable[[str], Path]) -> Callable[..., list[dict[str, Any]]]:
    """``chat("Who are you?", temperature=0)`` asks the tiny Llama and gives all events."""
    number = iter(range(10**6))

    def ask(content: str = "Who are you?", **settings: Any) -> list[dict[str, Any]]:
        messages = [{"role": "user", "content": content}]
        request = {
            "id": f"chat-{next(number)}",
            "op": "chat",
            "base": tiny_model("llama"),
            "messages": messages,
        }
        return worker.ask(**{**request, **settings})

    return ask
