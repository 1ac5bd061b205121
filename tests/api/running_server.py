"""A real server over real HTTP, with small processes in place of the ones that need torch."""

import json
import os
import secrets
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import openai

FAKES = Path(__file__).parent


@dataclass
class RunningServer:
    """One server process on a home of its own."""

    home: Path
    base: Path
    token: str = field(default_factory=lambda: secrets.token_hex(8))
    process: subprocess.Popen | None = None
    fakes: bool = True
    options: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        command = [sys.executable, "-m", "understudy.api", "--port", "0", "--base", str(self.base)]
        if self.fakes:
            command += ["--training-command", f"{sys.executable} {FAKES / 'fake_training.py'}"]
            command += ["--inference-command", f"{sys.executable} {FAKES / 'fake_inference.py'}"]
        command += self.options
        environment = os.environ | {
            "UNDERSTUDY_HOME": str(self.home),
            "UNDERSTUDY_SERVER_TOKEN": self.token,
            "FAKE_CANCELLED": str(self.home / "cancelled.txt"),
            **self.environment,
        }
        self.home.mkdir(exist_ok=True)
        with open(self.home / "log.txt", "ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.wait_until_up()

    def wait_until_up(self) -> None:
        for _ in range(400):
            assert self.process.poll() is None, (self.home / "log.txt").read_text()
            try:
                if self.announcement()["pid"] == self.process.pid:
                    return
            except (OSError, ValueError):
                pass
            time.sleep(0.05)
        raise AssertionError((self.home / "log.txt").read_text())

    def announcement(self) -> dict:
        return json.loads((self.home / "server.json").read_text())

    @property
    def url(self) -> str:
        return self.announcement()["base_url"]

    def client(self, **options) -> openai.OpenAI:
        usual = {"api_key": self.token, "max_retries": 0, "timeout": 30, "_strict_response_validation": True}
        return openai.OpenAI(base_url=self.url, **(usual | options))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(20)


def chat_lines(count: int = 12, word: str = "") -> bytes:
    """A valid training file of ``count`` examples."""
    rows = []
    for i in range(count):
        question, answer = f"Question {i} {word}", f"Answer {i}."
        rows.append(
            {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]}
        )
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def preference_lines(count: int = 12, word: str = "") -> bytes:
    """A valid training file of ``count`` pairs of replies."""
    rows = []
    for i in range(count):
        asked = [{"role": "user", "content": f"Question {i} {word}"}]
        replies = ([{"role": "assistant", "content": f"{text} {i}."}] for text in ("Ah", "As an AI"))
        good, bad = replies
        rows.append({"input": {"messages": asked}, "preferred_output": good, "non_preferred_output": bad})
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def wait_for(client: openai.OpenAI, job_id: str, *states: str, seconds: float = 20.0):
    """The job once it is in one of the states."""
    wanted = states or ("succeeded", "failed", "cancelled")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        job = client.fine_tuning.jobs.retrieve(job_id)
        if job.status in wanted:
            return job
        time.sleep(0.05)
    raise AssertionError(f"{job_id} is still {job.status}: {job.error}")


def wait_for_batch(client: openai.OpenAI, batch_id: str, seconds: float = 20.0):
    """The batch once it has ended."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        batch = client.batches.retrieve(batch_id)
        if batch.status in ("completed", "failed", "expired", "cancelled"):
            return batch
        time.sleep(0.03)
    raise AssertionError(f"{batch_id} is still {batch.status}")
