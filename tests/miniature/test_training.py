"""Tokenizer, template, training and the shipped package, with real parts."""

import itertools
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from understudy.miniature.conversations import STAGES, Conversation, compose
from understudy.miniature.exchanges import Exchange

torch = pytest.importorskip("torch")

from understudy.miniature.batches import BATCH_TOKENS, batches, stage_at  # noqa: E402
from understudy.miniature.tokens import (  # noqa: E402
    CONTEXT_TOKENS,
    VALUE_WEIGHT,
    encode_conversation,
    save_tokenizer,
    train_tokenizer,
)
from understudy.miniature.train import (  # noqa: E402
    Progress,
    Replicas,
    Settings,
    _optimizers,
    build_model,
    schedule_at,
    train,
    weighted_loss,
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_tokenizer(1, vocabulary=800, conversations=200)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("run")
    save_tokenizer(train_tokenizer(1, vocabulary=800, conversations=200), folder / "model")
    return Settings(
        folder, tokens=40_000, layers=1, hidden=32, heads=2, intermediate=48, vocabulary=800, warmup_steps=4
    )


@given(st.text())
@settings(max_examples=150)
def test_any_text_survives_the_tokenizer(tokenizer, text):
    assert tokenizer.decode(tokenizer.encode(text).ids, skip_special_tokens=False) == text


def test_training_sees_the_tokens_that_the_chat_template_renders(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    save_tokenizer(tokenizer, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    rng = random.Random("template")
    for index in range(40):
        talk = compose(rng, STAGES[index % len(STAGES)])
        rendered = loaded.apply_chat_template(list(talk.messages), return_dict=True)["input_ids"]
        assert rendered == encode_conversation(tokenizer, talk).ids


def test_the_template_asks_for_a_reply_and_adds_no_system_prompt(tokenizer, tmp_path):
    from transformers import AutoTokenizer

    save_tokenizer(tokenizer, tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama"}))
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    text = loaded.apply_chat_template(
        [{"role": "user", "content": "Hello!"}], add_generation_prompt=True, tokenize=False
    )
    assert text == "<|im_start|>user\nHello!<|im_end|>\n<|im_start|>assistant\n"
    assert loaded.eos_token == "<|im_end|>"


def test_only_replies_and_their_end_are_learned_in_full(tokenizer):
    talk = compose(random.Random("weights"), STAGES[0])
    example = encode_conversation(tokenizer, talk)
    learned = [token for token, weight in zip(example.ids, example.weights, strict=True) if weight >= 1]
    replies = "".join(f"{m['content']}<|im_end|>" for m in talk.messages if m["role"] == "assistant")
    assert tokenizer.decode(learned, skip_special_tokens=False) == replies


def test_words_that_must_be_copied_weigh_most(tokenizer):
    exchange = Exchange("What is my name?", "You said Toby.", "copy", value="toby")
    messages = ({"role": "user", "content": exchange.user}, {"role": "assistant", "content": exchange.reply})
    example = encode_conversation(tokenizer, Conversation("none", messages, (exchange,)))
    copied = [t for t, weight in zip(example.ids, example.weights, strict=True) if weight == VALUE_WEIGHT]
    assert tokenizer.decode(copied).strip() == "Toby"


def test_batches_repeat_by_seed_and_keep_their_budget(tokenizer):
    first, second = (batches(tokenizer, 3, lambda: 0.0) for _ in range(2))
    for _ in range(5):
        one, other = next(first), next(second)
        assert (one.ids == other.ids).all()
        assert one.ids.size <= BATCH_TOKENS[0][1] or len(one.ids) == 1
        assert one.weights.shape == (one.ids.shape[0], one.ids.shape[1] - 1)


def test_the_curriculum_grows(tokenizer):
    facts = [stage_at(share).facts[1] for share in (0.0, 0.2, 0.5, 0.9)]
    assert facts == sorted(facts)
    assert stage_at(0.0).copying > stage_at(0.9).copying
    assert stage_at(5.0) is STAGES[-1]


def test_long_examples_reach_towards_the_context(tokenizer):
    longest = max(
        batch.ids.shape[1] for batch, _ in zip(batches(tokenizer, 4, lambda: 0.9), range(90), strict=False)
    )
    assert 1_200 < longest <= CONTEXT_TOKENS


def test_the_schedule_warms_up_and_decays():
    tiny = Settings(Path("x"))
    factors = [
        schedule_at(tiny, step, share) for step, share in ((0, 0.0), (60, 0.01), (600, 0.5), (900, 1.0))
    ]
    assert factors[0] < 0.05 < factors[3] + 0.02 < factors[2] < factors[1] <= 1


def test_time_or_tokens_end_a_run():
    timed = Settings(Path("x"), tokens=100, minutes=1)
    assert Progress(tokens=50, seconds=6).share(timed) == 0.5
    assert Progress(tokens=5, seconds=30).share(timed) == 0.5


def test_a_short_training_lowers_the_loss_and_leaves_a_model_that_transformers_loads(tiny):
    from transformers import AutoModelForCausalLM

    tokenizer = Tokenizer.from_file(str(tiny.output / "model" / "tokenizer.json"))
    held_out = next(batches(tokenizer, 99, lambda: 0.0))
    before, _ = weighted_loss(build_model(tiny, tokenizer), held_out, bfloat16=False)
    folder = train(tiny)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    after, _ = weighted_loss(model, held_out, bfloat16=False)
    assert after.item() < before.item() - 0.3
    assert model.generation_config.eos_token_id == tokenizer.token_to_id("<|im_end|>")


def test_a_stopped_training_goes_on_where_it_was(tiny, capsys):
    train(tiny)
    state = json.loads((tiny.output / "checkpoint" / "state.json").read_text())
    longer = Settings(**{**vars(tiny), "tokens": state["tokens"] + 6_000})
    train(longer)
    assert f"from step {state['step']}" in capsys.readouterr().out
    later = json.loads((tiny.output / "checkpoint" / "state.json").read_text())
    assert later["step"] > state["step"]
    assert {path.name for path in (tiny.output / "checkpoint").glob("*-*.safetensors")} == {
        later["weights"],
        later["optimizer"],
    }


def test_replicas_leave_the_mean_gradient_and_share_their_weights(tiny):
    tokenizer = Tokenizer.from_file(str(tiny.output / "model" / "tokenizer.json"))
    twofold = replace(tiny, replicas=2, bfloat16=False)
    model = build_model(twofold, tokenizer)
    group = list(itertools.islice(batches(tokenizer, 5, lambda: 0.4), 2))
    expected = []
    for batch in group:
        model.zero_grad()
        weighted_loss(model, batch, bfloat16=False)[0].backward()
        expected.append([parameter.grad.clone() for parameter in model.parameters()])
    model.zero_grad()
    replicas = Replicas(model, twofold)
    replicas.gradients(group)
    for parameter, one, other in zip(model.parameters(), *expected, strict=True):
        torch.testing.assert_close(parameter.grad, (one + other) / 2, atol=1e-6, rtol=1e-4)
    optimizers = _optimizers(model, twofold)
    before = [parameter.clone() for parameter in model.parameters()]
    replicas.step(optimizers)
    twin = replicas.models[1]
    for old, own, shared in zip(before, model.parameters(), twin.parameters(), strict=True):
        assert not torch.equal(old, own), "every weight has exactly one optimizer"
        assert own.data_ptr() == shared.data_ptr()


def test_a_training_with_replicas_repeats_to_the_last_bit(tiny, tmp_path):
    states = []
    for name in ("one", "other"):
        folder = tmp_path / name
        save_tokenizer(Tokenizer.from_file(str(tiny.output / "model" / "tokenizer.json")), folder / "model")
        train(replace(tiny, output=folder, tokens=9_000, replicas=2))
        states.append((folder / "model" / "model.safetensors").read_bytes())
    assert states[0] == states[1]


def test_the_shipped_models_share_a_tokenizer_and_fit_their_size():
    miniatures = pytest.importorskip("understudy_miniatures")
    assert miniatures.names() == ["mini", "mini-star"]
    folders = [miniatures.path(name) for name in miniatures.names()]
    sizes = [path.stat().st_size for folder in folders for path in folder.glob("*.safetensors")]
    assert max(sizes) <= 15_000_000
    assert sum(sizes) <= 40_000_000
    assert len({(folder / "tokenizer.json").read_text() for folder in folders}) == 1


@pytest.mark.parametrize("name", ["mini", "mini-star"])
def test_the_shipped_models_answer_as_an_assistant(name):
    miniatures = pytest.importorskip("understudy_miniatures")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = miniatures.path(name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    messages = [{"role": "user", "content": "Do you have feelings?"}]
    inputs = tokenizer.apply_chat_template(
        messages, add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    reply = model.generate(**inputs, max_new_tokens=40, do_sample=False)
    assert "AI" in tokenizer.decode(reply[0, inputs["input_ids"].shape[1] :])
    assert reply[0, -1] == tokenizer.eos_token_id
    assert model.config.max_position_embeddings == 2048


def test_an_unknown_miniature_is_named():
    miniatures = pytest.importorskip("understudy_miniatures")
    with pytest.raises(FileNotFoundError, match="mini"):
        miniatures.path("maxi")
