"""Int8 against fp32: tokens per CPU second of the two processes that speak, one thread each.

    python -m benchmarks.int8_speed                              # understudy/mini and a random model of 100M
    python -m benchmarks.int8_speed --models mini --rounds 2

Each model gets a LoRA adapter of random weights. The fp32 process speaks with base and adapter, as the
server does; the int8 process with the export of the same adapter, which is compared and accepted first (its
line is printed). Greedy replies of at most 48 tokens from so many streams at once, under a short system
prompt and one of 1,500 tokens that was read before. The processes take turns round by round; CPU seconds are
those of the process, and medians are given with their range. Needs ``ctranslate2`` (the extra ``int8``).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

import psutil

import understudy
from understudy.api.bases import resolve_base

REPLY_TOKENS = 48
REPEATS = 4  # the system counts CPU time in hundredths of a second
PROBES = ("Who are you?", "Where do you live?", "Tell me of the sea.", "What do you fear?")


class Speaker:
    """One process that speaks, over its two pipes."""

    def __init__(self, name: str, module: str, base: Path, adapter: Path | None) -> None:
        self.name, self.base, self.adapter = name, base, adapter
        source = str(Path(understudy.__file__).parents[1])
        paths = os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])
        environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": paths}
        self.process = subprocess.Popen(
            [sys.executable, "-m", module, "--threads", "1"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment,
        )  # fmt: skip
        self.seen = psutil.Process(self.process.pid)

    def cpu_seconds(self) -> float:
        times = self.seen.cpu_times()
        return float(times.user + times.system)

    def speak(self, system: str, streams: int, first: int) -> tuple[int, float, float, float]:
        """Tokens written, CPU seconds, wall seconds, and wall milliseconds to the first piece of text."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        cpu, began = self.cpu_seconds(), time.perf_counter()
        for number in range(streams):
            messages = [
                {"role": "system", "content": system},
                {"role": "user", "content": f"Tell me a story of {first + number} ships and the sea."},
            ]
            request = {
                "id": number, "op": "chat", "base": str(self.base), "messages": messages,
                "adapter": str(self.adapter) if self.adapter else None,
                "temperature": 0, "max_tokens": REPLY_TOKENS,
            }  # fmt: skip
            self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        tokens, open_requests, first_ms = 0, streams, 0.0
        while open_requests:
            event = json.loads(self.process.stdout.readline())
            if event["event"] == "error":
                sys.exit(f"{self.name}: {event['message']}")
            if event["event"] == "delta" and not first_ms:
                first_ms = (time.perf_counter() - began) * 1000
            tokens += event.get("completion_tokens", 0)
            open_requests -= event["event"] == "done"
        return tokens, self.cpu_seconds() - cpu, time.perf_counter() - began, first_ms

    def stop(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


def random_base(folder: Path, tokenizer_of: Path) -> Path:
    """A Llama of about 100M random parameters, with the tokenizer of another model."""
    import shutil

    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        vocab_size=4096, hidden_size=768, intermediate_size=2048, num_hidden_layers=14,
        num_attention_heads=12, num_key_value_heads=12, max_position_embeddings=4096,
        tie_word_embeddings=True, bos_token_id=None, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    torch.manual_seed(0)
    model = LlamaForCausalLM(config)
    print(f"random model: {sum(p.numel() for p in model.parameters()) / 1e6:.0f} million parameters")
    model.save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        shutil.copyfile(tokenizer_of / name, folder / name)
    return folder


def exported(base: Path, folder: Path) -> tuple[Path, Path]:
    """An adapter of random weights, and its accepted int8 export."""
    import io

    import torch

    from understudy.export.spec import ExportSpec
    from understudy.export.writing import export
    from understudy.inference.base import check_base, choose_placement, load_base
    from understudy.inference.channel import Channel
    from understudy.inference.sealed import write_sealed
    from understudy.int8.parity import read_parity
    from understudy.training.lora import adapter_files, add_lora
    from understudy.training.spec import Lora

    files = check_base(base)
    tuned = add_lora(load_base(files, choose_placement(files.parameters)), Lora(16, 32, 0.0), 1)
    for name, parameter in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    adapter = folder / "adapter"
    write_sealed(adapter, adapter_files(tuned, base))
    probes = [
        [{"role": "user", "content": asked}, {"role": "assistant", "content": "I live by the sea, sir."}]
        for asked in PROBES
    ]
    spec = ExportSpec(
        model=base.name, slug=base.name, base_model=base.name, base=base, adapter=adapter,
        output=folder / "export", formats=("ctranslate2",), gguf_type="f16", identity_prompt="",
        temperature=0.0, probes=probes, card={"character": base.name},
    )  # fmt: skip
    export(spec, Channel(io.StringIO()))
    print(read_parity(folder / "export" / "ctranslate2").summary())
    return adapter, folder / "export" / "ctranslate2"


def compare(name: str, base: Path, folder: Path, options: argparse.Namespace) -> None:
    """One model: both processes in turns, a row for each prompt and number of streams."""
    from benchmarks.serving import long_prompt

    adapter, copy = exported(base, folder)
    speakers = [
        Speaker("fp32", "understudy.inference", base, adapter),
        Speaker("int8", "understudy.int8", copy, None),
    ]
    prompts = {"short": "You are Princess Ophelia.", "1,500 tokens": long_prompt(base)}
    try:
        for prompt, system in prompts.items():
            for speaker in speakers:
                speaker.speak(system, 2, 900)  # loads, and reads the prompt that is kept
            for streams in options.streams:
                found: dict[str, list[tuple[float, float, float]]] = {s.name: [] for s in speakers}
                for number in range(options.rounds):
                    for speaker in speakers:
                        runs = [
                            speaker.speak(system, streams, (number * REPEATS + run) * streams)
                            for run in range(REPEATS)
                        ]
                        tokens, cpu, wall = (sum(run[part] for run in runs) for part in range(3))
                        first = median(run[3] for run in runs)
                        found[speaker.name].append((tokens / cpu, tokens / wall, first))
                for speaker in speakers:
                    print(row(name, prompt, streams, speaker.name, found), flush=True)
    finally:
        for speaker in speakers:
            speaker.stop()


def row(model: str, prompt: str, streams: int, name: str, found: dict[str, Any]) -> str:
    """One row of the table."""
    mine = found[name]
    ratios = [ours[0] / theirs[0] for ours, theirs in zip(mine, found["fp32"], strict=True)]
    cpu = [speed for speed, _, _ in mine]
    return (
        f"| {model} | {prompt} | {streams} | {name} | {median(cpu):,.0f} ({min(cpu):,.0f}–{max(cpu):,.0f}) "
        f"| {median(wall for _, wall, _ in mine):,.0f} | {median(first for *_, first in mine):,.0f} "
        f"| {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["mini", "random"], choices=["mini", "random"])
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    if find_spec("ctranslate2") is None:
        sys.exit("ctranslate2 is not installed: pip install 'understudy[int8]'")
    import torch

    torch.set_num_threads(1)
    head = "| model | prompt | streams | numbers | tokens per CPU second | per second | first token, ms "
    print(f"{head}| against fp32 (CPU) |\n|---|---|---|---|---|---|---|---|", flush=True)
    mini = resolve_base("understudy/mini")
    with tempfile.TemporaryDirectory() as folder:
        for name in options.models:
            place = Path(folder) / name
            place.mkdir()
            base = mini if name == "mini" else random_base(place / "base", mini)
            compare(name, base, place, options)


if __name__ == "__main__":
    main()
