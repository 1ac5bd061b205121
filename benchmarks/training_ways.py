"""Training ways: one run of this project's loop, or of TRL's ``SFTTrainer``, in a process of its own.

Used by ``training_speed`` (two cores) and ``gpu``. Time runs from the first step, or from the first after
``warm`` ones, to the last.
"""

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import understudy

RANK, ALPHA, RATE, SEED, MAX_TOKENS = 16, 32, 1e-3, 1, 2048
OURS, DEFAULT, FASTEST = "understudy", "TRL, default", "TRL, fastest"
FOUR_BIT = "understudy, four bits"
FLASH, LIGER = "TRL, fastest, padding-free", "TRL, fastest, Liger kernels"
WAYS = (OURS, DEFAULT, FASTEST)


@dataclass(frozen=True)
class Setting:
    """What all ways of one comparison have in common.

    Attributes:
        device: ``cpu`` or ``cuda``.
        batch: Examples in a step.
        warm: First steps that are not timed.
    """

    device: str = "cpu"
    batch: int = 8
    warm: int = 0


class Clock:
    """CPU and wall seconds between two moments, after the device has done what it was told."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._steps = 0

    def start(self) -> None:
        self._wait()
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def step(self) -> None:
        """One more step is done."""
        self._steps += 1
        if self._steps == self._setting.warm:
            self.start()
            return
        self._wait()
        self.cpu_seconds = time.process_time() - self._cpu
        self.wall_seconds = time.perf_counter() - self._wall

    def _wait(self) -> None:
        if self._setting.device == "cuda":
            import torch

            torch.cuda.synchronize()

    def result(self, losses: list[float], learned: list[int]) -> dict[str, Any]:
        """What the process prints; ``learned`` are the learned tokens of each step."""
        return {
            "cpu_seconds": self.cpu_seconds,
            "wall_seconds": self.wall_seconds,
            "learned_tokens": sum(learned[self._setting.warm :]),
            "peak_mib": _peak_bytes(self._setting.device) / 2**20,
            "losses": losses,
        }


def _peak_bytes(device: str) -> int:
    if device == "cuda":
        import torch

        return int(torch.cuda.max_memory_allocated())
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def run_ours(base: Path, data: Path, way: str, setting: Setting) -> dict[str, Any]:
    """This project's loop, as the server starts it."""
    from understudy.inference.channel import Channel, prepare_process

    prepare_process(1)
    import torch

    from understudy.training.__main__ import run_job

    torch.set_num_threads(1)
    clock, events = Clock(setting), []

    class Timing(Channel):
        def send(self, **event: Any) -> None:
            if event["event"] == "started":
                clock.start()
            if event["event"] == "step":
                clock.step()  # the last one counts; saving comes after it
            events.append(event)

    with tempfile.TemporaryDirectory() as folder:
        spec = {
            "job_id": "speed", "base_model": str(base), "adapter": str(base.parent / "adapter"),
            "training_file": str(data), "validation_file": None, "output_directory": f"{folder}/out",
            "method": "supervised",
            "hyperparameters": {"n_epochs": 1, "batch_size": setting.batch, "learning_rate": RATE},
            "lora": {"rank": RANK, "alpha": ALPHA, "dropout": 0.0}, "max_tokens": MAX_TOKENS, "seed": SEED,
            "threads": 1, "checkpoint_seconds": 1e6, "quantization": "4bit" if way == FOUR_BIT else None,
        }  # fmt: skip
        path = Path(folder) / "spec.json"
        path.write_text(json.dumps(spec))
        assert run_job(path, Timing(sys.stderr), lambda: False) == 0, events[-1]
    steps = [event for event in events if event["event"] == "step"]
    return clock.result([e["train_loss"] for e in steps], [e["learned_tokens"] for e in steps])


def run_trl(base: Path, data: Path, way: str, setting: Setting) -> dict[str, Any]:
    """TRL's trainer, with the token ids, labels, first adapter and learning rates of this project."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from understudy.rendering import Renderer
    from understudy.training.examples import load_examples
    from understudy.training.schedule import rate_at

    torch.set_num_threads(1)
    clock = Clock(setting)

    class Timing(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            if state.global_step == 0:
                clock.start()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            clock.step()

    lines = data if way == DEFAULT else data.with_suffix(".ordered.jsonl")
    examples = load_examples(lines, Renderer.load(base), MAX_TOKENS).examples
    rows = [{"input_ids": example.ids, "labels": example.labels} for example in examples]
    dtype = torch.bfloat16 if setting.device == "cuda" else torch.float32
    attention = {"attn_implementation": "flash_attention_2"} if way == FLASH else {}
    model = PeftModel.from_pretrained(
        AutoModelForCausalLM.from_pretrained(base, dtype=dtype, **attention).to(setting.device),
        str(base.parent / "adapter"), is_trainable=True,
    )  # fmt: skip
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=RATE, weight_decay=0.0, fused=True)
    steps = -(-len(rows) // setting.batch)
    rates = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: rate_at(step, steps, 1.0))
    with tempfile.TemporaryDirectory() as folder:
        config = SFTConfig(
            output_dir=folder, num_train_epochs=1, per_device_train_batch_size=setting.batch,
            max_length=MAX_TOKENS, bf16=True, use_cpu=setting.device == "cpu", logging_steps=1, report_to=[],
            save_strategy="no", seed=SEED, max_grad_norm=1.0, disable_tqdm=True,
            dataset_kwargs={"skip_prepare_dataset": True}, **_options(way),
        )  # fmt: skip
        trainer = SFTTrainer(
            model=model, args=config, train_dataset=_dataset(rows),
            processing_class=AutoTokenizer.from_pretrained(base), callbacks=[Timing()],
            optimizers=(optimizer, rates),
        )  # fmt: skip
        trainer.train()
    losses = [float(row["loss"]) for row in trainer.state.log_history if "loss" in row]
    return clock.result(losses, _learned(examples, steps, way, setting))


def _options(way: str) -> dict[str, Any]:
    if way == DEFAULT:
        return {}
    fast = {"gradient_checkpointing": False, "train_sampling_strategy": "sequential"}
    return fast | {FLASH: {"padding_free": True}, LIGER: {"use_liger_kernel": True}}.get(way, {})


def _learned(examples: list[Any], steps: int, way: str, setting: Setting) -> list[int]:
    """Learned tokens of each step; at random order, the mean of all."""
    total = sum(example.learned for example in examples)
    if way == DEFAULT:
        return [total - total // steps * (steps - 1), *[total // steps] * (steps - 1)]
    size = setting.batch
    return [sum(e.learned for e in examples[start : start + size]) for start in range(0, len(examples), size)]


def _dataset(rows: list[dict[str, list[int]]]) -> Any:
    """Rows as TRL takes them; named, since some versions of its data library cannot hash a table."""
    from datasets import Dataset
    from datasets.table import InMemoryTable

    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return Dataset(InMemoryTable.from_pydict(columns), fingerprint="rows")


def measure(
    way: str, base: Path, data: Path, trl_python: str | None, setting: Setting | None = None
) -> dict[str, Any]:
    """One run in a process of its own."""
    setting = setting or Setting()
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    environment["PYTHONPATH"] = str(Path(understudy.__file__).parents[1])
    environment["CUDA_VISIBLE_DEVICES"] = "0" if setting.device == "cuda" else ""  # TRL would take all
    # Imported rather than run by name: what TRL's data library cannot pickle in ``__main__`` stops it.
    code = "from benchmarks.training_ways import one; one()"
    python = sys.executable if way in (OURS, FOUR_BIT) else str(trl_python)
    done = subprocess.run(
        [python, "-W", "ignore", "-c", code, way, str(base), str(data), json.dumps(asdict(setting))],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        sys.exit(f"{way}: {done.stderr[-1500:]}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one() -> None:
    """What a process of its own does: train in the way of its arguments and print the result."""
    way, base, data = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    setting = Setting(**json.loads(sys.argv[4]))
    run = run_ours if way in (OURS, FOUR_BIT) else run_trl
    found = run(base, data, way, setting)
    print(json.dumps(found))
