"""Chat templates of the common model families, and small tokenizers to go with them.

Each template follows the published behaviour of its family (what it refuses, adds, trims and
strips), shortened to the parts without tools.
"""

import json
from pathlib import Path
from typing import NamedTuple

import pytest
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from understudy.rendering import Renderer

CORPUS = [
    "Good morrow! The tower sees far over the sea, and I keep a lantern for every ship.",
    "Hello there. How are you today? I am well, thank you kindly.",
    "user assistant system model\n",
    "Tell me about the sea, Princess.",
    "You are a helpful assistant.",
    "The leaves fall. Would you care for a cup of jasmine tea, nephew?",
] * 4

TEMPLATES = Path(__file__).parent / "templates"


class Family(NamedTuple):
    """The kind of tokenizer and the special tokens that the models of a family have."""

    kind: str
    special: tuple[str, ...]
    bos: str
    eos: str
    plain_added: tuple[str, ...] = ()


IM = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
FAMILIES = {
    "chatml": Family("bytes", IM, "", "<|im_end|>"),
    "qwen2.5": Family("bytes", IM, "", "<|im_end|>"),
    "qwen3": Family("bytes", IM, "", "<|im_end|>", ("<think>", "</think>")),
    "gemma": Family("pieces", ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"), "<bos>", "<eos>"),
    "llama2": Family("prefixed", ("<s>", "</s>"), "<s>", "</s>"),
    "llama3": Family(
        "bytes",
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|end_of_text|>"),
        "<|begin_of_text|>",
        "<|eot_id|>",
    ),
    "mistral": Family("metaspace", ("<s>", "</s>", "[INST]", "[/INST]"), "<s>", "</s>"),
    "smollm2": Family("bytes", IM, "<|im_start|>", "<|im_end|>"),
    "smollm3": Family("bytes", IM, "", "<|im_end|>", ("<think>", "</think>")),
    "phi3": Family(
        "prefixed", ("<s>", "</s>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"), "<s>", "</s>"
    ),
    "deepseek-r1": Family(
        "bytes",
        ("<|begin|>", "<|end|>", "<|User|>", "<|Assistant|>"),
        "<|begin|>",
        "<|end|>",
        ("<think>", "</think>"),
    ),
    "channels": Family(
        "bytes",
        ("<|start|>", "<|message|>", "<|channel|>", "<|end|>", "<|return|>", "<|endoftext|>"),
        "",
        "<|return|>",
    ),
    "plain": Family("bytes", ("<|endoftext|>",), "", "<|endoftext|>"),
    "none": Family("prefixed", ("<s>", "</s>"), "<s>", "</s>"),
}


def _byte_level(family: Family) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=list(family.special),
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def _sentence_pieces(family: Family) -> Tokenizer:
    fallback = [f"<0x{byte:02X}>" for byte in range(256)]
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True))
    replace = normalizers.Replace(" ", "▁")
    tokenizer.normalizer = {
        "pieces": replace,
        "metaspace": None,
        "prefixed": normalizers.Sequence([normalizers.Prepend("▁"), replace]),
    }[family.kind]
    if family.kind == "metaspace":
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    trainer = trainers.BpeTrainer(
        vocab_size=700, special_tokens=[*family.special, *fallback], show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    definition = json.loads(tokenizer.to_str())
    definition["added_tokens"] = [t for t in definition["added_tokens"] if not t["content"].startswith("<0x")]
    for token in definition["added_tokens"]:
        token["rstrip"] = token["content"].startswith("<|")  # as Phi-3 declares them
    return Tokenizer.from_str(json.dumps(definition))


def write_model_directory(directory: Path, name: str, *, as_jinja: bool = True) -> Path:
    """Tokenizer, its configuration and the template of one family, as a model directory holds them."""
    family = FAMILIES[name]
    directory.mkdir(parents=True, exist_ok=True)
    tokenizer = _byte_level(family) if family.kind == "bytes" else _sentence_pieces(family)
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=False) for text in family.plain_added])
    if family.bos and family.kind != "bytes":
        bos_id = tokenizer.token_to_id(family.bos)
        tokenizer.post_processor = processors.TemplateProcessing(
            single=f"{family.bos} $A", special_tokens=[(family.bos, bos_id)]
        )
    tokenizer.save(str(directory / "tokenizer.json"))
    config = {"eos_token": family.eos, **({"bos_token": family.bos} if family.bos else {})}
    template = TEMPLATES / f"{name}.jinja"
    source = template.read_text(encoding="utf-8") if template.is_file() else ""
    if source and as_jinja:
        (directory / "chat_template.jinja").write_text(source, encoding="utf-8")
    elif source:
        config["chat_template"] = source
    (directory / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return directory


@pytest.fixture(scope="session")
def model_directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {name: write_model_directory(root / name, name) for name in FAMILIES}


@pytest.fixture(scope="session")
def renderers(model_directories: dict[str, Path]) -> dict[str, Renderer]:
    return {name: Renderer.load(directory) for name, directory in model_directories.items()}


@pytest.fixture(params=sorted(FAMILIES))
def family(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def renderer(family: str, renderers: dict[str, Renderer]) -> Renderer:
    return renderers[family]
