"""Exports: what is written is read again, by the program itself and by others, and says the same."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from models import ARCHITECTURES

from understudy.errors import ModelError
from understudy.export.comparison import compare
from understudy.export.reading import Reading
from understudy.export.spec import ExportSpec, save_spec

from .conftest import PROMPT, export_now

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
Tuned = Callable[..., ExportSpec]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_adapter_and_merged_model_say_what_was_trained(architecture: str, tuned: Tuned) -> None:
    spec = tuned(architecture)

    *exported, done = export_now(spec)

    assert done["event"] == "done"
    for row in exported:
        assert row["effect"] > 0.05
        assert row["difference"] < 0.001
        assert row["same_replies"] == row["probes"] == 4
    report = json.loads((spec.output / "export.json").read_text())
    assert set(report["formats"]) == {"adapter", "merged"}


def test_peft_and_transformers_read_them_without_us(tuned: Tuned) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    spec = tuned("llama")
    export_now(spec)
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": "Who are you?"}]
    tokenizer = AutoTokenizer.from_pretrained(spec.output / "merged")
    ids = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_tensors="pt")
    ids = ids["input_ids"] if hasattr(ids, "keys") else ids
    base = AutoModelForCausalLM.from_pretrained(spec.base)
    merged = AutoModelForCausalLM.from_pretrained(spec.output / "merged")
    with torch.no_grad():
        plain = base(input_ids=ids).logits
        tuned_logits = PeftModel.from_pretrained(base, str(spec.output / "adapter"))(input_ids=ids).logits
        torch.testing.assert_close(merged(input_ids=ids).logits, tuned_logits, rtol=1e-4, atol=1e-4)
    assert (tuned_logits - plain).abs().max() > 0.1
    settings = json.loads((spec.output / "merged" / "generation_config.json").read_text())
    assert settings["temperature"] == 0.3
    assert 2 in settings["eos_token_id"]  # the token that ends a turn
    config = json.loads((spec.output / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "example/llama"


def test_vllms_command_names_base_adapter_and_rank(tuned: Tuned) -> None:
    spec = tuned("llama", identity_prompt="You are Ophelia's 'ghost'.")
    export_now(replace(spec, formats=("adapter",)))
    script = spec.output / "adapter" / "serve-with-vllm.sh"
    stub = spec.output / "bin"
    stub.mkdir()
    (stub / "vllm").write_text('#!/bin/sh\nfor word in "$@"; do echo "[$word]"; done\n')
    (stub / "vllm").chmod(0o755)
    said = subprocess.run(
        [script, "--port", "9"], env={"PATH": f"{stub}:/usr/bin:/bin"}, capture_output=True, text=True
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    words = said.stdout.replace("[", "").replace("]", "").splitlines()
    assert words == [
        "serve", "example/llama", "--enable-lora", "--max-lora-rank", "8", "--lora-modules",
        f"princess-ophelia={spec.output / 'adapter'}", "--port", "9",
    ]  # fmt: skip


def test_the_card_tells_of_prompt_check_rights_and_verdict(tuned: Tuned) -> None:
    score = {"value": 0.95, "low": 0.93, "high": 0.96}
    arms = [
        {"name": "tuned+short", "measured": True, "prompt_tokens": 14, "scores": {"style": score}},
        {"name": "expensive+long", "measured": False, "prompt_tokens": 1142, "scores": {"style": score}},
    ]
    verdict = {
        "arms": arms, "headline": {"sentence": "No: she forgets her dragon."}, "created_at": "2026-11-24T1",
        "limits": ["One seed."],
    }  # fmt: skip
    spec = tuned("llama")
    spec = replace(spec, card={**spec.card, "rights": "private_use", "verdict": verdict})
    export_now(replace(spec, formats=("adapter",)))

    card = (spec.output / "adapter" / "README.md").read_text()

    for words in (
        "> You are Princess Ophelia.", "No: she forgets her dragon.", "| style (1 is the character's) | 0.95",
        "(0.93–0.96)", "not to be published", "- One seed.", "Loaded again from these files and asked 4",
        'base_model: "example/llama"',
    ):  # fmt: skip
        assert words in card
    assert "expensive+long" not in card  # it was not measured
    spec = replace(spec, card={**spec.card, "verdict": None})
    export_now(replace(spec, formats=("adapter",)))
    assert "how well it plays the part is unknown" in (spec.output / "adapter" / "README.md").read_text()


def test_an_adapter_that_changes_nothing_is_refused(tuned: Tuned) -> None:
    spec = tuned("llama", strength=0.0)
    with pytest.raises(ModelError, match="adapter changes nothing"):
        export_now(spec)
    assert not list(spec.output.iterdir())


def test_an_export_that_is_not_the_model_is_not_kept(tuned: Tuned, monkeypatch) -> None:
    """The commonest fault of the field: what was written is the base, as if the adapter were off."""
    from understudy.export import writing

    spec = tuned("llama")
    export_now(replace(spec, formats=("merged",)))
    earlier = (spec.output / "merged" / "model.safetensors").read_bytes()
    monkeypatch.setattr(writing, "merge", lambda tuned: tuned.unload())

    with pytest.raises(ModelError, match="as if the adapter were off"):
        export_now(replace(spec, formats=("merged",)))

    assert (spec.output / "merged" / "model.safetensors").read_bytes() == earlier
    assert sorted(path.name for path in spec.output.iterdir()) == ["export.json", "merged"]


def test_a_comparison_bounds_the_difference_by_what_the_adapter_does() -> None:
    def reading(value: float) -> Reading:
        return Reading([value, value - 1], [[1], [2]])

    found = compare(reading(-1.0), reading(-1.01), reading(-3.0), "x")
    assert (found.difference, found.effect, found.same_replies) == (pytest.approx(0.01), 2.0, 2)
    with pytest.raises(ModelError, match=r"0\.0600 nats per token \(allowed are 0\.0500"):
        compare(reading(-1.0), reading(-1.06), reading(-3.0), "x")
    with pytest.raises(ModelError, match=r"allowed are 0\.0040"):
        compare(reading(-1.0), reading(-1.01), reading(-1.02), "x")


def test_the_process_says_in_one_line_why_it_refuses(tuned: Tuned, tmp_path: Path) -> None:
    spec = tuned("llama")
    damaged = Path(shutil.copytree(spec.adapter, tmp_path / "adapter")) / "adapter_model.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:100])
    save_spec(tmp_path / "spec.json", replace(spec, adapter=damaged.parent, output=tmp_path / "out"))

    done = subprocess.run(
        [sys.executable, "-m", "understudy.export", str(tmp_path / "spec.json")],
        capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 1
    (event,) = map(json.loads, done.stdout.splitlines())
    assert event["event"] == "failed"
    assert "adapter" in event["message"]
    assert "Traceback" not in done.stderr
