"""Sixteen characters at once: what do they cost against one, and against PEFT's mixed batches?

    python -m benchmarks.cast                       # ranks 16 and 32, five rounds, one thread
    python -m benchmarks.cast --ranks 16 --rounds 3

Adapters of random weights over understudy/mini. Every way writes the same number of tokens for the same
requests, at temperature 1, sixteen rows at once, and no reply ends early. Ways take turns, so that a busy
neighbour disturbs all alike; CPU seconds of the process and wall seconds are both taken, and medians given.
``generate(adapter_names=…)`` is PEFT's way; its waves of sixteen all have the same length, which suits it.
The last table says how long those who speak wait at most between two tokens while new characters come.
"""

import argparse
import io
import itertools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch

from understudy.api.bases import resolve_base
from understudy.inference.base import check_base, choose_placement, load_base
from understudy.inference.channel import Channel
from understudy.inference.engine import Engine
from understudy.inference.request import ChatRequest, Shutdown
from understudy.inference.sealed import write_sealed
from understudy.training.lora import adapter_files, add_lora
from understudy.training.spec import Lora

CAST, ROWS = 16, 16
ASKED = ("Who are you?", "Where do you live, and since when?", "What do you do on a rainy day?", "Sing!")


class Counting(Channel):
    """Counts tokens, notes when each request spoke, and ends the engine after the last reply."""

    def __init__(self) -> None:
        super().__init__(io.StringIO())
        self.open = self.tokens = 0
        self.spoke_at: dict[Any, list[float]] = {}
        self.engine: Engine | None = None

    def send(self, **event: Any) -> None:
        super().send(**event)
        if event["event"] == "delta":
            self.spoke_at.setdefault(event["id"], []).append(time.perf_counter())
        self.tokens += event.get("completion_tokens", 0)
        assert event["event"] != "error", event
        self.open -= event["event"] == "done"
        if not self.open and self.engine is not None:
            self.engine.inbox.put(Shutdown())


class Ours:
    """This project's engine with its voices loaded; replies do not end before their length."""

    def __init__(self, base: Path, adapters: list[Path]) -> None:
        self.base = base
        self.channel = Counting()
        self.engine = Engine(self.channel)
        self.channel.engine = self.engine
        for adapter in [None, *adapters]:
            self.engine._voices.get(base, adapter).stop_ids = frozenset()

    def speak(self, adapters: list[Path | None], length: int) -> int:
        """One request for each adapter; returns how many tokens were written."""
        self.channel.open, self.channel.tokens = len(adapters), 0
        for number, adapter in enumerate(adapters):
            self.engine.inbox.put(request_of(self.base, adapter, number, length))
        self.engine.run()
        return self.channel.tokens


def request_of(base: Path, adapter: Path | None, number: int, length: int) -> ChatRequest:
    return ChatRequest(number, base, adapter, messages_of(number), max_tokens=length)


def messages_of(number: int) -> list[dict[str, Any]]:
    told = {"role": "system", "content": f"You are character {number % CAST}."}
    return [told, {"role": "user", "content": f"{ASKED[number % len(ASKED)]} ({number})"}]


class Peft:
    """PEFT's own mixed batches through transformers' generation, a wave of sixteen after the other."""

    def __init__(self, base: Path, adapters: list[Path]) -> None:
        from peft import PeftModel

        from understudy.rendering import Renderer

        files = check_base(base)
        model = load_base(files, choose_placement(files.parameters))
        self.renderer = Renderer.load(base)
        self.model: Any = PeftModel.from_pretrained(model, str(adapters[0]), adapter_name=adapters[0].name)
        for adapter in adapters[1:]:
            self.model.load_adapter(str(adapter), adapter_name=adapter.name)
        self.model.eval()

    def speak(self, adapters: list[Path | None], length: int) -> int:
        written = 0
        for start in range(0, len(adapters), ROWS):
            wave = adapters[start : start + ROWS]
            prompts = [self.renderer.prompt(messages_of(start + n)).ids for n in range(len(wave))]
            width = max(map(len, prompts))
            ids = torch.tensor([[0] * (width - len(p)) + p for p in prompts])
            mask = torch.tensor([[0] * (width - len(p)) + [1] * len(p) for p in prompts])
            names = [adapter.name if adapter else "__base__" for adapter in wave]
            out = self.model.generate(
                input_ids=ids, attention_mask=mask, adapter_names=names, do_sample=True, temperature=1.0,
                top_k=0, max_new_tokens=length, min_new_tokens=length, pad_token_id=0,
            )  # fmt: skip
            written += (out.shape[1] - width) * len(wave)
        return written


def write_cast(base: Path, folder: Path, rank: int, count: int = CAST) -> list[Path]:
    """Adapters of random weights."""
    files = check_base(base)
    for number in range(count):
        tuned = add_lora(
            load_base(files, choose_placement(files.parameters)), Lora(rank, 2 * rank, 0.0), number
        )
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.02)
        write_sealed(folder / f"rank{rank}-{number:02}", adapter_files(tuned, base))
    return sorted(folder.glob(f"rank{rank}-*"))


def compare(base: Path, folder: Path, rank: int, options: argparse.Namespace) -> None:
    """One rank: all ways in turns, medians and ratios."""
    adapters = write_cast(base, folder, rank)
    ours, peft = Ours(base, adapters), Peft(base, adapters)
    mixed: list[Path | None] = [adapters[n % CAST] for n in range(options.requests)]
    same: list[Path | None] = [adapters[0]] * options.requests
    bare: list[Path | None] = [None] * options.requests
    ways: dict[str, Callable[[], int]] = {
        "sixteen characters": lambda: ours.speak(mixed, options.length),
        "one character": lambda: ours.speak(same, options.length),
        "the bare base": lambda: ours.speak(bare, options.length),
        "PEFT, sixteen": lambda: peft.speak(mixed, options.length),
    }
    found: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(-1, options.rounds):  # the first round warms up
        for way, speak in ways.items():
            cpu, wall = time.process_time(), time.perf_counter()
            tokens = speak()
            assert tokens == options.requests * options.length
            speeds = (tokens / (time.process_time() - cpu), tokens / (time.perf_counter() - wall))
            if number >= 0:
                found[way].append(speeds)
    for way, speeds in found.items():
        cpu = [speed for speed, _ in speeds]
        ratios = [
            one / other for (one, _), (other, _) in zip(found["sixteen characters"], speeds, strict=True)
        ]
        print(
            f"| {rank} | {way} | {median(cpu):,.0f} ({min(cpu):,.0f}–{max(cpu):,.0f}) "
            f"| {median(wall for _, wall in speeds):,.0f} "
            f"| {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |",
            flush=True,
        )


def longest_wait(base: Path, speaking: Path, coming: list[Path], known: bool) -> float:
    """Milliseconds between two tokens of a reply, at most, while one character after the other joins."""
    import threading

    one = Ours(base, [speaking, *(coming if known else [])])
    one.channel.open = 1 + len(coming)
    one.engine.inbox.put(request_of(base, speaking, 0, 400))

    def come() -> None:
        for number, adapter in enumerate(coming, 1):
            time.sleep(0.15)
            one.engine.inbox.put(request_of(base, adapter, number, 20))

    threading.Thread(target=come, daemon=True).start()
    one.engine.run()
    times = one.channel.spoke_at[0]
    return max(later - earlier for earlier, later in itertools.pairwise(times)) * 1000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--ranks", type=int, nargs="+", default=[16, 32])
    parser.add_argument("--requests", type=int, default=64)
    parser.add_argument("--length", type=int, default=48, help="tokens a reply")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(1)
    base = resolve_base("understudy/mini")
    with tempfile.TemporaryDirectory() as folder:
        print("| rank | way | tokens per CPU second | per second | sixteen characters against it (CPU) |")
        print("|---|---|---|---|---|", flush=True)
        with torch.inference_mode(False):
            for rank in options.ranks:
                compare(base, Path(folder), rank, options)
        adapters = sorted(Path(folder).glob("rank*"))
        print("\n| characters that join | longest wait of one who speaks, ms (three runs) |\n|---|---|")
        for name, known in (("loaded before", True), ("loaded on demand", False)):
            waits = [longest_wait(base, adapters[0], adapters[1:9], known) for _ in range(3)]
            print(f"| {name} | {', '.join(f'{wait:.0f}' for wait in waits)} |", flush=True)


if __name__ == "__main__":
    main()
