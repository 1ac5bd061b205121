"""Trainer: the same job with ``transformers.Trainer`` and PEFT, resumed as its documentation says."""

import json
from pathlib import Path
from typing import Any

from benchmarks.durability.small import SmallJob, weights_of

__all__ = ["HuggingFaceTrainer"]


class HuggingFaceTrainer:
    """``Trainer.train(resume_from_checkpoint=True)``, a checkpoint at the end of each epoch."""

    name = "transformers.Trainer"

    def __init__(self, job: SmallJob) -> None:
        self.job = job

    def train(self, output: Path, *, stop_after_step: int | None = None) -> None:
        """Stopping saves a checkpoint first, through the trainer's own control."""
        from transformers import Trainer, TrainerCallback, TrainingArguments

        class StopAfter(TrainerCallback):
            def on_step_end(self, arguments: Any, state: Any, control: Any, **rest: Any) -> None:
                if state.global_step == stop_after_step:
                    control.should_save = control.should_training_stop = True

        arguments = TrainingArguments(
            output_dir=str(output),
            num_train_epochs=self.job.n_epochs,
            per_device_train_batch_size=self.job.batch_size,
            learning_rate=0.01,
            save_strategy="epoch",
            save_total_limit=3,
            seed=self.job.seed,
            use_cpu=True,
            report_to=[],
            disable_tqdm=True,
        )
        trainer = Trainer(
            model=self._model(), args=arguments, train_dataset=self._rows(), callbacks=[StopAfter()],
            data_collator=_collate,
        )  # fmt: skip
        resumes = any(output.glob("checkpoint-*"))
        trainer.train(resume_from_checkpoint=True if resumes else None)
        if stop_after_step is None:
            trainer.save_model(str(output / "model"))

    def weights(self, output: Path) -> str | None:
        """SHA-256 of the adapter."""
        return weights_of(output / "model")

    def _model(self) -> Any:
        from peft import LoraConfig, get_peft_model
        from transformers import AutoModelForCausalLM, set_seed

        set_seed(self.job.seed)
        model = AutoModelForCausalLM.from_pretrained(str(self.job.base), local_files_only=True)
        config = LoraConfig(
            r=4, lora_alpha=8, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM"
        )
        return get_peft_model(model, config)

    def _rows(self) -> list[dict[str, list[int]]]:
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(str(self.job.base), local_files_only=True)
        rows = []
        for line in self.job.training_file.read_text(encoding="utf-8").splitlines():
            text = tokenizer.apply_chat_template(json.loads(line)["messages"], tokenize=False)
            rows.append({"input_ids": tokenizer(text)["input_ids"][:256]})
        return rows


def _collate(rows: list[dict[str, list[int]]]) -> dict[str, Any]:
    import torch

    width = max(len(row["input_ids"]) for row in rows)
    ids = torch.tensor([row["input_ids"] + [0] * (width - len(row["input_ids"])) for row in rows])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": ids.masked_fill(ids == 0, -100)}
