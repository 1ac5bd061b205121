"""GGUF names: what llama.cpp calls the tensors, numbers and tokenizers that it shares with transformers.

Source: ``convert_hf_to_gguf.py`` and ``llama-vocab.cpp`` of llama.cpp, as of 2026-11.
"""

from typing import Any

__all__ = ["ARCHITECTURES", "PRE_TOKENIZERS", "tensor_name"]

# Model types whose tensors, once renamed, are read as they are (Llama's q and k once interleaved).
ARCHITECTURES = {"llama": "llama", "qwen2": "qwen2", "qwen3": "qwen3"}

_OUTER = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}
_INNER = {
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}

_BYTES = {"type": "ByteLevel", "use_regex": True}
_PLAIN_BYTES = {"type": "ByteLevel", "use_regex": False}
_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
# How a text is cut before the merges: llama.cpp's name, and the pre-tokenizers of tokenizer.json in order.
PRE_TOKENIZERS: dict[str, list[dict[str, Any]]] = {
    "gpt-2": [_BYTES],
    "smollm": [{"type": "Digits", "individual_digits": True}, _BYTES],
    "qwen2": [{"type": "Split", "pattern": {"Regex": _WORDS % ""}, "behavior": "Isolated"}, _PLAIN_BYTES],
    "llama-bpe": [
        {"type": "Split", "pattern": {"Regex": _WORDS % "{1,3}"}, "behavior": "Isolated"},
        _PLAIN_BYTES,
    ],
}


def tensor_name(name: str) -> str | None:
    """``model.layers.3.mlp.up_proj.weight`` as ``blk.3.ffn_up.weight``; ``None`` where there is no such."""
    if name in _OUTER:
        return _OUTER[name]
    parts = name.split(".")
    if parts[:2] != ["model", "layers"] or len(parts) < 5:
        return None
    inner = _INNER.get(".".join(parts[3:-1]))
    return f"blk.{parts[2]}.{inner}.{parts[-1]}" if inner else None
