"""OpenAI's counts without network."""

import pytest

from understudy.dataset import context_limit, count_example_tokens, count_text_tokens, encoding_name
from understudy.dataset.tokens import base_model_name
from understudy.errors import ConfigError


@pytest.mark.parametrize(
    ("model", "encoding", "limit"),
    [
        ("gpt-4o-mini", "o200k_base", 65_536),
        ("gpt-4.1-mini-2025-04-14", "o200k_base", 65_536),
        ("ft:gpt-4.1-mini-2025-04-14:acme::Ab3dE9fG", "o200k_base", 65_536),
        ("ft:gpt-3.5-turbo-0125:acme:iroh:Ab3dE9fG", "cl100k_base", 16_385),
        ("gpt-3.5-turbo-0613", "cl100k_base", 4_096),
        ("gpt-4-0613", "cl100k_base", 8_192),
        ("gpt-6-luna", "o200k_base", 65_536),
    ],
)
def test_the_base_model_decides(model, encoding, limit):
    assert encoding_name(model) == encoding
    assert context_limit(model) == limit


def test_fine_tuned_names_are_resolved():
    assert base_model_name("ft:gpt-4.1-mini-2025-04-14:acme:x:Ab3dE9fG:ckpt-step-7") == "gpt-4.1-mini"
    with pytest.raises(ConfigError, match="names no base model"):
        base_model_name("ft:")


def test_known_counts():
    # published by OpenAI for these encodings
    assert count_text_tokens("tiktoken is great!") == 6
    assert count_text_tokens("antidisestablishmentarianism", encoding="cl100k_base") == 6
    assert count_text_tokens("antidisestablishmentarianism", encoding="o200k_base") == 6


def test_control_text_counts_as_text():
    assert count_text_tokens("<|endoftext|>") > 1


def test_half_characters_do_not_fail():
    assert count_text_tokens("a\ud800b") >= 1


def test_texts_of_any_length_are_counted():
    assert count_text_tokens("hi " * 700_000) == pytest.approx(700_000, rel=1e-4)


def test_the_cookbook_formula():
    plain = [{"role": "user", "content": "Hello"}]
    assert count_example_tokens(plain) == 3 + 1 + 1 + 3
    assert count_example_tokens([{**plain[0], "name": "Hello"}]) == 3 + 1 + 1 + 1 + 1 + 3
    assert count_example_tokens([{"role": "assistant", "content": "Hello", "weight": 1}]) == 3 + 1 + 1 + 3
    assert count_example_tokens(plain * 100, limit=50) == 50


def test_the_cookbooks_own_example(shared):
    """The cookbook's notebook prints 4,306 tokens for the larger of its toy examples' files."""
    from understudy.dataset import check_file

    result = check_file(
        shared / "data/openai-cookbook-chat-jsonl/toy_chat_fine_tuning.jsonl", model="gpt-3.5-turbo-0613"
    )
    assert (result.examples, result.max_tokens) == (5, 4_096)
    assert result.tokens == 4_306
