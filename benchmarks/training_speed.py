"""Training against TRL's SFTTrainer: same base, adapter, data, batches, rates and learned tokens, one thread.

    python -m benchmarks.training_speed --trl-python /path/to/venv/bin/python
    python -m benchmarks.training_speed --trl-python … --rounds 2 --prompts identity 1200

The other interpreter needs trl 1.16, datasets and this project's own dependencies. The base is a Llama of 12
million random parameters with the tokenizer of understudy/mini, the data are the shipped dialogues of
Princess Ophelia under her identity prompt and under prompts of 400 and 1,200 tokens. Both begin with the
same random adapter. Ways take turns, each run is a process of its own; time runs from the first step to
the last, so that loading, tokenizing and saving are outside for all.

- TRL's default: bf16, gradient checkpointing, its own random order.
- TRL's fastest here: no checkpointing, and the batches of similar length that this project makes, so that its
  losses can be compared with ours step by step.
Both get the token ids and labels of this project: the loss is on the assistant's words alone.
"""

import argparse
import json
import shutil
import tempfile
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.training_ways import ALPHA, FASTEST, MAX_TOKENS, OURS, RANK, SEED, WAYS, Setting, measure

# Conversations under each prompt: enough steps to time, few enough to wait for.
PROMPTS = {"identity": 160, "400": 48, "1200": 32}
SMALL = {
    "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 6, "num_attention_heads": 6,
    "num_key_value_heads": 6,
}  # fmt: skip


def write_base(folder: Path, shape: dict[str, Any] = SMALL, dtype: str = "float32") -> Path:
    """A Llama of random parameters (of ``SMALL`` 12 million), and the adapter that all ways begin with.

    Of a vocabulary larger than the tokenizer's, what has no text is never likeliest.
    """
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from understudy_miniatures import path

    from understudy.inference.sealed import write_sealed
    from understudy.training.lora import adapter_files, add_lora
    from understudy.training.spec import Lora

    mini, base = Path(path("mini")), folder / "base"
    shutil.copytree(mini, base, ignore=shutil.ignore_patterns("*.safetensors"))
    config = LlamaConfig.from_pretrained(str(mini))
    tokens = config.vocab_size
    for key, value in ({"head_dim": None} | shape).items():
        setattr(config, key, value or shape["hidden_size"] // shape["num_attention_heads"])
    config.dtype = dtype
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(config).to(getattr(torch, dtype))
    with torch.no_grad():
        model.get_input_embeddings().weight[tokens:] = 0
    model.save_pretrained(base)
    write_sealed(folder / "adapter", adapter_files(add_lora(model, Lora(RANK, ALPHA, 0.0), SEED), base))
    return base


def write_data(path: Path, prompt: str, count: int, base: Path, batch: int = Setting.batch) -> None:
    """Dialogues under a system prompt, and the same in the order in which our first epoch takes them."""
    from understudy.rendering import Renderer
    from understudy.training.batches import plan_epoch
    from understudy.training.examples import load_examples

    text = files("understudy").joinpath("examples/ophelia/dialogues.jsonl").read_text("utf-8")
    rows = [json.loads(line)["messages"] for line in text.splitlines()[:count]]
    lines = [json.dumps({"messages": [{"role": "system", "content": prompt}, *row]}) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    examples = load_examples(path, Renderer.load(base), MAX_TOKENS).examples
    plan = plan_epoch([len(example.ids) for example in examples], batch, SEED, 0)
    ordered = path.with_suffix(".ordered.jsonl")
    ordered.write_text("".join(lines[i] + "\n" for batch in plan for i in batch), encoding="utf-8")


def prompt_of(name: str, base: Path) -> str:
    """Her identity prompt, or her long prompt told until it has so many tokens."""
    from understudy.character import load_character
    from understudy.rendering import Renderer

    character = load_character(Path(str(files("understudy").joinpath("examples/ophelia/character.yaml"))))
    if name == "identity":
        return character.identity_prompt
    renderer = Renderer.load(base)
    words = (character.long_prompt() + " ").split(" ") * 20
    low, high = 1, len(words)
    while low < high:
        middle = (low + high) // 2
        told = {"role": "system", "content": " ".join(words[:middle])}
        enough = len(renderer.prompt([told, {"role": "user", "content": "."}]).ids) >= int(name)
        low, high = (low, middle) if enough else (middle + 1, high)
    return " ".join(words[:low])


def report(prompt: str, found: dict[str, list[dict[str, Any]]]) -> None:
    """Rows of the table for one prompt, and how far the losses lie apart."""
    speeds = {
        way: [row["learned_tokens"] / row["cpu_seconds"] for row in rows] for way, rows in found.items()
    }
    for way, rows in found.items():
        ratios = [ours / other for ours, other in zip(speeds[OURS], speeds[way], strict=True)]
        wall = median(row["learned_tokens"] / row["wall_seconds"] for row in rows)
        spread = f"{min(speeds[way]):,.0f}–{max(speeds[way]):,.0f}"
        print(
            f"| {prompt} | {way} | {median(speeds[way]):,.0f} ({spread}) | {wall:,.0f} "
            f"| {median(row['peak_mib'] for row in rows):,.0f} "
            f"| {median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f}) |",
            flush=True,
        )
    ours, theirs = found[OURS][0], found[FASTEST][0]
    apart = [abs(a - b) for a, b in zip(ours["losses"], theirs["losses"], strict=True)]
    print(
        f"  {ours['learned_tokens']:,} learned tokens ({theirs['learned_tokens']:,} with TRL), "
        f"{len(apart)} steps; losses {ours['losses'][0]:.3f} to {ours['losses'][-1]:.3f}, "
        f"at most {max(apart):.4f} from those of {FASTEST}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trl-python", required=True, help="an interpreter that has trl")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--prompts", nargs="+", choices=PROMPTS, default=list(PROMPTS))
    options = parser.parse_args()
    print(
        "| prompt | way | learned tokens per CPU second | per second | peak MiB | ours against it (CPU) |\n"
        "|---|---|---|---|---|---|",
        flush=True,
    )
    with tempfile.TemporaryDirectory() as folder:
        base = write_base(Path(folder))
        for prompt in options.prompts:
            data = Path(folder) / f"{prompt}.jsonl"
            write_data(data, prompt_of(prompt, base), PROMPTS[prompt], base)
            found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
            for _ in range(options.rounds):
                for way in WAYS:
                    found[way].append(measure(way, base, data, options.trl_python))
            report(prompt, found)


if __name__ == "__main__":
    main()
