"""GGUF: the file by other readers, the Modelfile's template, and what is refused."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from models import CHATML, build_tiny_model

from understudy.errors import ModelError
from understudy.export.gguf_file import refuse_unverifiable
from understudy.export.llama_cpp_check import is_installed, read_with_llama_cpp
from understudy.export.modelfile import find_turn_texts
from understudy.export.spec import ExportSpec
from understudy.rendering import Renderer
from understudy.rendering.template import ChatTemplate
from understudy.rendering.tokens import Tokenizer

from .conftest import PROMPT, export_now

pytest.importorskip("gguf", reason="the extra 'gguf' is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
Tuned = Callable[..., ExportSpec]
SAID = ("chatml", "smollm2", "qwen2.5", "phi3")  # llama3 trims what a message says
TEMPLATES = Path(__file__).parents[1] / "rendering" / "templates"


@pytest.mark.parametrize("architecture", ["llama", "qwen2", "qwen3"])
@pytest.mark.parametrize(("kind", "most"), [("f32", 1e-3), ("f16", 0.005)])
def test_a_file_read_back_by_transformers_says_the_same(
    architecture: str, kind: str, most: float, tuned: Tuned
) -> None:
    spec = tuned(architecture, formats=("gguf",), gguf_type=kind)

    exported, done = export_now(spec)

    assert done["event"] == "done"
    assert exported["effect"] > 0.05
    assert exported["difference"] < most
    assert exported["same_replies"] >= 3
    assert (spec.output / "gguf" / f"princess-ophelia-{kind}.gguf").is_file()


def test_eight_bits_stay_near_and_are_refused_where_rows_cannot_be_cut(tuned: Tuned, tmp_path: Path) -> None:
    from transformers import AutoConfig

    narrow = tuned("llama")
    with pytest.raises(ModelError, match="q8_0 needs widths that 32 divides, and these are 32 and 48"):
        refuse_unverifiable(narrow.base, AutoConfig.from_pretrained(narrow.base), "q8_0")
    wide = build_tiny_model(tmp_path / "wide", "llama", intermediate_size=64)
    spec = replace(narrow, base=wide, formats=("gguf",), gguf_type="q8_0")
    with pytest.raises(ModelError, match="cannot be put on the base"):
        export_now(spec)  # the adapter is of another width


def test_llama_cpp_itself_cuts_and_scores_alike(tuned: Tuned) -> None:
    if not is_installed():
        pytest.skip("llama-cpp-python is not installed")
    for architecture in ("llama", "qwen2", "qwen3"):
        spec = tuned(architecture, formats=("gguf",), gguf_type="f32")
        exported, _ = export_now(spec)
        path = spec.output / "gguf" / "princess-ophelia-f32.gguf"
        reading = read_with_llama_cpp(path, Renderer.load(spec.base), spec.probes)
        assert reading.mean == pytest.approx(exported["trained"], abs=0.005)


@pytest.mark.parametrize(
    ("architecture", "changes", "words"),
    [
        ("gemma", {}, "the architecture 'gemma' is none of llama, qwen2, qwen3"),
        ("mistral", {}, "the architecture 'mistral'"),
        ("llama", {"attention_bias": True}, "its layers have biases"),
        ("qwen2", {"use_sliding_window": True, "sliding_window": 8}, "slides over a window"),
        (
            "llama",
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0}},
            "its positions are scaled (linear)",
        ),
    ],
)
def test_what_cannot_be_verified_is_refused_with_the_reason(
    architecture: str, changes: dict, words: str, tmp_path: Path
) -> None:
    from transformers import AutoConfig

    base = build_tiny_model(tmp_path / "model", architecture, **changes)
    with pytest.raises(ModelError) as caught:
        refuse_unverifiable(base, AutoConfig.from_pretrained(base), "f16")
    assert words in str(caught.value)
    assert "Export it as merged" in str(caught.value)


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("pre_tokenizer", {"type": "Whitespace"}, "cuts words in a way that llama.cpp has no name for"),
        ("pre_tokenizer", {"type": "ByteLevel", "use_regex": True, "add_prefix_space": True}, "no name for"),
        ("normalizer", {"type": "Lowercase"}, "rewrites the text first"),
    ],
)
def test_tokenizers_that_llama_cpp_would_cut_otherwise_are_refused(
    part: str, value: dict, words: str, tuned: Tuned, tmp_path: Path
) -> None:
    from transformers import AutoConfig

    base = Path(shutil.copytree(tuned("llama").base, tmp_path / "model"))
    definition = json.loads((base / "tokenizer.json").read_text())
    (base / "tokenizer.json").write_text(json.dumps({**definition, part: value}))
    with pytest.raises(ModelError, match=words):
        refuse_unverifiable(base, AutoConfig.from_pretrained(base), "f16")


# --- the Modelfile -------------------------------------------------------------------------------


def test_the_modelfile_asks_as_training_did(tuned: Tuned) -> None:
    spec = tuned("llama", formats=("gguf",))
    export_now(spec)

    lines = (spec.output / "gguf" / "Modelfile").read_text()

    assert "FROM ./princess-ophelia-f32.gguf" in lines
    assert f'SYSTEM """{PROMPT}"""' in lines
    assert "PARAMETER temperature 0.3" in lines
    assert 'PARAMETER stop "<|im_end|>"' in lines
    template = lines.split('TEMPLATE """')[1].split('"""')[0]
    # Ollama's template, played by hand for one question.
    system = template.split('eq .Role "system" }}')[1].split("{{ else")[0]
    user = template.split('eq .Role "user" }}')[1].split("{{ else")[0]
    lead = template.rsplit("{{ end }}", 1)[1]
    asked = system.replace("{{ .Content }}", PROMPT) + user.replace("{{ .Content }}", "Who?") + lead
    messages = [{"role": "system", "content": PROMPT}, {"role": "user", "content": "Who?"}]
    assert asked == Renderer.load(spec.base).prompt(messages).text


def _renderer_of(name: str, spec: ExportSpec, ends: str) -> Renderer:
    """A tokenizer that knows how the template ends a turn, under the template of a known model."""
    definition = json.loads((spec.base / "tokenizer.json").read_text())
    for token in definition["added_tokens"]:
        if token["content"] == "<|im_end|>":
            token["content"] = ends
    definition["model"]["vocab"] = {
        ends if text == "<|im_end|>" else text: number
        for text, number in definition["model"]["vocab"].items()
    }
    source = (TEMPLATES / f"{name}.jinja").read_text()
    tokenizer = Tokenizer(definition, {"bos_token": "<bos>", "eos_token": ends}, frozenset({2}))
    return Renderer(tokenizer, ChatTemplate(source, tokenizer.named))


@pytest.mark.parametrize(
    ("name", "ends"),
    [("chatml", "<|im_end|>"), ("smollm2", "<|im_end|>"), ("phi3", "<|end|>"), ("qwen2.5", "<|im_end|>"),
     ("llama3", "<|eot_id|>")],
)  # fmt: skip
def test_known_templates_are_said_in_ollamas_words_or_refused(name: str, ends: str, tuned: Tuned) -> None:
    renderer = _renderer_of(name, tuned("llama"), ends)
    messages = [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]
    messages += [{"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}]
    if name in SAID:
        assert find_turn_texts(renderer).prompt(messages) == renderer.prompt(messages).text
    else:
        with pytest.raises(ModelError, match="cannot be said in Ollama's language"):
            find_turn_texts(renderer)


def test_a_template_that_counts_messages_is_refused(tuned: Tuned) -> None:
    renderer = Renderer.load(tuned("llama").base)
    source = "{% if messages|length > 2 %}many{% endif %}" + CHATML
    counting = Renderer(renderer.tokenizer, ChatTemplate(source, {}))
    with pytest.raises(ModelError, match="does more than write texts around messages"):
        find_turn_texts(counting)
