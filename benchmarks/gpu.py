"""On a CUDA GPU: training against TRL, serving against transformers serve, with a Llama of random weights.

    python -m benchmarks.gpu --trl-python /path/to/venv/bin/python          # 1.2 billion parameters
    python -m benchmarks.gpu --parts training --prompts 1200 --rounds 5
    python -m benchmarks.gpu --device cpu --parameters 20M --smoke          # the same path, in a minute

Without a CUDA device it says so and ends with exit code 2, unless ``--device cpu`` is given.

Training: what ``benchmarks.training_speed`` compares (same base, first adapter, token ids, labels, batches
and rates), in bf16, timed in wall seconds after the first steps. TRL's fastest does without recomputation
and takes batches of similar length; where its interpreter has flash-attn or Liger's kernels, ways with these
are added, and ours in four bits where bitsandbytes is. The ceiling of LoRA training is what the device
multiplies in bf16, measured here with one large product, divided by 4N: two operations a weight and token
forward, and two back to the activations. N counts the matrices and the head, not the embedding's look-up.
"Of rows" takes every token of every row as computed, so a way that reads a shared prompt once can lie above
what the device does; "really read" counts only what was read.

Serving: what ``benchmarks.serving`` compares, without llama.cpp; transformers serve also with its
continuous batching. The weights are random, so replies are nonsense of 48 tokens.
"""

import argparse
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.serving import long_prompt, start_all
from benchmarks.serving import measure as measure_serving
from benchmarks.training_speed import prompt_of, write_base, write_data
from benchmarks.training_ways import (
    DEFAULT,
    FASTEST,
    FLASH,
    FOUR_BIT,
    LIGER,
    MAX_TOKENS,
    OURS,
    Setting,
    measure,
)

SHAPES: dict[str, dict[str, Any]] = {
    "20M": {
        "hidden_size": 448, "intermediate_size": 1152, "num_hidden_layers": 8, "num_attention_heads": 7,
        "num_key_value_heads": 7, "vocab_size": 4096,
    },
    "1B": {
        "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256,
    },
    "8B": {
        "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32,
        "num_key_value_heads": 8, "vocab_size": 128256, "tie_word_embeddings": False,
    },
}  # fmt: skip
PROMPTS = {"identity": 960, "400": 512, "1200": 256}
SMOKE_PROMPTS = {"identity": 24, "400": 16}


def matmul_weights(shape: dict[str, Any]) -> int:
    """N: weights of the matrices of all layers, and of the head."""
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    kept = hidden * shape["num_key_value_heads"] // shape["num_attention_heads"]
    layer = 2 * hidden * hidden + 2 * hidden * kept + 3 * hidden * inner
    return int(shape["num_hidden_layers"] * layer + shape["vocab_size"] * hidden)


def peak_flops(device: str, size: int) -> float:
    """Floating-point operations a second of the best of several bf16 products."""
    import torch

    one, other = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    best = float("inf")
    for _ in range(6):
        began = time.perf_counter()
        for _ in range(4):
            one @ other
        if device == "cuda":
            torch.cuda.synchronize()
        best = min(best, (time.perf_counter() - began) / 4)
    return 2 * size**3 / best


def ways_of(options: argparse.Namespace) -> list[str]:
    """What can be run here: ours, and TRL's as far as its interpreter has what they need."""
    import subprocess

    four = options.device == "cuda" and find_spec("bitsandbytes") is not None
    ours = [OURS, FOUR_BIT] if four else [OURS]
    names = ("trl", "flash_attn", "liger_kernel")
    code = f"from importlib.util import find_spec; print(*(n for n in {names!r} if find_spec(n)))"
    done = subprocess.run([options.trl_python, "-c", code], capture_output=True, text=True)
    found = done.stdout.split()
    if "trl" not in found:
        print(f"{options.trl_python} has no trl: TRL is left out. Name one that has it: --trl-python")
        return ours
    ways = [*ours, DEFAULT, FASTEST]
    if options.device == "cuda":
        ways += [way for way, name in ((FLASH, "flash_attn"), (LIGER, "liger_kernel")) if name in found]
    return ways


def train(base: Path, folder: Path, shape: dict[str, Any], peak: float, options: argparse.Namespace) -> None:
    """The table of training."""
    setting = Setting(options.device, options.batch, warm=1 if options.smoke else 3)
    ceiling = peak / (4 * matmul_weights(shape))
    print(f"\nceiling of training: {ceiling:,.0f} tokens per second (4N)\n")
    print(
        "| prompt | way | learned tokens per second | tokens of rows per second | of the ceiling: of rows "
        "| really read | peak GiB | ours against it |\n|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    ways = ways_of(options)
    counts = SMOKE_PROMPTS if options.smoke else PROMPTS
    for prompt in options.prompts or counts:
        data = folder / f"{prompt}.jsonl"
        write_data(data, prompt_of(prompt, base), counts.get(prompt, 32), base, setting.batch)
        rows, read, learned = token_counts(data, base, setting)
        found: dict[str, list[dict[str, Any]]] = {way: [] for way in ways}
        for _ in range(options.rounds):
            for way in found:
                found[way].append(measure(way, base, data, options.trl_python, setting))
        speeds = {w: [r["learned_tokens"] / r["wall_seconds"] for r in runs] for w, runs in found.items()}
        for way, speed in speeds.items():
            of_rows = median(speed) * rows / learned
            really = median(speed) * (read if way in (OURS, FOUR_BIT) else rows) / learned
            ratios = [one / two for one, two in zip(speeds[OURS], speed, strict=True)]
            gib = median(run["peak_mib"] for run in found[way]) / 1024
            print(
                f"| {prompt} | {way} | {median(speed):,.0f} ({min(speed):,.0f}–{max(speed):,.0f}) "
                f"| {of_rows:,.0f} | {of_rows / ceiling:.1%} | {really / ceiling:.1%} | {gib:.1f} "
                f"| {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |",
                flush=True,
            )
        print(_losses(found), flush=True)


def token_counts(data: Path, base: Path, setting: Setting) -> tuple[int, int, int]:
    """Tokens of all rows, tokens that this project reads for them, and learned ones, in an epoch."""
    from understudy.rendering import Renderer
    from understudy.training.examples import load_examples
    from understudy.training.packing import packed_tokens

    ordered = load_examples(data.with_suffix(".ordered.jsonl"), Renderer.load(base), MAX_TOKENS).examples
    size = setting.batch
    batches = [ordered[start : start + size] for start in range(0, len(ordered), size)]
    return (
        sum(len(example.ids) for example in ordered),
        sum(packed_tokens(batch) for batch in batches),
        sum(example.learned for example in ordered),
    )


def _losses(found: dict[str, list[dict[str, Any]]]) -> str:
    ours = found[OURS][0]["losses"]
    text = f"  {len(ours)} steps, losses {ours[0]:.3f} to {ours[-1]:.3f}"
    if FASTEST in found:
        theirs = found[FASTEST][0]["losses"]
        apart = max(abs(one - two) for one, two in zip(ours, theirs, strict=True))
        text += f", at most {apart:.4f} from those of {FASTEST}"
    return text


def speak(base: Path, folder: Path, options: argparse.Namespace) -> None:
    """The table of serving."""
    print(
        "\n| prompt | streams | server | tokens per second | first token, ms: median (95 %) "
        "| ours against it |\n|---|---|---|---|---|---|",
        flush=True,
    )
    programs = argparse.Namespace(llama_python=None, guidellm=None)
    cuda = options.device == "cuda"
    servers = start_all(programs, base, folder, str(base), options.device, batched=cuda)
    load = argparse.Namespace(streams=[1, 2] if options.smoke else [1, 8, 32], rounds=options.rounds)
    prompts = {"short": "You are Princess Ophelia."}
    if not options.smoke:
        prompts["1,500 tokens"] = long_prompt(base)
    try:
        measure_serving(servers, prompts, load, base)
    finally:
        for server in servers:
            server.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--parameters", choices=SHAPES, default="1B")
    parser.add_argument(
        "--parts", nargs="+", choices=["training", "serving"], default=["training", "serving"]
    )
    parser.add_argument("--prompts", nargs="+", choices=PROMPTS, help="of training")
    parser.add_argument("--batch", type=int, default=None, help="examples in a step; default 32, 8 on a CPU")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trl-python", default=sys.executable, help="an interpreter that has trl")
    parser.add_argument("--smoke", action="store_true", help="a few steps and requests: does the path work?")
    options = parser.parse_args()
    if find_spec("torch") is None:
        sys.exit("torch is not installed: pip install 'understudy[local]'")
    import torch

    if options.device == "cuda" and not torch.cuda.is_available():
        print(
            "There is no CUDA device here. Run this where there is one, or add --device cpu.", file=sys.stderr
        )
        sys.exit(2)
    options.batch = options.batch or (32 if options.device == "cuda" else 8)
    options.rounds = 1 if options.smoke else options.rounds
    shape, cuda = SHAPES[options.parameters], options.device == "cuda"
    peak = peak_flops(options.device, 8192 if cuda else 1024)
    name = torch.cuda.get_device_name() if cuda else "the processor"
    print(f"{name}, torch {torch.__version__}: {peak / 1e12:,.2f} TFLOP/s in bf16")
    print(f"{options.parameters}: {matmul_weights(shape) / 1e6:,.0f} million weights in products", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        base = write_base(Path(folder), shape, "bfloat16" if cuda else "float32")
        if "training" in options.parts:
            train(base, Path(folder), shape, peak, options)
        if "serving" in options.parts:
            speak(base, Path(folder), options)


if __name__ == "__main__":
    main()
