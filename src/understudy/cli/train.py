"""``understudy train``: a dataset becomes a model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from understudy.client.training_plan import TrainingPlan
    from understudy.client.training_run import TrainedRun
    from understudy.folder import CharacterFolder

__all__ = ["train_command", "train_showing_progress"]


def train_command(
    name: Annotated[str, typer.Argument(help="The character's folder.")],
    base_model: Annotated[
        str | None, typer.Option(help="Base model: understudy/mini, a directory, a hub name.")
    ] = None,
    provider: Annotated[
        str | None, typer.Option(help="openai, azure, nebius, or a base URL. Default: this machine.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, max=50, help="Passes over the data. Default: by its size.")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, max=256, help="Examples in a step.")] = None,
    learning_rate_multiplier: Annotated[
        float | None, typer.Option(help="Times the base model's own learning rate.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            help="supervised (the dataset's replies), dpo (preferences between two replies) or distillation "
            "(what a teacher under the long prompt would say)."
        ),
    ] = "supervised",
    preferences: Annotated[
        Path | None, typer.Option(help="dpo: pairs of replies. Default: NAME/dataset/preferences.jsonl.")
    ] = None,
    beta: Annotated[
        float | None, typer.Option(help="dpo: how strongly the base model holds, up to 2. Default: 0.1.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option(help="distillation: a base with the same tokenizer. Default: the same."),
    ] = None,
    on_policy: Annotated[
        float | None,
        typer.Option(help="distillation: share that the student answers itself. Default: 0."),
    ] = None,
    quantize: Annotated[
        str | None,
        typer.Option(help="4bit: hold the base in four bits meanwhile (QLoRA). Needs an NVIDIA GPU."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same data, same model.")] = 1,
    suffix: Annotated[
        str | None, typer.Option(help="Part of the model's name. Default: the character.")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Train although this was trained before.")] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="Cancel the unfinished job, and end.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be sent and what it costs, and end.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Spend without asking.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Fine-tune a model on the character's dataset. Ctrl-C detaches; the same command follows again.

    Example: understudy train iroh --base-model understudy/mini --epochs 3

    Example: understudy train iroh --method dpo --base-model ft:understudy/mini:personal:iroh:Ab3dE9fG
    """
    from understudy.client import connect, resolve_provider
    from understudy.client.training_run import TrainingSettings, cancel_training, plan_training
    from understudy.folder import open_folder

    folder = open_folder(name)
    whose = resolve_provider(provider, allow_paid=provider is not None)
    if cancel:
        ids = cancel_training(folder, connect(whose))
        if as_json:
            print(json.dumps({"cancelled": ids}))
        else:
            print("\n".join(f"Cancelled {job_id}." for job_id in ids) or "No job is unfinished.")
        return
    settings = TrainingSettings(
        base_model,
        epochs,
        batch_size,
        learning_rate_multiplier,
        seed,
        suffix,
        again,
        method=method,
        beta=beta,
        preferences=preferences,
        teacher=teacher,
        on_policy_share=on_policy,
        quantization=quantize,
    )
    plan = plan_training(folder, whose, settings)
    if dry_run:
        print(json.dumps(_plan_as_json(plan), ensure_ascii=False, indent=2) if as_json else _describe(plan))
        return
    _print_result(train_showing_progress(folder, plan, name, yes), name, as_json)


def train_showing_progress(folder: CharacterFolder, plan: TrainingPlan, name: str, yes: bool) -> TrainedRun:
    """Say what is sent and its price, ask where it costs money, then train and show how it goes.

    Raises:
        typer.Exit: 1 where the answer is no, 130 after Ctrl-C; the job then goes on at the server.
    """
    from understudy.cli.consent import ask_to_spend
    from understudy.client import connect
    from understudy.client.lifetime import warning_of_end
    from understudy.client.training_run import train
    from understudy.folder import typed

    print(_describe(plan), file=sys.stderr)
    client = connect(plan.provider)
    if warning := warning_of_end(client, plan.provider, plan.base_model):
        print(f"Note: {warning}", file=sys.stderr)
    if plan.provider.paid and not yes:
        ask_to_spend(plan.provider.name, "Start the job?")
    with _Progress(sys.stderr) as progress:
        try:
            return train(folder, client, plan, progress.show)
        except KeyboardInterrupt:
            progress.stop()
            print(
                f"Detached; the job goes on. Follow it: understudy train {typed(name)}   "
                f"Cancel it: understudy train {typed(name)} --cancel",
                file=sys.stderr,
            )
            raise typer.Exit(130) from None


def _describe(plan: TrainingPlan) -> str:
    numbers = ", ".join(f"{key} {value}" for key, value in plan.hyperparameters.items())
    note = plan.price_note
    price = f"about {plan.price_usd:.2f} USD ({note})" if plan.price_usd is not None else note
    what = "pairs of replies" if plan.method == "dpo" else "examples"
    return (
        f"{plan.examples:,} {what} on {plan.base_model} at {plan.provider.name}\n"
        f"{numbers}, seed {plan.seed}\n"
        f"{plan.billed_tokens:,} tokens to train: {price}"
    )


def _print_result(run: TrainedRun, name: str, as_json: bool) -> None:
    from understudy.folder import typed

    if as_json:
        print(json.dumps(_as_json(run), ensure_ascii=False, indent=2))
    elif run.reused:
        print(f"already trained: {run.model}   (--again to train anew)")
    else:
        print(f"{run.model}\nrun: {run.folder}\nTalk: understudy chat {typed(name)}")


def _plan_as_json(plan: TrainingPlan) -> dict[str, Any]:
    return {
        "base_model": plan.base_model,
        "method": plan.method,
        "provider": plan.provider.name,
        "examples": plan.examples,
        "hyperparameters": plan.hyperparameters,
        "seed": plan.seed,
        "billed_tokens": plan.billed_tokens,
        "price_usd": plan.price_usd,
        "price_note": plan.price_note,
    }


def _as_json(run: TrainedRun) -> dict[str, Any]:
    return {
        "model": run.model,
        "run_id": run.id,
        "run_folder": str(run.folder),
        "reused": run.reused,
        "job_id": run.job["id"],
        "trained_tokens": run.job.get("trained_tokens"),
        "seconds": run.job.get("seconds"),
        "learned_tokens_per_second": run.job.get("learned_tokens_per_second"),
        "hyperparameters": run.job.get("hyperparameters"),
    }


class _Progress:
    """Events as lines, steps as one moving bar; without a terminal, a line for every tenth."""

    def __init__(self, stream: Any) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._console = Console(file=stream, highlight=False)
        self._bar = Progress(
            TextColumn("step {task.completed:.0f}/{task.total:.0f}"),
            BarColumn(30),
            TextColumn("{task.description}"),
            console=self._console,
            transient=True,
        )
        self._task: Any = None
        self._shown = 0

    def __enter__(self) -> _Progress:
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Leave the terminal as it was."""
        if self._task is not None:
            self._bar.stop()

    def show(self, event: dict[str, Any]) -> None:
        """One event of the job."""
        data = event.get("data") or {}
        if event.get("type") == "metrics" and "step" in data:
            self._show_step(data)
            return
        colour = {"warn": "[yellow]", "error": "[red]"}.get(event["level"], "")
        from rich.markup import escape

        self._console.print(f"{colour}{escape(event['message'])}", soft_wrap=True)

    def _show_step(self, data: dict[str, Any]) -> None:
        total = int(data.get("total_steps") or data["step"])
        text = _step_text(data)
        if self._console.is_terminal:
            if self._task is None:
                self._bar.start()
                self._task = self._bar.add_task(text, total=total)
            self._bar.update(self._task, completed=data["step"], total=total, description=text)
        elif data["step"] * 10 // total > self._shown or data["step"] == 1:
            self._shown = data["step"] * 10 // total
            self._console.print(f"step {data['step']}/{total}  {text}")


def _step_text(data: dict[str, Any]) -> str:
    parts = [f"loss {data['train_loss']:.3f}"] if data.get("train_loss") is not None else []
    valid = data.get("full_valid_loss", data.get("valid_loss"))
    if valid is not None:
        parts.append(f"validation {valid:.3f}")
    if data.get("train_reward_accuracy") is not None:
        parts.append(f"prefers the preferred in {data['train_reward_accuracy']:.0%}")
    if data.get("learned_tokens_per_second") is not None:
        parts.append(f"{data['learned_tokens_per_second']:,.0f} learned tokens/s")
    if data.get("seconds_left") is not None:
        minutes, seconds = divmod(round(data["seconds_left"]), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return "  ".join(parts)
