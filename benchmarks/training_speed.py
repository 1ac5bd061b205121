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
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

import understudy

RANK, ALPHA, RATE, BATCH, SEED, MAX_TOKENS = 16, 32, 1e-3, 8, 1, 2048
OURS, DEFAULT, FASTEST = "understudy", "TRL, default", "TRL, fastest"
WAYS = (OURS, DEFAULT, FASTEST)
# Conversations under each prompt: enough steps to time, few enough to wait for.
PROMPTS = {"identity": 160, "400": 48, "1200": 32}


def write_base(folder: Path) -> Path:
    """A Llama of 12 million random parameters, and the adapter that all ways begin with."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM
    from understudy_miniatures import path

    from understudy.inference.sealed import write_sealed
    from understudy.training.lora import adapter_files, add_lora
    from understudy.training.spec import Lora

    mini, base = Path(path("mini")), folder / "base"
    shutil.copytree(mini, base, ignore=shutil.ignore_patterns("*.safetensors"))
    config = LlamaConfig.from_pretrained(str(mini))
    config.hidden_size, config.intermediate_size, config.num_hidden_layers = 384, 1024, 6
    config.num_attention_heads = config.num_key_value_heads = 6
    torch.manual_seed(SEED)
    model = LlamaForCausalLM(config).float()
    model.save_pretrained(base)
    write_sealed(folder / "adapter", adapter_files(add_lora(model, Lora(RANK, ALPHA, 0.0), SEED), base))
    return base


def write_data(path: Path, prompt: str, count: int, base: Path) -> None:
    """Dialogues under a system prompt, in the order in which our first epoch takes them."""
    from understudy.rendering import Renderer
    from understudy.training.batches import plan_epoch
    from understudy.training.examples import load_examples

    text = files("understudy").joinpath("examples/ophelia/dialogues.jsonl").read_text("utf-8")
    rows = [json.loads(line)["messages"] for line in text.splitlines()[:count]]
    lines = [json.dumps({"messages": [{"role": "system", "content": prompt}, *row]}) for row in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    examples = load_examples(path, Renderer.load(base), MAX_TOKENS).examples
    plan = plan_epoch([len(example.ids) for example in examples], BATCH, SEED, 0)
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


class Clock:
    """CPU and wall seconds between two moments."""

    def start(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def stop(self) -> None:
        self.cpu_seconds = time.process_time() - self._cpu
        self.wall_seconds = time.perf_counter() - self._wall

    def result(self, losses: list[float], learned: int) -> dict[str, Any]:
        return {
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": self.wall_seconds,
            "learned_tokens": learned,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            "losses": losses,
        }


def run_ours(base: Path, data: Path) -> dict[str, Any]:
    from understudy.inference.channel import Channel, prepare_process

    prepare_process(1)
    import torch

    from understudy.training.__main__ import run_job

    torch.set_num_threads(1)
    clock, events = Clock(), []

    class Timing(Channel):
        def send(self, **event: Any) -> None:
            if event["event"] == "started":
                clock.start()
            if event["event"] == "step":
                clock.stop()  # the last one counts; saving comes after it
            events.append(event)

    with tempfile.TemporaryDirectory() as folder:
        spec = {
            "job_id": "speed", "base_model": str(base), "adapter": str(base.parent / "adapter"),
            "training_file": str(data), "validation_file": None, "output_directory": f"{folder}/out",
            "method": "supervised",
            "hyperparameters": {"n_epochs": 1, "batch_size": BATCH, "learning_rate": RATE},
            "lora": {"rank": RANK, "alpha": ALPHA, "dropout": 0.0}, "max_tokens": MAX_TOKENS, "seed": SEED,
            "threads": 1,
        }  # fmt: skip
        path = Path(folder) / "spec.json"
        path.write_text(json.dumps(spec))
        assert run_job(path, Timing(sys.stderr), lambda: False) == 0, events[-1]
    losses = [event["train_loss"] for event in events if event["event"] == "step"]
    return clock.result(
        losses, next(e for e in events if e["event"] == "started")["learned_tokens_per_epoch"]
    )


def run_trl(base: Path, data: Path, fastest: bool) -> dict[str, Any]:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from understudy.rendering import Renderer
    from understudy.training.examples import load_examples
    from understudy.training.schedule import rate_at

    torch.set_num_threads(1)
    clock = Clock()

    class Timing(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if state.global_step == 0:
                clock.start()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            clock.stop()

    lines = data.with_suffix(".ordered.jsonl") if fastest else data
    examples = load_examples(lines, Renderer.load(base), MAX_TOKENS).examples
    rows = [{"input_ids": example.ids, "labels": example.labels} for example in examples]
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32), str(base.parent / "adapter"),
        is_trainable=True,
    )  # fmt: skip
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0, fused=True)
    steps = -(-len(rows) // BATCH)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps, 1.0))
    fast = {"gradient_checkpointing": False, "train_sampling_strategy": "sequential"} if fastest else {}
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, num_train_epochs=1, per_device_train_batch_size=BATCH,
            max_length=MAX_TOKENS, bf16=True, use_cpu=True, logging_steps=1, report_to=[], save_strategy="no",
            seed=SEED, max_grad_norm=1.0, disable_tqdm=True, dataset_kwargs={"skip_prepare_dataset": True},
            **fast,
        )  # fmt: skip
        trainer = SFTTrainer(
            model=model, args=config, train_dataset=_dataset(rows),
            processing_class=AutoTokenizer.from_pretrained(base), callbacks=[Timing()],
            optimizers=(optimizer, rates),
        )  # fmt: skip
        trainer.train()
    losses = [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]
    return clock.result(losses, sum(example.learned for example in examples))


def _dataset(rows: list[dict[str, list[int]]]) -> Any:
    """Rows as TRL takes them; named, since some versions of its data library cannot hash a table."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return Dataset(InMemoryTable.from_pydict(columns), fingerprint="rows")


def measure(way: str, base: Path, data: Path, trl_python: str) -> dict[str, Any]:
    """One run in a process of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = str(Path(understudy.__file__).parents[1])
    # Imported rather than run by name: what TRL's data library cannot pickle in ``__main__`` stops it.
    code = "from benchmarks.training_speed import one; one()"
    python = sys.executable if way == OURS else trl_python
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code, way, str(base), str(data)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{way}: {done.stderr[-1500:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one() -> None:
    """What a process of its own does: train in the way of its arguments and print the result."""
    way, base, data = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    found = run_ours(base, data) if way == OURS else run_trl(base, data, fastest=way == FASTEST)
    print(json.dumps(found))


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
