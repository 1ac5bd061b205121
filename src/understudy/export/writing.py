"""Writing: each format beside its place, loaded again, compared, and only then put there."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.atomic import write_json
from understudy.export.adapter import load_adapter, write_adapter
from understudy.export.card import model_card
from understudy.export.comparison import Comparison, compare
from understudy.export.gguf_file import load_gguf, refuse_unverifiable, write_gguf
from understudy.export.int8_model import accept_int8, read_int8, refuse_unlike, write_int8
from understudy.export.llama_cpp_check import is_installed, read_with_llama_cpp
from understudy.export.merged import merge, stored_dtype, write_merged
from understudy.export.modelfile import find_turn_texts, modelfile
from understudy.export.reading import Reading, read_probes
from understudy.export.spec import ExportSpec
from understudy.inference.base import Placement, check_base, context_limit, load_base

if TYPE_CHECKING:
    from understudy.inference.channel import Channel
    from understudy.rendering import Renderer

__all__ = ["export"]


@dataclass
class _Work:
    """What all formats share. ``tuned`` is the base with the adapter on; fp32 on the CPU."""

    spec: ExportSpec
    renderer: "Renderer"
    tuned: Any
    merged: Any
    trained: Reading
    base: Reading

    def read(self, model: Any) -> Reading:
        return read_probes(model, self.renderer, self.spec.probes)


def export(spec: ExportSpec, channel: "Channel") -> None:
    """Write every format of a spec, and ``export.json`` last.

    A format is built as ``.<format>.partial`` and takes its place once what was written was loaded
    again and compared; an earlier export stays until then.

    Raises:
        ModelError: A format cannot be written so that it can be verified, or differs from the
            trained model. Formats that were finished before it are kept.
    """
    work = _prepare(spec)
    if "gguf" in spec.formats:
        refuse_unverifiable(spec.base, work.merged.config, spec.gguf_type)
    if "ctranslate2" in spec.formats:
        refuse_unlike(spec.base, work.merged)
    writers: dict[str, Callable[[_Work, Path], tuple[Comparison, list[str]]]] = {
        "adapter": _adapter,
        "merged": _merged,
        "gguf": _gguf,
        "ctranslate2": _ctranslate2,
    }
    found = {}
    for name in spec.formats:
        beside, place = spec.output / f".{name}.partial", spec.output / name
        shutil.rmtree(beside, ignore_errors=True)
        try:
            comparison, notes = writers[name](work, beside)
            (beside / "README.md").write_text(model_card(spec, name, comparison, notes), encoding="utf-8")
            shutil.rmtree(place, ignore_errors=True)
            beside.rename(place)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        found[name] = {"path": str(place), "notes": notes, **comparison.as_dict()}
        channel.send(event="exported", format=name, **found[name])
    report = {"schema": "understudy.export/1", "model": spec.model, "base_model": spec.base_model}
    write_json(spec.output / "export.json", {**report, "formats": found})
    channel.send(event="done", path=str(spec.output))


def _prepare(spec: ExportSpec) -> _Work:
    import torch

    from understudy.rendering import Renderer

    files = check_base(spec.base)
    renderer = Renderer.load(spec.base)
    placement = Placement(torch.device("cpu"), torch.float32)
    model = load_base(files, placement)
    base = read_probes(model, renderer, spec.probes)
    tuned = load_adapter(model, spec.adapter)
    trained = read_probes(tuned, renderer, spec.probes)
    work = _Work(spec, renderer, tuned, None, trained, base)
    if set(spec.formats) - {"adapter"}:
        work.merged = merge(tuned)
    return work


def _adapter(work: _Work, folder: Path) -> tuple[Comparison, list[str]]:
    write_adapter(work.spec, folder)
    again = load_adapter(_base_again(work.spec.base), folder)
    notes = ["`serve-with-vllm.sh` was written, not run: vLLM is not part of this program."]
    if work.spec.base_model.startswith("understudy/"):
        notes.append(f"The base `{work.spec.base_model}` is installed with understudy; no model hub has it.")
    return compare(work.trained, work.read(again), work.base, "adapter"), notes


def _base_again(directory: Path) -> Any:
    import torch

    return load_base(check_base(directory), Placement(torch.device("cpu"), torch.float32))


def _merged(work: _Work, folder: Path) -> tuple[Comparison, list[str]]:
    from understudy.rendering import Renderer

    dtype = stored_dtype(work.spec.base)
    write_merged(work.spec, work.merged, work.renderer, dtype, folder)
    again = _base_again(folder)
    # Its own tokenizer and template are read as well: they must ask and cut alike.
    reading = read_probes(again, Renderer.load(folder), work.spec.probes)
    return compare(work.trained, reading, work.base, "merged"), [
        f"Weights are stored as {dtype or 'float32'}."
    ]


def _gguf(work: _Work, folder: Path) -> tuple[Comparison, list[str]]:
    spec = work.spec
    folder.mkdir(parents=True)
    path = folder / f"{spec.slug}-{spec.gguf_type}.gguf"
    write_gguf(spec, work.merged, work.renderer, path)
    texts = find_turn_texts(work.renderer)
    context = min(context_limit(work.merged.config), 8192)
    (folder / "Modelfile").write_text(
        modelfile(spec, work.renderer, texts, path.name, context), encoding="utf-8"
    )
    comparison = compare(work.trained, work.read(load_gguf(path, work.merged.config)), work.base, "gguf")
    if not is_installed():
        return comparison, [
            "The file was read back by transformers. llama.cpp was not here to read it: install "
            "llama-cpp-python and export again to have it asked as well."
        ]
    by_llama_cpp = read_with_llama_cpp(path, work.renderer, spec.probes)
    found = compare(work.trained, by_llama_cpp, work.base, "gguf, read by llama.cpp")
    return found, ["Checked twice: read back by transformers, and by llama.cpp, whose figures stand above."]


def _ctranslate2(work: _Work, folder: Path) -> tuple[Comparison, list[str]]:
    write_int8(work.spec, work.merged, work.renderer, folder)
    found = compare(work.trained, read_int8(folder, work.spec.probes), work.base, "ctranslate2")
    accept_int8(work.spec, work.merged, found, folder)
    return found, [
        "Matrices are stored and multiplied in eight bits; the figures above are CTranslate2's own.",
        "`parity.json` says that the comparison was passed; without it `understudy serve --int8` refuses.",
    ]
