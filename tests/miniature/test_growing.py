"""A grown model says at first what the smaller one said, and all of it can be learned further."""

from dataclasses import replace
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from understudy.miniature.growing import grow_weights  # noqa: E402
from understudy.miniature.tokens import train_tokenizer  # noqa: E402
from understudy.miniature.train import Settings, build_model, export_model, train  # noqa: E402

SMALL = Settings(Path("x"), layers=2, hidden=64, heads=2, intermediate=96, vocabulary=600)
LARGE = replace(SMALL, layers=3, hidden=96, heads=3, intermediate=160)


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(1, vocabulary=600, conversations=100)


@pytest.mark.parametrize(
    "changes", [{"layers": 3}, {"intermediate": 160}, {"hidden": 96, "heads": 3}, vars(LARGE)]
)
def test_a_grown_model_gives_the_same_logits(tokenizer, changes):
    small, large = build_model(SMALL, tokenizer), build_model(replace(SMALL, **changes), tokenizer)
    large.model.load_state_dict(grow_weights(small.model.state_dict(), large.model.state_dict()))
    ids = torch.arange(5, 45).reshape(2, 20)
    with torch.no_grad():
        before, after = small(ids).logits, large(ids).logits
    # Norms add a small constant under the root, which weighs a little more where positions are added.
    assert (before - after).abs().max() < 5e-3 * before.abs().max()


def test_every_new_part_is_reached_by_the_gradient_within_two_steps(tokenizer):
    small, large = build_model(SMALL, tokenizer), build_model(LARGE, tokenizer)
    large.model.load_state_dict(grow_weights(small.model.state_dict(), large.model.state_dict()))
    before = {name: tensor.clone() for name, tensor in large.model.state_dict().items()}
    optimizer = torch.optim.AdamW(large.parameters(), lr=1e-2, weight_decay=0.0)
    ids = torch.arange(5, 45).reshape(2, 20)
    for _ in range(2):
        large(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    after = large.model.state_dict()
    assert all((after[name] != tensor).any() for name, tensor in before.items())
    assert (after["layers.0.mlp.down_proj.weight"][64:] != 0).any()


def test_what_cannot_be_grown_is_refused(tokenizer):
    small, large = (build_model(one, tokenizer).model.state_dict() for one in (SMALL, LARGE))
    with pytest.raises(ValueError, match="more layers"):
        grow_weights(large, small)
    with pytest.raises(ValueError, match="is larger"):
        grow_weights({k: v for k, v in large.items() if "layers.2" not in k}, small)
    with pytest.raises(ValueError, match="vocabulary"):
        grow_weights(small | {"embed_tokens.weight": torch.zeros(10, 64)}, large)


def test_a_training_begins_from_an_exported_model(tokenizer, tmp_path):
    folder = export_model(build_model(SMALL, tokenizer), tokenizer, tmp_path / "small")
    run = replace(LARGE, output=tmp_path / "run", tokens=3_000, start=str(folder), lesson=0.5, growth=2)
    exported = train(run)
    assert (exported / "model.safetensors").is_file()
    assert (exported / "tokenizer.json").read_text() == (folder / "tokenizer.json").read_text()
    assert list((run.output / "growth").iterdir())


def test_large_weights_are_written_in_several_files_that_transformers_loads(tokenizer, tmp_path, monkeypatch):
    from transformers import AutoModelForCausalLM

    monkeypatch.setattr("understudy.miniature.train.SHARD_SIZE", "100KB")
    model = build_model(SMALL, tokenizer)
    folder = export_model(model, tokenizer, tmp_path)
    assert len(list(folder.glob("model-*.safetensors"))) > 1
    loaded = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.arange(5, 25)[None]
    with torch.no_grad():
        assert torch.allclose(model.to(torch.bfloat16).float()(ids).logits, loaded(ids).logits, atol=1e-3)
