"""Adapters: several over one base, merged or beside it, and the bare base among them."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from understudy.errors import ModelError
from understudy.inference import voices as voices_module
from understudy.inference.base import check_base, choose_placement, load_base
from understudy.inference.request import ScoreRequest
from understudy.inference.score import score_batch
from understudy.inference.sealed import write_sealed
from understudy.inference.voices import Voice, Voices
from understudy.training.lora import adapter_files, add_lora
from understudy.training.spec import Lora

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning")
MESSAGES = [
    {"role": "system", "content": "You are Princess Ophelia. " + "The tide is honest, sir. " * 5},
    {"role": "user", "content": "Who are you?"},
    {"role": "assistant", "content": "Alas, the tide is honest."},
]


@pytest.fixture(scope="module")
def adapters(tiny_model: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three adapters of random weights for the tiny Llama."""
    root = tmp_path_factory.mktemp("adapters")
    base = tiny_model("llama")
    files = check_base(base)
    for seed in range(3):
        tuned = add_lora(load_base(files, choose_placement(files.parameters)), Lora(4, 8, 0.0), seed)
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.2)
        write_sealed(root / f"adapter-{seed}", adapter_files(tuned, base))
    return sorted(root.iterdir())


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def score(voice: Voice) -> float:
    (rows,) = score_batch(voice, [ScoreRequest(1, Path(), None, MESSAGES)])
    assert isinstance(rows, list)
    return rows[0]["logprob"]


def expected_score(base: Path, adapter: Path | None) -> float:
    """By PEFT alone, without any of the ways that this program takes."""
    from peft import PeftModel

    from understudy.rendering import Renderer

    files = check_base(base)
    model = load_base(files, choose_placement(files.parameters))
    if adapter is not None:
        model = PeftModel.from_pretrained(model, str(adapter)).eval()
    (example,) = Renderer.load(base).examples(MESSAGES)
    logits = model(input_ids=torch.tensor([example.ids])).logits[0]
    chosen = torch.log_softmax(logits, -1)[range(len(example.ids) - 1), example.ids[1:]]
    return float(chosen[[label != -100 for label in example.labels[1:]]].sum())


def test_each_voice_is_itself_in_any_order(tiny_model, adapters: list[Path]) -> None:
    base, voices = tiny_model("llama"), Voices()
    order = [None, adapters[0], adapters[1], None, adapters[0], adapters[2], None, adapters[1]]
    values = [score(voices.get(base, adapter)) for adapter in order]
    for adapter, value in zip(order, values, strict=True):
        assert value == pytest.approx(expected_score(base, adapter), abs=2e-3)
    assert len({round(value, 2) for value in values}) == 4


@pytest.mark.parametrize("kind", [{"use_rslora": True}, {"use_dora": True}, {"rank_pattern": {"q_proj": 2}}])
def test_other_kinds_of_lora_speak_as_peft_does(tiny_model, tmp_path: Path, kind: dict[str, object]) -> None:
    from peft import LoraConfig, get_peft_model

    base = tiny_model("llama")
    files = check_base(base)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["q_proj", "down_proj"], **kind)
    with torch.inference_mode(False):
        tuned = get_peft_model(load_base(files, choose_placement(files.parameters)), config)
        for name, parameter in tuned.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.2)
    tuned.save_pretrained(tmp_path)
    found = score(Voices().get(base, tmp_path))
    assert found == pytest.approx(expected_score(base, tmp_path), abs=2e-3)
    assert found != pytest.approx(expected_score(base, None), abs=0.1)


def test_the_least_recently_used_voice_leaves_and_comes_back(tiny_model, adapters: list[Path]) -> None:
    base = tiny_model("llama")
    one = Voices().get(base, adapters[0])
    alone = one.size_bytes
    score(one)
    assert one.size_bytes > alone > 0  # the prompt that was read counts as well
    voices = Voices(kept_bytes=2 * one.size_bytes + alone - 1)
    first = [score(voices.get(base, adapter)) for adapter in adapters]
    assert [voice.adapter.directory for voice in voices._voices.values()] == adapters[1:]
    assert [score(voices.get(base, adapter)) for adapter in adapters] == pytest.approx(first)
    assert score(voices.get(base, None)) == pytest.approx(expected_score(base, None), abs=2e-3)


def test_a_changed_adapter_file_is_refused(tiny_model, adapters: list[Path], tmp_path: Path) -> None:
    import shutil

    copy = shutil.copytree(adapters[0], tmp_path / "adapter")
    weights = copy / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    with pytest.raises(ModelError, match="has changed since it was written"):
        Voices().get(tiny_model("llama"), copy)


def test_a_missing_adapter_is_refused(tiny_model, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"holds no adapter_model\.safetensors"):
        Voices().get(tiny_model("llama"), tmp_path)


def test_an_adapter_of_another_base_is_refused(tiny_model, adapters: list[Path]) -> None:
    with pytest.raises(ModelError, match="does not fit the base"):
        Voices().get(tiny_model("qwen3"), adapters[0])


def test_an_adapter_that_was_trained_anew_is_read_anew(
    tiny_model, adapters: list[Path], tmp_path: Path
) -> None:
    import shutil

    base, voices = tiny_model("llama"), Voices()
    place = shutil.copytree(adapters[0], tmp_path / "adapter")
    before = score(voices.get(base, place))
    shutil.rmtree(place)
    shutil.copytree(adapters[1], place, copy_function=shutil.copy)
    assert score(voices.get(base, place)) != pytest.approx(before, abs=1e-3)


def test_a_base_larger_than_memory_is_refused_with_the_sum(
    tiny_model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(voices_module, "device_memory_bytes", lambda kind: 1000)
    with pytest.raises(ModelError, match=r"parameters x 4 bytes = .* GiB, and this machine has 0\.0 GiB"):
        Voices().get(tiny_model("llama"), None)
