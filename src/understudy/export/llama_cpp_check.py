"""llama.cpp check: what llama.cpp itself makes of a GGUF file, where its Python package is installed."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from understudy.errors import ModelError
from understudy.export.reading import REPLY_TOKENS, Reading

if TYPE_CHECKING:
    from understudy.rendering import Renderer

__all__ = ["is_installed", "read_with_llama_cpp"]


def is_installed() -> bool:
    """Whether ``llama-cpp-python`` is here."""
    from importlib.util import find_spec

    return find_spec("llama_cpp") is not None


def read_with_llama_cpp(
    path: Path, renderer: "Renderer", probes: Sequence[Sequence[dict[str, Any]]]
) -> Reading:
    """The probes' reading by llama.cpp, from text to log-probabilities.

    Raises:
        ModelError: It cuts a text into other tokens than the model was trained on.
    """
    import numpy as np
    from llama_cpp import Llama

    model = Llama(str(path), n_ctx=0, logits_all=True, verbose=False, n_threads=1, n_gpu_layers=0)
    logprobs, replies = [], []
    for messages in probes:
        *before, last = messages
        example = renderer.examples([*before, {**last, "weight": 1}])[-1]
        ids = model.tokenize(example.text.encode(), add_bos=False, special=True)
        if ids != example.ids:
            raise ModelError(f"{path.name}: llama.cpp cuts {example.text[:60]!r} … into other tokens.")
        turn = example.turns[-1]
        model.reset()
        model.eval(ids)
        logits = np.asarray(model.scores[turn.first - 1 : turn.end - 1], dtype=np.float64)
        top = logits.max(-1, keepdims=True)
        normal = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
        logprobs.append(float(normal[range(turn.end - turn.first), ids[turn.first : turn.end]].mean()))
        replies.append(_greedy(model, renderer, before))
    model.close()
    return Reading(logprobs, replies)


def _greedy(model: Any, renderer: "Renderer", messages: Sequence[dict[str, Any]]) -> list[int]:
    prompt = renderer.prompt(messages)
    model.reset()
    model.eval(model.tokenize(prompt.text.encode(), add_bos=False, special=True))
    reply: list[int] = []
    while len(reply) < REPLY_TOKENS:
        reply.append(int(model.scores[model.n_tokens - 1].argmax()))
        if reply[-1] in renderer.stop_ids:
            break
        model.eval(reply[-1:])
    return reply
