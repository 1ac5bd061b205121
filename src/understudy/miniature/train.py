"""Train a miniature model from scratch: ``python -m understudy.miniature.train --help``.

The schedule is a share of the training that has passed, the larger of tokens seen and time used;
learning rate and curriculum follow it, so a run ends in time on a slower machine too. With
``--minutes 0`` only the tokens count, and a run is repeatable to the last bit on one machine.

The two shapes that ship::

    python -m understudy.miniature.train mini --layers 4 --hidden 256 --heads 4 --intermediate 704
    python -m understudy.miniature.train star --layers 5 --hidden 384 --heads 6 --intermediate 1024 \\
        --start mini

Batches are small on purpose. In steps of four thousand tokens on average, copying from the sheet did not
appear within five million; an earlier training found it after four, in smaller steps and on simpler text.
"""

import argparse
import copy
import itertools
import json
import math
import os
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import torch
from huggingface_hub import split_torch_state_dict_into_shards
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from understudy.atomic import write_json
from understudy.miniature.batches import Batch, batches
from understudy.miniature.growing import grow_weights
from understudy.miniature.prose import draw_windows, load_prose, share_of_prose
from understudy.miniature.reading import load_passages
from understudy.miniature.tokens import CONTEXT_TOKENS, END, PAD, save_tokenizer, special_id, train_tokenizer

__all__ = ["Settings", "build_model", "export_model", "train", "weighted_loss"]

PROSE_WINDOWS = 12
SHARD_SIZE = "14MB"


@dataclass(frozen=True)
class Settings:
    """Everything a run depends on; ``HELP`` says what is not plain from the name."""

    output: Path
    tokens: int = 14_000_000
    minutes: float = 0.0
    seed: int = 7
    threads: int = 1
    replicas: int = 1
    device: str = "cpu"
    batch: int = 1
    layers: int = 4
    hidden: int = 256
    heads: int = 4
    intermediate: int = 704
    vocabulary: int = 4096
    learning_rate: float = 0.02
    embedding_learning_rate: float = 3e-3
    warmup_steps: int = 50
    bfloat16: bool = True
    checkpoint_seconds: float = 180.0
    growth: int = 0
    start: str = ""
    lesson: float = 0.0
    extra_text: str = ""
    extra_share: float = 0.3


HELP = {
    "replicas": "batches of a step computed side by side, each with THREADS threads; not to change in a run",
    "minutes": "most minutes of training; 0: only tokens count",
    "device": "cpu, cuda, cuda:1 …",
    "batch": "factor of the batches' tokens; 8 or more for a data-centre GPU",
    "growth": "models kept on the way, in OUTPUT/growth/TOKENS",
    "start": "run folder or model folder to begin from; a smaller model is grown",
    "lesson": "where the curriculum begins, from 0 to 1; 0.2 for weights that know copying",
    "extra_text": "texts beside the conversations, comma between: .txt, .txt.xz, .csv (last column)",
    "extra_share": "share of those batches in the first third; falls to a tenth of it",
}


@dataclass
class Progress:
    """Where a run stands."""

    step: int = 0
    tokens: int = 0
    seconds: float = 0.0
    pool: int = 0
    loss: float = 0.0

    def share(self, settings: Settings) -> float:
        """Share of the training that has passed, from 0 to 1 and beyond."""
        timed = self.seconds / (settings.minutes * 60) if settings.minutes else 0.0
        return max(self.tokens / settings.tokens, timed)

    def lesson(self, settings: Settings) -> float:
        """Where the curriculum stands, from ``settings.lesson`` to 1; the learning rates do not follow it."""
        return settings.lesson + (1 - settings.lesson) * min(1.0, self.share(settings))


def build_model(settings: Settings, tokenizer: Tokenizer) -> LlamaForCausalLM:
    """A Llama with fresh weights and tied embeddings."""
    configuration = LlamaConfig(
        vocab_size=settings.vocabulary,
        hidden_size=settings.hidden,
        intermediate_size=settings.intermediate,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=special_id(tokenizer, END),
        pad_token_id=special_id(tokenizer, PAD),
    )
    torch.manual_seed(settings.seed)
    model = LlamaForCausalLM(configuration)
    torch.nn.Module.to(model, device=torch.device(settings.device))
    return model


def weighted_loss(model: LlamaForCausalLM, batch: Batch, *, bfloat16: bool) -> tuple[torch.Tensor, float]:
    """Cross-entropy weighted by token (nats), and the mean over the replies alone.

    ``loss = sum(w * ce) / sum(w)``; the second value takes only tokens of weight 1 or more.
    """
    device = model.device
    ids, weights = (
        torch.from_numpy(batch.ids).to(device),
        torch.from_numpy(batch.weights).to(device).reshape(-1),
    )
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=bfloat16):
        hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
        kept = weights > 0
        logits = functional.linear(hidden.reshape(-1, hidden.shape[-1])[kept], model.lm_head.weight)
    losses = functional.cross_entropy(logits.float(), ids[:, 1:].reshape(-1)[kept], reduction="none")
    weights = weights[kept]
    replies = weights >= 1.0
    return (losses * weights).sum() / weights.sum(), float(losses.detach()[replies].mean())


def schedule_at(settings: Settings, step: int, share: float) -> float:
    """Factor of the learning rates: linear warm-up, then a cosine over the training, down to 4 %."""
    warm = min(1.0, (step + 1) / settings.warmup_steps)
    cosine = 0.5 * (1 + math.cos(math.pi * min(1.0, share)))
    return warm * (0.04 + 0.96 * cosine)


def _optimizers(model: LlamaForCausalLM, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, one for each replica, and AdamW for embeddings and norms.

    On this data Muon reached after 150,000 tokens a lower loss than AdamW alone (at 3e-3) after 200,000,
    at 15 % less speed.
    """
    named = list(model.model.named_parameters())
    matrices = [tensor for name, tensor in named if tensor.dim() == 2 and "embed" not in name]
    others = [tensor for name, tensor in named if tensor.dim() != 2 or "embed" in name]
    matrices.sort(key=lambda tensor: tensor.numel())
    return [
        *(
            torch.optim.Muon(
                matrices[number :: settings.replicas],
                lr=settings.learning_rate,
                weight_decay=0.05,
                momentum=0.95,
            )
            for number in range(settings.replicas)
        ),
        torch.optim.AdamW(
            others, lr=settings.embedding_learning_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True
        ),
    ]


class Replicas:
    """Copies of a model that share its weights, each with a thread and gradients of its own.

    A step of several batches is the mean of their gradients, as if they were accumulated one after another.
    On two cores, two replicas of one thread saw 5,000 tokens a second where one of two threads saw 3,500 to
    3,900: a step of the small matrices, Muon's above all, hardly gains from a second thread.
    """

    def __init__(self, model: LlamaForCausalLM, settings: Settings) -> None:
        self.models = [model]
        for _ in range(settings.replicas - 1):
            twin = copy.deepcopy(model)
            for own, shared in zip(twin.parameters(), model.parameters(), strict=True):
                own.data = shared.data
            self.models.append(twin)
        self.pool = ThreadPoolExecutor(
            settings.replicas, initializer=torch.set_num_threads, initargs=(settings.threads,)
        )
        self.bfloat16 = settings.bfloat16

    def gradients(self, group: list[Batch]) -> float:
        """Leave the mean gradient of ``group``, a batch a replica, in the model; gives the replies' loss."""
        losses = list(self.pool.map(self._backward, self.models, group))
        for twin in self.models[1:]:
            for own, shared in zip(twin.parameters(), self.models[0].parameters(), strict=True):
                if shared.grad is not None and own.grad is not None:
                    shared.grad += own.grad
                own.grad = None
        if len(group) > 1:
            for parameter in self.models[0].parameters():
                if parameter.grad is not None:
                    parameter.grad /= len(group)
        return sum(losses) / len(losses)

    def _backward(self, model: LlamaForCausalLM, batch: Batch) -> float:
        loss, reply_loss = weighted_loss(model, batch, bfloat16=self.bfloat16)
        loss.backward()
        return reply_loss

    def step(self, optimizers: list[torch.optim.Optimizer]) -> None:
        """One step of every optimizer, side by side, for none shares a weight with another."""
        torch.nn.utils.clip_grad_norm_(self.models[0].parameters(), 1.0)
        list(self.pool.map(lambda optimizer: optimizer.step(), optimizers))
        for optimizer in optimizers:
            optimizer.zero_grad(set_to_none=True)


def _save_checkpoint(
    folder: Path, model: LlamaForCausalLM, optimizers: list[torch.optim.Optimizer], progress: Progress
) -> None:
    """Weights, optimizers and state; ``state.json`` is renamed into place last and names the files."""
    folder.mkdir(parents=True, exist_ok=True)
    marks = {
        "weights": f"weights-{progress.step}.safetensors",
        "optimizer": f"optimizer-{progress.step}.safetensors",
    }
    save_file(
        {name: tensor.contiguous() for name, tensor in model.model.state_dict().items()},
        folder / marks["weights"],
    )
    tensors = {
        f"{number}.{index}.{name}": value
        for number, optimizer in enumerate(optimizers)
        for index, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }
    save_file(tensors, folder / marks["optimizer"])
    write_json(folder / "state.json", {**asdict(progress), **marks})
    for path in folder.glob("*-*.safetensors"):
        if path.name not in marks.values():
            path.unlink()


def _load_checkpoint(
    folder: Path, model: LlamaForCausalLM, optimizers: list[torch.optim.Optimizer]
) -> Progress:
    """The state of the last checkpoint, or a fresh one."""
    if not (folder / "state.json").exists():
        return Progress()
    state = json.loads((folder / "state.json").read_text("utf-8"))
    model.model.load_state_dict(load_file(folder / state.pop("weights")))
    restored: dict[int, dict[int, dict[str, torch.Tensor]]] = {}
    for name, value in load_file(folder / state.pop("optimizer")).items():
        group, index, key = name.split(".", 2)
        restored.setdefault(int(group), {}).setdefault(int(index), {})[key] = value
    for number, optimizer in enumerate(optimizers):
        optimizer.load_state_dict(
            {"state": restored[number], "param_groups": optimizer.state_dict()["param_groups"]}
        )
    return Progress(**state)


def _tokenizer(settings: Settings) -> Tokenizer:
    path = settings.output / "model" / "tokenizer.json"
    begun = Path(settings.start) / "model" / "tokenizer.json"
    if not begun.exists():
        begun = Path(settings.start) / "tokenizer.json"
    if path.exists() or (settings.start and begun.exists()):
        tokenizer = Tokenizer.from_file(str(path if path.exists() else begun))
        save_tokenizer(tokenizer, path.parent)
        return tokenizer
    tokenizer = train_tokenizer(settings.seed, vocabulary=settings.vocabulary, prose=_texts(settings))
    save_tokenizer(tokenizer, path.parent)
    return tokenizer


def _texts(settings: Settings) -> list[Path]:
    return [Path(path) for path in settings.extra_text.split(",") if path]


def _begun_weights(begin: Path) -> dict[str, torch.Tensor]:
    """Weights to begin from: of an earlier run, or of a model folder; the tokenizer is the same."""
    if not (begin / "checkpoint").is_dir():
        loaded = [load_file(path) for path in sorted(begin.glob("model*.safetensors"))]
        return {name.removeprefix("model."): x.float() for part in loaded for name, x in part.items()}
    state = json.loads((begin / "checkpoint" / "state.json").read_text("utf-8"))
    return load_file(begin / "checkpoint" / state["weights"])


def train(settings: Settings) -> Path:
    """Train, or go on training, in ``settings.output``; gives the folder of the exported model."""
    torch.set_num_threads(settings.threads)
    tokenizer = _tokenizer(settings)
    model = build_model(settings, tokenizer)
    if settings.start:
        begun = _begun_weights(Path(settings.start))
        model.model.load_state_dict(grow_weights(begun, model.model.state_dict()))
    optimizers = _optimizers(model, settings)
    progress = _load_checkpoint(settings.output / "checkpoint", model, optimizers)
    write_json(settings.output / "settings.json", {**asdict(settings), "output": settings.output.name})
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, from step {progress.step}", flush=True)
    stream = batches(
        tokenizer,
        settings.seed,
        lambda: progress.lesson(settings),
        progress.pool,
        larger=settings.batch,
        passages=load_passages(_texts(settings)),
    )
    if settings.extra_text:
        stream = _with_prose(settings, tokenizer, stream, progress)
    _loop(settings, model, optimizers, progress, stream, tokenizer)
    _save_checkpoint(settings.output / "checkpoint", model, optimizers, progress)
    return export_model(model, tokenizer, settings.output / "model")


def _with_prose(
    settings: Settings, tokenizer: Tokenizer, stream: Iterator[Batch], progress: Progress
) -> Iterator[Batch]:
    """The conversations' batches with batches of prose between them."""
    prose = load_prose(_texts(settings), tokenizer, special_id(tokenizer, END))
    print(f"{len(prose):,} tokens of prose", flush=True)
    rng = random.Random(f"prose {settings.seed} {progress.step}")
    while True:
        if rng.random() < share_of_prose(progress.share(settings), settings.extra_share):
            ids = draw_windows(prose, PROSE_WINDOWS, rng)
            yield Batch(ids, np.ones((len(ids), ids.shape[1] - 1), dtype=np.float32), ids.size)
        else:
            yield next(stream)


def _loop(
    settings: Settings,
    model: LlamaForCausalLM,
    optimizers: list[torch.optim.Optimizer],
    progress: Progress,
    stream: Iterator[Batch],
    tokenizer: Tokenizer,
) -> None:
    groups = [group for optimizer in optimizers for group in optimizer.param_groups]
    peaks = [
        settings.learning_rate
        if isinstance(optimizer, torch.optim.Muon)
        else settings.embedding_learning_rate
        for optimizer in optimizers
        for _ in optimizer.param_groups
    ]
    replicas = Replicas(model, settings)
    began, before = time.monotonic(), progress.seconds
    saved = logged = began
    smooth, recent = progress.loss, 0
    while (share := progress.share(settings)) < 1:
        group = list(itertools.islice(stream, settings.replicas))
        factor = schedule_at(settings, progress.step, share)
        for parameters, peak in zip(groups, peaks, strict=True):
            parameters["lr"] = peak * factor
        reply_loss = replicas.gradients(group)
        replicas.step(optimizers)
        has_prose = any(batch.weights.min() >= 1 for batch in group)
        if not has_prose:  # prose has no replies; its loss would hide theirs
            smooth = reply_loss if not smooth else 0.98 * smooth + 0.02 * reply_loss
        now = time.monotonic()
        tokens = sum(batch.tokens for batch in group)
        progress.step, progress.tokens = progress.step + 1, progress.tokens + tokens
        progress.seconds, progress.loss = before + now - began, smooth
        recent += tokens
        if int(progress.share(settings) * settings.growth) > int(share * settings.growth):
            export_model(model, tokenizer, settings.output / "growth" / f"{progress.tokens:09d}")
        if now - logged > 15:
            _log(progress, settings, recent / (now - logged))
            logged, recent = now, 0
        if now - saved > settings.checkpoint_seconds:
            progress.pool += 1_000  # a resumed run draws text that it has not seen
            _save_checkpoint(settings.output / "checkpoint", model, optimizers, progress)
            saved = now


def _log(progress: Progress, settings: Settings, tokens_per_second: float) -> None:
    share = progress.share(settings)
    left = progress.seconds / share * (1 - share)
    print(
        f"step {progress.step} tokens {progress.tokens:,} share {share:.3f} loss {progress.loss:.3f} "
        f"{tokens_per_second:,.0f} tokens/s, {left / 60:.1f} min left",
        flush=True,
    )


def export_model(model: LlamaForCausalLM, tokenizer: Tokenizer, folder: Path) -> Path:
    """Write ``model`` in bfloat16 with its configuration; the tokenizer's files are written too."""
    folder.mkdir(parents=True, exist_ok=True)
    save_tokenizer(tokenizer, folder)
    weights = {
        f"model.{name}": tensor.to("cpu", torch.bfloat16).contiguous()
        for name, tensor in model.model.state_dict().items()
    }
    _save_shards(weights, folder)
    configuration = model.config.to_diff_dict() | {"architectures": ["LlamaForCausalLM"], "dtype": "bfloat16"}
    write_json(folder / "config.json", configuration)
    ends = {"eos_token_id": model.config.eos_token_id, "pad_token_id": model.config.pad_token_id}
    write_json(folder / "generation_config.json", ends | {"do_sample": True, "temperature": 0.3})
    return folder


def _save_shards(weights: dict[str, torch.Tensor], folder: Path) -> None:
    """Files of at most ``SHARD_SIZE``, with the index that loaders look for where there are several."""
    split = split_torch_state_dict_into_shards(weights, max_shard_size=SHARD_SIZE)
    for name, tensors in split.filename_to_tensors.items():
        save_file({key: weights[key] for key in tensors}, folder / name, metadata={"format": "pt"})
        (folder / name).chmod(0o644)
    if split.is_sharded:
        index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
        write_json(folder / "model.safetensors.index.json", index)


def _settings(arguments: list[str]) -> Settings:
    parser = argparse.ArgumentParser(
        prog="python -m understudy.miniature.train",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("output", type=Path, help="folder of the run: checkpoint/, model/, settings.json")
    for name, value in asdict(Settings(Path())).items():
        if name == "output":
            continue
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=value)
        else:
            told = f"{HELP[name]}; " if name in HELP else ""
            parser.add_argument(flag, type=type(value), default=value, help=f"{told}default {value!r}")
    return Settings(**vars(parser.parse_args(arguments)))


if __name__ == "__main__":
    print(train(_settings(sys.argv[1:])))
