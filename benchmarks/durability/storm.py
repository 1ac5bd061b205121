"""Storm: clients upload, train and chat over HTTP while the server and its workers are killed."""

import contextlib
import hashlib
import json
import os
import random
import signal
import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "api"))

import openai
from running_server import RunningServer, wait_for

from benchmarks.durability.small import SmallJob

__all__ = ["PHASES", "Storm", "StormCounts"]

PHASES = ("upload", "training", "checkpoint", "chat")
WAIT_SECONDS = 120.0
MESSAGES = [{"role": "user", "content": "Who are you, and where do you live?"}]


@dataclass
class StormCounts:
    """Kills by phase and victim, and everything that went wrong: all lists should be empty."""

    kills: dict[str, int] = field(default_factory=dict)
    files: int = 0
    jobs: int = 0
    replies_whole: int = 0
    replies_refused: int = 0
    files_lost: list[str] = field(default_factory=list)
    files_half_visible: list[str] = field(default_factory=list)
    jobs_lost: list[str] = field(default_factory=list)
    jobs_failed: list[str] = field(default_factory=list)
    jobs_unfinished: list[str] = field(default_factory=list)
    jobs_run_twice: list[str] = field(default_factory=list)
    weights_different: list[str] = field(default_factory=list)
    reports_wrong: list[str] = field(default_factory=list)
    replies_wrong: list[str] = field(default_factory=list)

    def problems(self) -> dict[str, list[str]]:
        """What went wrong, by kind."""
        return {name: value for name, value in vars(self).items() if isinstance(value, list) and value}

    def count(self, phase: str, victim: str) -> None:
        """Note one kill."""
        self.kills[f"{phase}, {victim}"] = self.kills.get(f"{phase}, {victim}", 0) + 1


class Storm:
    """One server home, what its clients were told, and the checks of both against each other."""

    def __init__(self, root: Path, seed: int, *, n_epochs: int = 40, fakes: bool = False) -> None:
        """
        Args:
            n_epochs: Of each job; an epoch has three steps and ends with a checkpoint.
            fakes: Use the workers of the API's tests, which load no torch; they know the phases
                upload and chat only.
        """
        self.counts = StormCounts()
        self._chance = random.Random(seed)
        self._job = SmallJob.make(root, n_epochs=n_epochs)
        options = ("--training-threads", "1")
        self.server = RunningServer(root / "home", self._job.base, fakes=fakes, options=options)
        self._sent: set[str] = set()
        self._files: dict[str, str] = {}
        self._jobs: list[str] = []
        self._reply = ""
        self._reference: str | None = None

    # --- before and after

    def start(self) -> None:
        """Start the server, train the reference job undisturbed, and ask for the reference reply."""
        self.server.start()
        with self.server.client() as client:
            self._reference = self._create(client)
            assert wait_for(client, self._reference, seconds=WAIT_SECONDS).status == "succeeded"
            self._reply = self._ask(client)

    def finish(self) -> StormCounts:
        """Let every job end, and compare what is there with what clients were told."""
        with self.server.client() as client:
            for job_id in self._jobs:
                with contextlib.suppress(AssertionError):
                    wait_for(client, job_id, seconds=WAIT_SECONDS)
            self._check_files(client)
            self._check_jobs(client)
        self.counts.files, self.counts.jobs = len(self._files), len(self._jobs)
        self.server.stop()
        return self.counts

    # --- one kill

    def kill_once(self, phase: str) -> None:
        """Kill one process at a random point of a phase, and see to it that the server runs again."""
        moments: dict[str, Callable[[], str]] = {
            "upload": self._kill_in_upload,
            "training": self._kill_in_training,
            "checkpoint": self._kill_in_checkpoint,
            "chat": self._kill_in_chat,
        }
        self.counts.count(phase, moments[phase]())
        if self.server.process.poll() is not None:
            self.server.start()

    def _kill_in_upload(self) -> str:
        stop = threading.Event()
        clients = [threading.Thread(target=self._upload_until, args=(stop,)) for _ in range(2)]
        for client in clients:
            client.start()
        time.sleep(self._chance.uniform(0.02, 0.6))
        self.server.kill()
        stop.set()
        for client in clients:
            client.join()
        return "server"

    def _kill_in_training(self) -> str:
        """Most of the time while it steps, now and then while it starts."""
        job_id = self._unfinished_job()
        if self._chance.random() < 0.15:
            time.sleep(self._chance.uniform(0.0, 3.0))
        else:
            self._wait_until_it_steps(job_id)
            time.sleep(self._chance.uniform(0.0, 0.8))
        return self._kill_server_or("understudy.training")

    def _kill_in_checkpoint(self) -> str:
        job_id = self._unfinished_job()
        self._wait_until_it_steps(job_id)
        output = self.server.home / "jobs" / job_id / "output"
        end = time.monotonic() + WAIT_SECONDS
        while not any(output.glob(".*.partial")) and output.exists() and time.monotonic() < end:
            pass
        time.sleep(self._chance.uniform(0.0, 0.008))
        return self._kill_server_or("understudy.training")

    def _kill_in_chat(self) -> str:
        talking = threading.Event()
        clients = [threading.Thread(target=self._talk, args=(talking,)) for _ in range(2)]
        for client in clients:
            client.start()
        talking.wait(WAIT_SECONDS)
        time.sleep(self._chance.uniform(0.0, 1.0))
        victim = self._kill_server_or("understudy.inference")
        for client in clients:
            client.join()
        return victim

    def _kill_server_or(self, worker: str) -> str:
        """Either the server, or its worker of a kind where it has one."""
        workers = [pid for pid in _children(self.server.process.pid) if worker in _command(pid)]
        if workers and self._chance.random() < 0.5:
            with contextlib.suppress(ProcessLookupError):
                os.kill(workers[0], signal.SIGKILL)
            return "worker"
        self.server.kill()
        return "server"

    # --- clients

    def _create(self, client: openai.OpenAI) -> str:
        content = self._job.training_file.read_bytes()
        file = client.files.create(file=("train.jsonl", content), purpose="fine-tune")
        numbers: Any = {"n_epochs": self._job.n_epochs, "batch_size": 8, "learning_rate_multiplier": 100.0}
        job = client.fine_tuning.jobs.create(
            model="gpt-4o-mini-2024-07-18", training_file=file.id, seed=7,
            hyperparameters=numbers | {"lora_rank": 4},
        )  # fmt: skip
        self._sent.add(hashlib.sha256(content).hexdigest())
        self._files[file.id] = hashlib.sha256(content).hexdigest()
        self._jobs.append(job.id)
        return job.id

    def _unfinished_job(self) -> str:
        with self.server.client() as client:
            newest = client.fine_tuning.jobs.retrieve(self._jobs[-1])
            if newest.status in ("validating_files", "queued", "running"):
                return newest.id
            return self._create(client)

    def _upload_until(self, stop: threading.Event) -> None:
        chance = random.Random(self._chance.random())
        with contextlib.suppress(openai.APIError), self.server.client() as client:
            while not stop.is_set():
                lines = [_line(chance) for _ in range(chance.choice((1, 10, 1000)))]
                content = "".join(lines).encode()
                digest = hashlib.sha256(content).hexdigest()
                self._sent.add(digest)
                file = client.files.create(file=("x.jsonl", content), purpose="fine-tune")
                self._files[file.id] = digest

    def _talk(self, talking: threading.Event) -> None:
        """Talk until a reply fails; one that claims to be whole must be whole."""
        with self.server.client(timeout=60) as client:
            while True:
                try:
                    reply = self._ask(client, talking)
                except (openai.APIError, _CutOff):
                    self.counts.replies_refused += 1
                    return
                except Exception as error:
                    # The transport raises its own where a body breaks off while it is read.
                    if not type(error).__module__.startswith("http"):
                        self.counts.replies_wrong.append(repr(error))
                    self.counts.replies_refused += 1
                    return
                self.counts.replies_whole += 1
                if reply != self._reply:
                    self.counts.replies_wrong.append(reply)

    def _ask(self, client: openai.OpenAI, talking: threading.Event | None = None) -> str:
        """One greedy reply, streamed.

        Raises:
            _CutOff: The stream ended without saying why.
        """
        stream = client.chat.completions.create(
            model="gpt-4o-mini", messages=MESSAGES, temperature=0, max_tokens=60, stream=True
        )
        text, finished = [], False
        for chunk in stream:
            if talking is not None:
                talking.set()
            for choice in chunk.choices:
                text.append(choice.delta.content or "")
                finished = finished or choice.finish_reason is not None
        if not finished:
            raise _CutOff
        return "".join(text)

    def _wait_until_it_steps(self, job_id: str) -> None:
        """Until the training process of this server has taken a step, or the job is over."""
        steps, end = self.server.home / "jobs" / job_id / "output" / "steps.jsonl", time.monotonic()
        known, end = _size(steps), end + WAIT_SECONDS
        while time.monotonic() < end and _size(steps) <= known:
            time.sleep(0.005)
            if known and not steps.exists():
                return

    # --- checks

    def _check_files(self, client: openai.OpenAI) -> None:
        listed = {file.id: file for file in client.files.list()}
        for file_id, digest in self._files.items():
            if file_id not in listed:
                self.counts.files_lost.append(file_id)
            elif hashlib.sha256(client.files.content(file_id).read()).hexdigest() != digest:
                self.counts.files_half_visible.append(file_id)
        for file_id in listed.keys() - self._files.keys():
            # Nobody was told of it, but whoever lists it must find all of it.
            if listed[file_id].purpose != "fine-tune":
                continue
            if hashlib.sha256(client.files.content(file_id).read()).hexdigest() not in self._sent:
                self.counts.files_half_visible.append(file_id)
        results = [file for file in listed.values() if file.purpose == "fine-tune-results"]
        if len(results) > len(list(client.fine_tuning.jobs.list())):
            self.counts.jobs_run_twice.append(f"{len(results)} result files")

    def _check_jobs(self, client: openai.OpenAI) -> None:
        listed = {job.id: job for job in client.fine_tuning.jobs.list()}
        self.counts.jobs_lost += [job_id for job_id in self._jobs if job_id not in listed]
        losses = self._losses(client, str(self._reference))
        kept = self._kept_steps(client, str(self._reference))
        weights = self._weights(listed[str(self._reference)].fine_tuned_model)
        for job in listed.values():
            if job.status == "failed":
                self.counts.jobs_failed.append(f"{job.id}: {job.error and job.error.message}")
                continue
            if job.status != "succeeded":
                self.counts.jobs_unfinished.append(f"{job.id}: {job.status}")
                continue
            if self._weights(job.fine_tuned_model) != weights:
                self.counts.weights_different.append(job.id)
            if self._losses(client, job.id) != losses or self._kept_steps(client, job.id) != kept:
                self.counts.reports_wrong.append(job.id)
            told = [event.message for event in client.fine_tuning.jobs.list_events(job.id, limit=1000)]
            once = ("Fine-tuning job started", "The job has successfully completed")
            if any(told.count(message) != 1 for message in once) or len(job.result_files) != 1:
                self.counts.jobs_run_twice.append(job.id)

    def _losses(self, client: openai.OpenAI, job_id: str) -> list[tuple[int, float]]:
        """Step and loss of every report, oldest first."""
        events = list(client.fine_tuning.jobs.list_events(job_id, limit=1000))[::-1]
        return [(e.data["step"], e.data["train_loss"]) for e in events if e.type == "metrics"]

    def _kept_steps(self, client: openai.OpenAI, job_id: str) -> list[int]:
        return [checkpoint.step_number for checkpoint in client.fine_tuning.jobs.checkpoints.list(job_id)]

    def _weights(self, model: str | None) -> str:
        store = sqlite3.connect(f"file:{self.server.home / 'store.sqlite'}?mode=ro", uri=True)
        (folder,) = store.execute("SELECT adapter FROM models WHERE id = ?", (model,)).fetchone()
        store.close()
        data = (self.server.home / "adapters" / Path(folder).name / "adapter_model.safetensors").read_bytes()
        return hashlib.sha256(data).hexdigest()


class _CutOff(Exception):
    """A stream ended without a reason to finish."""


def _line(chance: random.Random) -> str:
    words = " ".join(str(chance.random()) for _ in range(20))
    messages = [{"role": "user", "content": words}, {"role": "assistant", "content": "Yes."}]
    return json.dumps({"messages": messages}) + "\n"


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def _command(pid: int) -> str:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    return ""
