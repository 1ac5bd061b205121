"""Int8 model: a merged model with matrices of eight bits, as CTranslate2 reads it.

Written from the merged weights in fp32, so that they are rounded once. Only architectures that
CTranslate2 was seen to compute as transformers does are written; the comparison decides about
each model all the same.
"""

import copy
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import MissingExtraError, ModelError
from understudy.export.adapter import WEIGHTS, copy_tokenizer
from understudy.export.comparison import Comparison
from understudy.export.gguf_file import rotary
from understudy.export.merged import generation_settings
from understudy.export.reading import REPLY_TOKENS, Reading
from understudy.export.spec import ExportSpec
from understudy.inference.base import context_limit
from understudy.inference.sealed import seal
from understudy.inference.shared_attention import has_windows
from understudy.int8.parity import SERVED_FILES, Parity, write_parity

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["accept_int8", "read_int8", "refuse_unlike", "write_int8"]

ARCHITECTURES = ("llama", "mistral", "qwen2", "qwen3", "gemma")
OWN_HEAD_SIZE = ("qwen3", "gemma")  # whose heads may be wider than hidden size over heads
TOKEN_NAMES = ("bos_token", "eos_token", "unk_token")


def _library() -> Any:
    try:
        import ctranslate2
    except ImportError:
        raise MissingExtraError(
            "Int8 models need the package 'ctranslate2'. Install it: pip install 'understudy[int8]'"
        ) from None
    return ctranslate2


def refuse_unlike(base: Path, model: Any) -> None:
    """Say why CTranslate2 would not compute this model as it was trained, before anything is written.

    Raises:
        ModelError: All reasons at once.
        MissingExtraError: The package is not installed.
    """
    _library()
    config = model.config
    reasons = []
    if config.model_type not in ARCHITECTURES:
        reasons.append(f"the architecture {config.model_type!r} is none of {', '.join(ARCHITECTURES)}")
    if has_windows(model):
        reasons.append("its attention slides over a window")
    if rotary(config)[1] not in (None, "default"):
        reasons.append(f"its positions are scaled ({rotary(config)[1]})")
    head = getattr(config, "head_dim", None)
    usual = config.hidden_size // config.num_attention_heads
    if head not in (None, usual) and config.model_type not in OWN_HEAD_SIZE:
        reasons.append(f"its heads have {head} numbers instead of {usual}")
    if reasons:
        raise ModelError(
            f"{base.name}: CTranslate2 would not compute it as it was trained: {'; '.join(reasons)}. "
            "Export it as merged or GGUF."
        )


def write_int8(spec: ExportSpec, merged: Any, renderer: "Renderer", folder: Path) -> None:
    """CTranslate2's three files, tokenizer, chat template and generation settings.

    Raises:
        ModelError: CTranslate2 cannot convert it.
    """
    from ctranslate2.converters import TransformersConverter

    names = _Names(renderer, merged.get_input_embeddings().weight.shape[0], spec.base)

    class Converter(TransformersConverter):
        """Takes the model from memory, and the tokens' names from the file that training read."""

        def load_model(self, model_class: Any, model_name_or_path: str, **kwargs: Any) -> Any:
            return copy.deepcopy(merged)  # it is taken apart

        def load_tokenizer(self, tokenizer_class: Any, model_name_or_path: str, **kwargs: Any) -> Any:
            return names

    try:
        Converter(str(spec.base)).convert(str(folder), quantization="int8")
    except (ValueError, RuntimeError, NotImplementedError, AttributeError, KeyError, TypeError) as error:
        first = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise ModelError(f"{spec.base.name}: CTranslate2 cannot convert it ({first}).") from error
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config |= {name: config.get(name) or "" for name in TOKEN_NAMES}  # it writes null, and reads texts
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    copy_tokenizer(spec.base, folder)
    generation_settings(merged, spec, renderer).save_pretrained(str(folder))


class _Names:
    """The tokens' names by id, in the shape in which the converter asks a tokenizer."""

    bos_token = unk_token = ""

    def __init__(self, renderer: "Renderer", rows: int, base: Path) -> None:
        definition = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
        vocabulary = definition["model"]["vocab"]
        if isinstance(vocabulary, list):  # pairs of text and score, in order
            texts = {number: row[0] for number, row in enumerate(vocabulary)}
        else:
            texts = {number: text for text, number in vocabulary.items()}
        texts |= {token.id: token.content for token in renderer.tokenizer.added}
        self._ids = {texts.get(number, f"<unused_{number}>"): number for number in range(rows)}
        self.eos_token = texts[min(renderer.stop_ids)]

    def get_vocab(self) -> dict[str, int]:
        """Ids by name."""
        return self._ids


def read_int8(folder: Path, probes: Sequence[Sequence[dict[str, Any]]]) -> Reading:
    """The probes' reading by CTranslate2 in int8, with the tokenizer and template of the folder.

    Raises:
        ModelError: CTranslate2 cannot read what was written.
    """
    import numpy as np

    from understudy.rendering import Renderer

    try:
        generator = _library().Generator(
            str(folder), device="cpu", compute_type="int8", intra_threads=1, inter_threads=1
        )
    except (RuntimeError, ValueError) as error:
        raise ModelError(f"{folder.name}: CTranslate2 cannot read what was written ({error}).") from error
    renderer = Renderer.load(folder)
    names = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
    logprobs, replies = [], []
    for messages in probes:
        *before, last = messages
        example = renderer.examples([*before, {**last, "weight": 1}])[-1]
        turn = example.turns[-1]
        found = np.array(generator.forward_batch([example.ids], return_log_probs=True))[0]
        rows = np.arange(turn.first - 1, turn.end - 1)
        logprobs.append(float(found[rows, example.ids[turn.first : turn.end]].astype(np.float64).mean()))
        prompt = [names[number] for number in renderer.prompt(before).ids]
        (reply,) = generator.generate_batch(
            [prompt], max_length=REPLY_TOKENS, sampling_topk=1, include_prompt_in_result=False,
            end_token=sorted(renderer.stop_ids), return_end_token=True,
        )  # fmt: skip
        replies.append(list(reply.sequences_ids[0]))
    return Reading(logprobs, replies)


def accept_int8(spec: ExportSpec, merged: Any, comparison: Comparison, folder: Path) -> None:
    """Leave the record that lets the server speak with it, and seal what is served."""
    config = merged.config
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    parity = Parity(
        model=spec.model,
        base_model=spec.base_model,
        adapter_sha256=hashlib.sha256((spec.adapter / WEIGHTS).read_bytes()).hexdigest(),
        converter=_library().__version__,
        context_tokens=context_limit(config),
        cache_bytes_per_token=int(2 * 4 * config.num_hidden_layers * heads * size),
        comparison=comparison.as_dict(),
    )
    write_parity(folder, parity)
    extra = ("generation_config.json", "tokenizer_config.json", "chat_template.jinja", "chat_template.json")
    seal(folder, [name for name in (*SERVED_FILES, *extra) if (folder / name).is_file()])
