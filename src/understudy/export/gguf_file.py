"""GGUF file: a merged model in the one file that llama.cpp and Ollama read.

Only what can be verified is written: architectures whose file transformers reads back, and
tokenizers that llama.cpp cuts by the same rules. Everything else is refused with the reason.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import MissingExtraError, ModelError
from understudy.export.gguf_names import ARCHITECTURES, PRE_TOKENIZERS, tensor_name
from understudy.export.spec import ExportSpec

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["load_gguf", "refuse_unverifiable", "rotary", "write_gguf"]

_NORMAL, _CONTROL, _USER_DEFINED, _UNUSED = 1, 3, 4, 5  # llama.cpp's token types


def _library() -> Any:
    try:
        import gguf
    except ImportError:
        raise MissingExtraError(
            "GGUF files need the package 'gguf'. Install it: pip install 'understudy[gguf]'"
        ) from None
    return gguf


def refuse_unverifiable(base: Path, config: Any, gguf_type: str) -> None:
    """Say why this model cannot be written as GGUF, before anything is.

    Raises:
        ModelError: All reasons at once.
        MissingExtraError: The package is not installed.
    """
    _library()
    reasons = []
    kind = config.model_type
    if kind not in ARCHITECTURES:
        reasons.append(f"the architecture {kind!r} is none of {', '.join(ARCHITECTURES)}")
    if kind == "llama" and (config.attention_bias or getattr(config, "mlp_bias", False)):
        reasons.append("its layers have biases, which Llama files do not hold")
    if getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True):
        reasons.append("its attention slides over a window")
    if rotary(config)[1] not in (None, "default"):
        reasons.append(f"its positions are scaled ({rotary(config)[1]})")
    widths = (config.hidden_size, config.intermediate_size)
    if gguf_type == "q8_0" and any(width % 32 for width in widths):
        reasons.append(f"q8_0 needs widths that 32 divides, and these are {' and '.join(map(str, widths))}")
    definition = json.loads((base / "tokenizer.json").read_text(encoding="utf-8"))
    reasons += _tokenizer_reasons(definition)
    if reasons:
        raise ModelError(
            f"{base.name}: cannot be written as GGUF so that it would surely be the same model: "
            f"{'; '.join(reasons)}. Export it as merged and convert it with llama.cpp's own script."
        )


def _tokenizer_reasons(definition: dict[str, Any]) -> list[str]:
    reasons = []
    if definition["model"].get("type") != "BPE" or definition["model"].get("byte_fallback"):
        reasons.append("its tokenizer is not a byte-level BPE")
    elif _pre_tokenizer(definition) is None:
        reasons.append("its tokenizer cuts words in a way that llama.cpp has no name for")
    if (definition.get("normalizer") or {}).get("type") not in (None, "NFC"):
        reasons.append("its tokenizer rewrites the text first")
    return reasons


def _pre_tokenizer(definition: dict[str, Any]) -> str | None:
    """llama.cpp's name of how the tokenizer cuts a text, or ``None``."""
    found = definition.get("pre_tokenizer") or {}
    steps = found.get("pretokenizers", [found]) if found.get("type") == "Sequence" else [found]
    if any(step.get("add_prefix_space") for step in steps):
        return None
    for name, wanted in PRE_TOKENIZERS.items():
        pairs = zip(steps, wanted, strict=False)
        alike = all(step.get(key) == value for step, want in pairs for key, value in want.items())
        if alike and len(steps) == len(wanted):
            return name
    return None


def rotary(config: Any) -> tuple[float, str | None]:
    """Base of the rotary positions, and how they are scaled."""
    found = getattr(config, "rope_parameters", None) or getattr(config, "rope_scaling", None) or {}
    theta = found.get("rope_theta") or getattr(config, "rope_theta", None) or 10000.0
    return float(theta), found.get("rope_type") or found.get("type")


def write_gguf(spec: ExportSpec, merged: Any, renderer: "Renderer", path: Path) -> None:
    """Write a model that ``refuse_unverifiable`` let through."""
    gguf = _library()
    config = merged.config
    writer = gguf.GGUFWriter(path, ARCHITECTURES[config.model_type])
    _add_numbers(writer, spec, config)
    _add_tokenizer(writer, spec, renderer, merged.get_input_embeddings().weight.shape[0])
    quantized = getattr(gguf.GGMLQuantizationType, spec.gguf_type.upper())
    for name, tensor in merged.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        target = tensor_name(name)
        if target is None:
            raise ModelError(f"{name}: has no name in a GGUF file of this architecture.")
        data = tensor.detach().float().cpu().numpy()
        if config.model_type == "llama" and target.endswith(("attn_q.weight", "attn_k.weight")):
            data = _interleave(data, config, target)
        if data.ndim == 1:
            writer.add_tensor(target, data)
        else:
            writer.add_tensor(target, gguf.quants.quantize(data, quantized), raw_dtype=quantized)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _interleave(data: Any, config: Any, target: str) -> Any:
    """Rotary pairs side by side, as llama.cpp turns them in Llama models; transformers has halves."""
    heads = config.num_attention_heads if "attn_q" in target else config.num_key_value_heads
    rows, columns = data.shape
    return data.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def _add_numbers(writer: Any, spec: ExportSpec, config: Any) -> None:
    import gguf

    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    writer.add_name(spec.slug)
    writer.add_description(f"{spec.model}, tuned from {spec.base_model}")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(rotary(config)[0])
    writer.add_rope_dimension_count(head)
    writer.add_key_length(head)
    writer.add_value_length(head)
    writer.add_vocab_size(config.vocab_size)
    kinds = {"f32": "ALL_F32", "f16": "MOSTLY_F16", "q8_0": "MOSTLY_Q8_0"}
    writer.add_file_type(getattr(gguf.LlamaFileType, kinds[spec.gguf_type]))
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)


def _add_tokenizer(writer: Any, spec: ExportSpec, renderer: "Renderer", rows: int) -> None:
    """Tokens by id, merges in order, and no token before the text that the template does not write."""
    definition = json.loads((spec.base / "tokenizer.json").read_text(encoding="utf-8"))
    texts = {number: text for text, number in definition["model"]["vocab"].items()}
    kinds = dict.fromkeys(texts, _NORMAL)
    for token in renderer.tokenizer.added:
        texts[token.id] = token.content
        kinds[token.id] = _CONTROL if token.special else _USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_pre_tokenizer(definition))
    writer.add_token_list([texts.get(number, f"[PAD{number}]") for number in range(rows)])
    writer.add_token_types([kinds.get(number, _UNUSED) for number in range(rows)])
    merges = definition["model"]["merges"]
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in merges])
    end = renderer.tokenizer.token_id(renderer.reply_end.strip())
    stops = sorted(renderer.stop_ids)
    writer.add_eos_token_id(end if end is not None else stops[0])
    others = [stop for stop in stops if stop != end]
    if others:
        writer.add_eot_token_id(others[0])
    writer.add_add_bos_token(False)
    writer.add_chat_template(renderer.template.source)


def load_gguf(path: Path, config: Any) -> Any:
    """The model of a GGUF file, read by transformers, which did not write it.

    The numbers of the file must be those of the configuration; its weights are then put into a
    model of that configuration.

    Raises:
        ModelError: A number differs.
    """
    import copy

    import torch
    from transformers import AutoModelForCausalLM
    from transformers.modeling_gguf_pytorch_utils import load_gguf_checkpoint

    found = load_gguf_checkpoint(str(path))["config"]
    wanted = {
        "num_hidden_layers": config.num_hidden_layers,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_attention_heads": config.num_attention_heads,
        "num_key_value_heads": config.num_key_value_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "vocab_size": config.vocab_size,
        "rms_norm_eps": config.rms_norm_eps,
        "rope_theta": rotary(config)[0],
        "tie_word_embeddings": config.tie_word_embeddings,
    }
    for key, value in wanted.items():
        if abs(float(found.get(key, -1)) - float(value)) > 1e-6 * abs(float(value)):
            raise ModelError(f"{path.name}: holds {key} {found.get(key)}, and the model has {value}.")
    return AutoModelForCausalLM.from_pretrained(
        str(path.parent), gguf_file=path.name, config=copy.deepcopy(config), dtype=torch.float32
    ).eval()
