"""How near does generation come to the ideal when a provider takes 200 ms for a reply?

    python -m benchmarks.generation --dialogues 1000 --concurrency 32

A provider without a model answers each request after the latency, in a process of its own. The ideal is that
every place in flight is always taken: requests x latency / concurrency. What is measured is the asking of a
plan for Princess Ophelia through the official client, with the calls file written; checks and filter are left
out. A conversation is a chain of turns, so a short tail at the end belongs to the measurement. The processor
times of the asking process and of the provider stand beside it: on a busy machine they tell more than the
clock.
"""

import argparse
import asyncio
import importlib.resources
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from understudy.character import load_character
from understudy.client import connect_async
from understudy.client.provider import resolve_provider
from understudy.teaching.budget import Budget
from understudy.teaching.calls import CallStore, Desk
from understudy.teaching.pacing import PatientConnection
from understudy.teaching.settings import TeachingSettings
from understudy.teaching.teacher import Teacher, write_dialogues
from understudy.teaching.teaching_plan import compose_outlines


async def measure(base_url: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Requests, seconds, and the share of the ideal."""
    example = Path(str(importlib.resources.files("understudy"))) / "examples/ophelia/character.yaml"
    character = load_character(example)
    outlines = compose_outlines(character, options.dialogues)
    store = CallStore(folder / "calls.jsonl")
    whose = resolve_provider(base_url, allow_paid=True)
    desk = Desk(PatientConnection(connect_async(whose)), store, place=base_url, budget=Budget())
    settings = TeachingSettings(concurrency=options.concurrency)
    teacher = Teacher(desk, "m", character.name, character.long_prompt(), lambda said: None, settings)
    began, processor = time.monotonic(), time.process_time()
    await write_dialogues(teacher, outlines, lambda written: None)
    seconds, processor = time.monotonic() - began, time.process_time() - processor
    await desk.close()
    store.close()
    ideal = desk.bill.requests * options.latency / options.concurrency
    return {
        "requests": desk.bill.requests,
        "seconds": round(seconds, 2),
        "processor_seconds": round(processor, 2),
        "ideal_seconds": round(ideal, 2),
        "share_of_ideal": round(ideal / seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dialogues", type=int, default=1000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--latency", type=float, default=0.2)
    options = parser.parse_args()
    script = Path(__file__).resolve().parents[1] / "tests/teaching/provider.py"
    server = subprocess.Popen(
        [sys.executable, str(script), "--latency", str(options.latency)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    assert server.stdin is not None
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = asyncio.run(measure(server.stdout.readline().strip(), options, Path(folder)))
    finally:
        server.stdin.close()
        server.wait(10)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    found["provider_processor_seconds"] = round(used.ru_utime + used.ru_stime, 2)
    print(json.dumps(found | {"load": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
