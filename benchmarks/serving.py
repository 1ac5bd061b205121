"""Serving against transformers serve and llama.cpp: throughput and time to the first token.

    python -m benchmarks.serving --guidellm VENV/bin/guidellm --llama-python VENV/bin/python
    python -m benchmarks.serving --streams 1 8 --rounds 1

understudy/mini behind each server, one thread of numerical work each, greedy replies of at most 48 tokens
that end where they end, from 1, 8 and 32 streams that ask again as soon as they are answered. A short system
prompt, and one of 1,500 tokens that was read once before. Servers take turns cell by cell. Each runs as it
comes: understudy in fp32, transformers serve in the bf16 that the weights have, llama.cpp in f16 through the
server of llama-cpp-python, which answers one request at a time (that a new request interrupts the one before
it is switched off).

Tokens are those of the texts that came, counted by one tokenizer. The client is a few threads over sockets;
with ``--guidellm`` it is measured on guidellm's mock server (50 ms to the first token, 10 ms between tokens).
Servers whose interpreter is not given are left out.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import understudy

REQUESTS = {1: 6, 8: 24, 32: 48}
LONG_TOKENS, REPLY_TOKENS = 1500, 48
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}


@dataclass
class Server:
    """A server that was started, where it listens, and what its model is called."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    model: str
    log: Path

    def wait(self) -> None:
        """Until it takes connections."""
        for _ in range(1200):
            if self.process.poll() is not None:
                sys.exit(f"{self.name}: {self.log.read_text(errors='replace')[-1500:]}")
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        sys.exit(f"{self.name} does not listen")

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


def start(name: str, command: list[str], port: int, model: str, folder: Path, **environment: str) -> Server:
    log = folder / f"{name.replace(' ', '-')}.log"
    everything = os.environ | ENVIRONMENT | environment
    with log.open("wb") as file:
        process = subprocess.Popen(command, env=everything, stdout=file, stderr=file)
    return Server(name, process, port, model, log)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def start_all(
    options: argparse.Namespace,
    base: Path,
    folder: Path,
    model: str,
    device: str = "cpu",
    batched: bool = False,
) -> list[Server]:
    """Every server whose program is there.

    Args:
        model: What ours calls the base.
        device: As transformers names it; ours finds its device itself.
        batched: Whether transformers serve is also started with its continuous batching.
    """
    source = str(Path(understudy.__file__).parents[1])
    hidden = {} if device == "cuda" else {"CUDA_VISIBLE_DEVICES": ""}
    port = free_port()
    ours = [sys.executable, "-m", "understudy", "serve", "--port", str(port), "--no-token"]
    servers = [
        start(
            "understudy", [*ours, "--inference-threads", "1"], port, model, folder,
            UNDERSTUDY_HOME=str(folder / "home"), PYTHONPATH=source, **hidden,
        ),
    ]  # fmt: skip
    theirs = [sys.executable, "-c", "from transformers.cli.transformers import main; main()", "serve"]
    ways = {"transformers serve": [], "transformers serve, batched": ["--continuous-batching"]}
    for name, more in ways.items():
        if batched or not more:
            port = free_port()
            command = [*theirs, str(base), "--port", str(port), "--device", device, *more]
            servers.append(start(name, command, port, str(base), folder))
    if options.llama_python:
        gguf, port = folder / "mini.gguf", free_port()
        write_model(base, gguf)
        llama = [options.llama_python, "-m", "llama_cpp.server", "--model", str(gguf), "--port", str(port)]
        llama += ["--n_ctx", "2048", "--n_threads", "1", "--n_threads_batch", "1"]
        llama += ["--interrupt_requests", "False"]
        servers.append(start("llama.cpp", llama, port, "mini", folder))
    if options.guidellm:
        port = free_port()
        mock = [options.guidellm, "mock-server", "--port", str(port), "--ttft-ms", "50", "--itl-ms", "10"]
        mock += ["--output-tokens", "32"]
        servers.append(start("mock (50 ms, 10 ms)", mock, port, "mock", folder))
    for server in servers:
        server.wait()
    return servers


def write_model(base: Path, path: Path) -> None:
    """The base as GGUF, in f16."""
    from understudy.export.gguf_file import write_gguf
    from understudy.export.spec import ExportSpec
    from understudy.inference.base import check_base, choose_placement, load_base
    from understudy.rendering import Renderer

    found = check_base(base)
    spec = ExportSpec(
        model="mini", slug="mini", base_model="understudy/mini", base=base, adapter=base, output=path.parent,
        formats=("gguf",), gguf_type="f16", identity_prompt="", temperature=0.0, probes=[], card={},
    )  # fmt: skip
    write_gguf(spec, load_base(found, choose_placement(found.parameters)), Renderer.load(base), path)


def long_prompt(base: Path) -> str:
    """Princess Ophelia's long prompt, told until it has 1,500 tokens."""
    from tokenizers import Tokenizer

    from understudy.character import load_character

    sheet = files("understudy").joinpath("examples/ophelia/character.yaml")
    words = (load_character(Path(str(sheet))).long_prompt() + " ").split(" ") * 20
    tokenizer = Tokenizer.from_file(str(base / "tokenizer.json"))
    ids = tokenizer.encode(" ".join(words)).ids[:LONG_TOKENS]
    return str(tokenizer.decode(ids))


@dataclass
class Cell:
    """What was measured of one server under one prompt and load."""

    first_ms: list[float] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def tokens(self, tokenizer: Any) -> int:
        return sum(len(tokenizer.encode(text).ids) for text in self.texts)


def load(server: Server, system: str, streams: int, requests: int) -> Cell:
    """Ask from so many streams until all requests are answered."""
    cell, left, lock = Cell(), list(range(requests)), threading.Lock()

    def stream() -> None:
        while True:
            with lock:
                if not left:
                    return
                number = left.pop()
            try:
                first, text = ask(server, system, f"Tell me a story of {number} ships and the sea.")
                with lock:
                    cell.first_ms.append(first * 1000)
                    cell.texts.append(text)
            except (OSError, ValueError, http.client.HTTPException) as error:
                cell.errors.append(str(error)[:200])

    threads = [threading.Thread(target=stream) for _ in range(streams)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cell.seconds = time.perf_counter() - began
    return cell


def ask(server: Server, system: str, asked: str) -> tuple[float, str]:
    """Seconds to the first piece of text, and the whole text."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": asked}]
    body = {"model": server.model, "messages": messages, "max_tokens": REPLY_TOKENS, "temperature": 0.0}
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=600)
    began, first, text = time.perf_counter(), None, ""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer none"}
    connection.request("POST", "/v1/chat/completions", json.dumps(body | {"stream": True}), headers)
    response = connection.getresponse()
    if response.status != 200:
        raise ValueError(f"{response.status} {response.read(300)!r}")
    for line in response:
        if not line.startswith(b"data: {"):
            continue
        choices = json.loads(line[6:]).get("choices") or [{}]
        piece = (choices[0].get("delta") or {}).get("content")
        if piece and first is None:
            first = time.perf_counter() - began
        text += piece or ""
    connection.close()
    return first if first is not None else time.perf_counter() - began, text


def measure(servers: list[Server], prompts: dict[str, str], options: argparse.Namespace, base: Path) -> None:
    from tokenizers import Tokenizer

    tokenizer: Any = Tokenizer.from_file(str(base / "tokenizer.json"))
    for prompt, system in prompts.items():
        for server in servers:
            ask(server, system, "Hello.")
            ask(server, system, "Good evening.")  # the prompt is known to whoever keeps prompts
        for streams in options.streams:
            requests = REQUESTS.get(streams, 3 * streams)
            found: dict[str, list[Cell]] = {server.name: [] for server in servers}
            for _ in range(options.rounds):
                for server in servers:
                    found[server.name].append(load(server, system, streams, requests))
            speeds = {
                name: [cell.tokens(tokenizer) / cell.seconds for cell in cells]
                for name, cells in found.items()
            }
            for name, cells in found.items():
                print(_row(prompt, streams, name, cells, speeds[name], speeds["understudy"]), flush=True)


def _row(
    prompt: str, streams: int, name: str, cells: list[Cell], tokens: list[float], ours: list[float]
) -> str:
    first = [ms for cell in cells for ms in cell.first_ms] or [float("nan")]
    late = quantiles(first, n=20)[-1] if len(first) > 1 else first[0]
    ratios = [one / other for one, other in zip(ours, tokens, strict=True) if other]
    errors = [error for cell in cells for error in cell.errors]
    note = f"{median(ratios):.1f}" if ratios else "–"
    if errors:
        note += f" ({len(errors)} of {len(errors) + len(first)} failed: {errors[0][:80]})"
    return (
        f"| {prompt} | {streams} | {name} | {median(tokens):,.0f} ({min(tokens):,.0f}–{max(tokens):,.0f}) "
        f"| {median(first):,.0f} ({late:,.0f}) | {note} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8, 32])
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--llama-python", help="an interpreter that has llama-cpp-python[server]")
    parser.add_argument("--guidellm", help="the program guidellm, for its mock server")
    options = parser.parse_args()
    from understudy_miniatures import path

    base = Path(path("mini"))
    print(
        "| prompt | streams | server | tokens per second | first token, ms: median (95 %) | ours against it |"
    )
    print("|---|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        servers = start_all(options, base, Path(folder), "understudy/mini")
        try:
            measure(
                servers,
                {"short": "You are Princess Ophelia.", "1,500 tokens": long_prompt(base)},
                options,
                base,
            )
        finally:
            for server in servers:
                server.stop()


if __name__ == "__main__":
    main()
