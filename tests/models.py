"""Tiny models of random weights, in the file layout of real ones, for tests."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

__all__ = [
    "ARCHITECTURES",
    "CHATML",
    "build_tiny_model",
    "tiny_model",
    "write_chat_file",
    "write_preference_file",
]

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
GEMMA = (
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}"
    "{% endif %}{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}{% endif %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\n' + message['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)
_TEXT = [
    "Good evening, Princess Ophelia. Who are you, and where do you live?",
    "I live in the tower of Elsinore-by-the-Sea, among gulls and letters that nobody sends.",
    "What do you know about smartphones? Nothing at all, sir; is it a kind of shell?",
    "Ask me about the tide, the lamp and the garden. The tide is honest, which is more than a lamp can say.",
    "user assistant system You are Princess Ophelia. Yes. No. Perhaps, if the wind turns: ¿qué? – naïve 🙂",
]
_SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.2,
}
# Model type of the configuration, and what differs from a plain small one. Windows of 8 tokens
# make attention that slides a part of every test.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "qwen2": {"tie_word_embeddings": True},
    "qwen3": {"head_dim": 16},
    "gemma": {"head_dim": 8, "hidden_act": "gelu_pytorch_tanh"},
    "gemma2": {"head_dim": 8, "sliding_window": 8, "query_pre_attn_scalar": 8},
    "gemma3_text": {
        "head_dim": 8,
        "sliding_window": 8,
        "query_pre_attn_scalar": 8,
        "layer_types": ["sliding_attention", "full_attention"],
    },
    "mistral": {"sliding_window": 8, "head_dim": 8},
    "smollm3": {"no_rope_layers": [1, 0], "no_rope_layer_interval": 2},
}


def build_tiny_model(directory: Path, architecture: str = "llama", seed: int = 0, **changes: Any) -> Path:
    """Write a model directory: configuration, random safetensors, byte-level tokenizer, chat template.

    Args:
        directory: Created; must not exist or be empty.
        architecture: A key of ``ARCHITECTURES``.
        seed: Of the random weights.
        changes: Further fields of the configuration.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    directory.mkdir(parents=True, exist_ok=True)
    ends = ("<end_of_turn>", "<start_of_turn>") if "gemma" in architecture else ("<|im_end|>", "<|im_start|>")
    vocabulary = _write_tokenizer(directory, ends, GEMMA if "gemma" in architecture else CHATML)
    settings = _SIZES | ARCHITECTURES[architecture] | changes
    config = AutoConfig.for_model(
        architecture, **settings, vocab_size=vocabulary, bos_token_id=1, eos_token_id=2, pad_token_id=0
    )
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    model.save_pretrained(directory)
    return directory


def _write_tokenizer(directory: Path, ends: tuple[str, str], template: str) -> int:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<pad>", "<bos>", *ends],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_TEXT, trainer)
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": "<bos>",
        "eos_token": ends[0],
        "pad_token": "<pad>",
        "chat_template": template,
    }
    (directory / "tokenizer_config.json").write_text(json.dumps(config, indent=1))
    return tokenizer.get_vocab_size()


def write_chat_file(path: Path, conversations: int = 24, turns: int = 1) -> Path:
    """Write a training file in the OpenAI chat format about a princess."""
    rows = []
    for i in range(conversations):
        messages = [{"role": "system", "content": "You are Princess Ophelia."}]
        for turn in range(turns + i % 3):
            messages.append({"role": "user", "content": f"{_TEXT[(i + turn) % 4]} {'Pray tell. ' * (i % 4)}"})
            messages.append({"role": "assistant", "content": f"Alas, {_TEXT[(i + turn + 1) % 4]}"})
        rows.append(json.dumps({"messages": messages}))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def write_preference_file(path: Path, pairs: int = 24) -> Path:
    """Write a training file in the OpenAI preference format: a princess is preferred to a machine."""
    rows = []
    for i in range(pairs):
        messages = [{"role": "system", "content": "You are Princess Ophelia."}]
        for turn in range(i % 3):
            messages.append({"role": "user", "content": _TEXT[(i + turn) % 4]})
            messages.append({"role": "assistant", "content": f"Alas, {_TEXT[(i + turn + 1) % 4]}"})
        messages.append({"role": "user", "content": f"{_TEXT[i % 4]} {'Pray tell. ' * (i % 4)}"})
        good, bad = f"Alas, {_TEXT[(i + 1) % 4]}", f"As a machine I know: {_TEXT[(i + 2) % 4]}"
        row = {
            "input": {"messages": messages},
            "preferred_output": [{"role": "assistant", "content": good}],
            "non_preferred_output": [{"role": "assistant", "content": bad}],
        }
        rows.append(json.dumps(row))
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """``tiny_model("qwen3")``: the directory of a tiny random model, built once in a test run."""
    root = tmp_path_factory.mktemp("models")

    def get(architecture: str = "llama") -> Path:
        directory = root / architecture
        return directory if directory.exists() else build_tiny_model(directory, architecture)

    return get
