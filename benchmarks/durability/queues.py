"""Queues: work is handed in, acknowledged, and its process killed at the same moments, here and in huey.

A task and a job take 0.3 seconds each. Before every kill one more is handed in; after the last one
everything may end in peace.
"""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["QueueCounts", "kill_delays", "kill_huey", "kill_understudy"]

ROOT = Path(__file__).resolve().parents[2]
DRAIN_SECONDS = 600.0


@dataclass(frozen=True)
class QueueCounts:
    """Of what was acknowledged: how much was lost, ended more than once, failed, or never ended."""

    name: str
    kills: int
    acknowledged: int
    lost: int
    done_twice: int
    failed: int
    unfinished: int


def kill_delays(kills: int, seed: int) -> list[float]:
    """Seconds from the moment a process is ready to the moment it is killed."""
    chance = random.Random(seed)
    return [chance.uniform(0.05, 1.0) for _ in range(kills)]


def kill_huey(folder: Path, delays: Sequence[float]) -> QueueCounts:
    """Kill huey's consumer."""
    folder.mkdir(parents=True)
    os.environ["HUEY_FOLDER"] = str(folder)
    from benchmarks.durability.huey_tasks import huey, work

    for number, delay in enumerate(delays):
        consumer = _start_consumer(folder)
        work(number)
        time.sleep(delay)
        consumer.kill()
        consumer.wait()
    consumer = _start_consumer(folder)
    end = time.monotonic() + DRAIN_SECONDS
    while (huey.pending_count() or huey.scheduled_count()) and time.monotonic() < end:
        time.sleep(0.2)
    time.sleep(3.0)
    consumer.kill()
    consumer.wait()
    ends = Counter(
        int(line.split()[1])
        for line in (folder / "ledger.txt").read_text().splitlines()
        if line.startswith("end")
    )
    waiting = {task.args[0] for task in huey.pending()}
    lost = [n for n in range(len(delays)) if n not in ends and n not in waiting]
    twice = sum(count > 1 for count in ends.values())
    return QueueCounts("huey on SQLite", len(delays), len(delays), len(lost), twice, 0, len(waiting))


def _start_consumer(folder: Path) -> subprocess.Popen:
    log = folder / "consumer.log"
    known = log.stat().st_size if log.exists() else 0
    command = [sys.executable, "-m", "huey.bin.huey_consumer", "benchmarks.durability.huey_tasks.huey"]
    with log.open("ab") as file:
        consumer = subprocess.Popen([*command, "-w", "1"], stdout=file, stderr=file, cwd=ROOT)
    while b"Huey consumer started" not in log.read_bytes()[known:]:
        assert consumer.poll() is None, log.read_text()
        time.sleep(0.01)
    return consumer


def kill_understudy(folder: Path, delays: Sequence[float]) -> QueueCounts:
    """Kill our server, whose training processes here train nothing and take as long as the task."""
    sys.path.insert(0, str(ROOT / "tests" / "api"))
    from running_server import RunningServer, chat_lines

    folder.mkdir(parents=True)
    base = folder / "base"
    base.mkdir()
    (base / "config.json").write_text('{"model_type": "llama"}')
    server = RunningServer(folder / "home", base)
    jobs, numbers = [], {"n_epochs": 1, "batch_size": 4}
    for number, delay in enumerate(delays):
        server.start()
        ready = time.monotonic()
        with server.client() as client:
            content = chat_lines(12, f"FAKE_SLOW {number}")
            file = client.files.create(file=("a.jsonl", content), purpose="fine-tune")
            jobs.append(
                client.fine_tuning.jobs.create(
                    model="gpt-4o", training_file=file.id, hyperparameters=numbers
                ).id
            )
        time.sleep(max(0.0, delay - (time.monotonic() - ready)))
        server.kill()
    server.start()
    with server.client() as client:
        end = time.monotonic() + DRAIN_SECONDS
        while any(job.status in ("validating_files", "queued", "running") for job in _all(client)):
            if time.monotonic() > end:
                break
            time.sleep(1.0)
        found = {job.id: job for job in _all(client)}
        twice = sum(_times_done(client, job_id) > 1 for job_id in jobs)
    server.stop()
    states = Counter(found[job_id].status for job_id in jobs if job_id in found)
    lost = sum(job_id not in found for job_id in jobs)
    unfinished = len(jobs) - lost - states["succeeded"] - states["failed"]
    return QueueCounts("understudy", len(delays), len(jobs), lost, twice, states["failed"], unfinished)


def _all(client: Any) -> list[Any]:
    return list(client.fine_tuning.jobs.list(limit=100))


def _times_done(client: Any, job_id: str) -> int:
    events = client.fine_tuning.jobs.list_events(job_id, limit=1000)
    return sum(event.message == "The job has successfully completed" for event in events)
