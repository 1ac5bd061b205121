"""Int8: what CTranslate2 reads says what was trained, and what does not is neither kept nor served."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from models import build_tiny_model

from understudy.errors import ModelError
from understudy.export.int8_model import read_int8, refuse_unlike
from understudy.export.spec import ExportSpec
from understudy.inference.base import check_base, choose_placement, load_base
from understudy.inference.sealed import check_sealed
from understudy.int8.parity import read_parity

from .conftest import export_now

pytest.importorskip("ctranslate2", reason="the extra 'int8' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
Tuned = Callable[..., ExportSpec]


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3", "gemma"])
def test_ctranslate2_says_what_was_trained(architecture: str, tuned: Tuned) -> None:
    spec = tuned(architecture, formats=("ctranslate2",))

    exported, done = export_now(spec)

    assert done["event"] == "done"
    assert exported["effect"] > 0.05
    assert 0 < exported["difference"] <= exported["allowed"]
    assert exported["same_replies"] >= 1  # random weights: many words nearly tie
    folder = spec.output / "ctranslate2"
    parity = read_parity(folder)
    check_sealed(folder)
    assert (parity.model, parity.context_tokens) == (spec.model, 256)
    assert parity.comparison == {key: exported[key] for key in parity.comparison}
    assert "greedy replies equal" in parity.summary()
    assert "understudy serve --int8" in (folder / "README.md").read_text()


def test_matrices_are_eight_bits(tuned: Tuned) -> None:
    spec = tuned("llama", formats=("merged", "ctranslate2"))
    export_now(spec)
    weights = (spec.output / "merged" / "model.safetensors").stat().st_size
    assert (spec.output / "ctranslate2" / "model.bin").stat().st_size < 0.45 * weights


def test_a_damaged_model_is_not_kept(tuned: Tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    """One matrix of the copy is wrong, as by a faulty conversion."""
    from understudy.export import writing

    spec = tuned("llama", formats=("ctranslate2",))
    export_now(spec)
    earlier = (spec.output / "ctranslate2" / "model.bin").read_bytes()
    write = writing.write_int8

    def damage(spec: ExportSpec, merged: Any, renderer: Any, folder: Path) -> None:
        with torch.no_grad():
            merged.model.layers[1].mlp.down_proj.weight.mul_(-1.0)
        write(spec, merged, renderer, folder)

    monkeypatch.setattr(writing, "write_int8", damage)
    with pytest.raises(ModelError, match="ctranslate2: what was written differs from the trained model by"):
        export_now(spec)
    assert (spec.output / "ctranslate2" / "model.bin").read_bytes() == earlier
    monkeypatch.setattr(writing, "merge", lambda tuned: tuned.unload())
    monkeypatch.setattr(writing, "write_int8", write)
    with pytest.raises(ModelError, match="as if the adapter were off"):
        export_now(spec)


@pytest.mark.parametrize(
    ("architecture", "changes", "words"),
    [
        ("gemma2", {}, "the architecture 'gemma2' is none of llama"),
        ("mistral", {}, "slides over a window"),
        ("llama", {"head_dim": 16}, "its heads have 16 numbers instead of 8"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
            "its positions are scaled (linear)",
        ),
    ],
)
def test_what_ctranslate2_computes_otherwise_is_refused(
    architecture: str, changes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    base = build_tiny_model(tmp_path / "base", architecture, **changes)
    files = check_base(base)
    with pytest.raises(ModelError) as caught:
        refuse_unlike(base, load_base(files, choose_placement(files.parameters)))
    assert words in str(caught.value)


def test_a_folder_without_a_passed_comparison_is_refused(tuned: Tuned) -> None:
    spec = tuned("llama", formats=("ctranslate2",))
    export_now(spec)
    folder = spec.output / "ctranslate2"
    record = json.loads((folder / "parity.json").read_text())

    (folder / "parity.json").write_text(json.dumps(record | {"accepted": False}))
    with pytest.raises(ModelError, match="the comparison was not passed"):
        read_parity(folder)
    (folder / "parity.json").write_text("{}")
    with pytest.raises(ModelError, match="is not the record of a comparison"):
        read_parity(folder)
    (folder / "parity.json").unlink()
    with pytest.raises(ModelError, match="never shown to say what the trained model says"):
        read_parity(folder)


def test_a_file_that_is_no_model_is_said_to_be_none(tuned: Tuned) -> None:
    spec = tuned("llama", formats=("ctranslate2",))
    export_now(spec)
    folder = spec.output / "ctranslate2"
    (folder / "model.bin").write_bytes(b"nothing")
    with pytest.raises(ModelError, match="cannot read what was written"):
        read_int8(folder, spec.probes)
    with pytest.raises(ModelError, match="has changed since it was written"):
        check_sealed(folder)


def test_without_the_package_the_extra_is_named(tuned: Tuned, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    from understudy.errors import MissingExtraError

    monkeypatch.setitem(sys.modules, "ctranslate2", None)
    with pytest.raises(MissingExtraError, match=r"understudy\[int8\]"):
        export_now(replace(tuned("llama"), formats=("ctranslate2",)))
