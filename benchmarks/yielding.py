"""Chat while a job trains: what does each setting of --yield do to the first token and to the job?

    python -m benchmarks.yielding [--replies 20] [--settings training chat none]

A real server for each setting, with a job that trains understudy/mini and a client that asks for a streamed
reply of 32 tokens, again half a second after the last one ended. Printed: milliseconds to the first token and
to the last, and the job's steps a minute before the client begins and while it speaks. The first row has no
job.
"""

import argparse
import json
import os
import secrets
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from statistics import median, quantiles

import openai

ASKED = [
    {"role": "system", "content": "You are Princess Ophelia."},
    {"role": "user", "content": "What do you do when the sea is loud?"},
]
PAUSE_SECONDS, ALONE_SECONDS = 0.5, 12.0


class Server:
    """One real server on a home of its own."""

    def __init__(self, home: Path, setting: str) -> None:
        self.home, self.token = home, secrets.token_hex(8)
        environment = os.environ | {"UNDERSTUDY_HOME": str(home), "UNDERSTUDY_SERVER_TOKEN": self.token}
        command = [sys.executable, "-m", "understudy.api", "--port", "0", "--base", "understudy/mini"]
        self.process = subprocess.Popen(
            [*command, "--yield", setting], env=environment, stderr=subprocess.DEVNULL
        )
        while not (home / "server.json").is_file():
            time.sleep(0.1)

    def client(self) -> openai.OpenAI:
        url = json.loads((self.home / "server.json").read_text())["base_url"]
        return openai.OpenAI(base_url=url, api_key=self.token, timeout=300)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(60)


def start_job(client: openai.OpenAI) -> str:
    """A job that lasts longer than the measurement; returns when it has begun to learn."""
    text = files("understudy").joinpath("examples/ophelia/dialogues.jsonl").read_text("utf-8")
    rows = [json.dumps({"messages": json.loads(line)["messages"]}) for line in text.splitlines()[:400]]
    file = client.files.create(file=("a.jsonl", "\n".join(rows).encode()), purpose="fine-tune")
    job = client.fine_tuning.jobs.create(
        model="understudy/mini", training_file=file.id, hyperparameters={"n_epochs": 50, "batch_size": 8}
    )
    while steps_of(client, job.id) < 3:
        time.sleep(0.2)
    return job.id


def steps_of(client: openai.OpenAI, job: str) -> int:
    events = client.fine_tuning.jobs.list_events(job, limit=10).data
    return max((event.data["step"] for event in events if event.type == "metrics"), default=0)


def reply_seconds(client: openai.OpenAI, seed: int) -> tuple[float, float]:
    """Seconds to the first and to the last piece of one reply."""
    began, first = time.perf_counter(), None
    pieces = client.chat.completions.create(
        model="understudy/mini", messages=ASKED, max_tokens=32, seed=seed, stream=True, temperature=1.0
    )
    for piece in pieces:
        if first is None and piece.choices and piece.choices[0].delta.content:
            first = time.perf_counter() - began
    whole = time.perf_counter() - began
    return first or whole, whole


def measure(setting: str | None, replies: int) -> str:
    """One row of the table; without a setting there is no job."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder), setting or "none")
        try:
            with server.client() as client:
                reply_seconds(client, 0)  # starts the process and reads the model
                alone = spoken = 0.0
                if setting:
                    job = start_job(client)
                    began, before = time.perf_counter(), steps_of(client, job)
                    time.sleep(ALONE_SECONDS)
                    alone = (steps_of(client, job) - before) / (time.perf_counter() - began) * 60
                    began, before = time.perf_counter(), steps_of(client, job)
                found = []
                for seed in range(replies):
                    found.append(reply_seconds(client, seed))
                    time.sleep(PAUSE_SECONDS)
                if setting:
                    spoken = (steps_of(client, job) - before) / (time.perf_counter() - began) * 60
                    client.fine_tuning.jobs.cancel(job)
        finally:
            server.stop()
    first, whole = ([row[place] * 1000 for row in found] for place in (0, 1))
    steps = f"{alone:,.0f} | {spoken:,.0f}" if setting else "– | –"
    name = f"`--yield {setting}`" if setting else "no job"
    return (
        f"| {name} | {median(first):,.0f} ({quantiles(first, n=20)[-1]:,.0f}) "
        f"| {median(whole):,.0f} ({quantiles(whole, n=20)[-1]:,.0f}) | {steps} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--replies", type=int, default=20)
    parser.add_argument("--settings", nargs="+", default=["training", "chat", "none"])
    options = parser.parse_args()
    print(
        "| | first token, ms: median (95 %) | whole reply, ms | steps a minute, job alone | beside chat |\n"
        "|---|---|---|---|---|"
    )
    for setting in [None, *options.settings]:
        print(measure(setting, options.replies), flush=True)


if __name__ == "__main__":
    main()
