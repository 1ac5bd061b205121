"""OpenAI's counts without network."""

import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from understudy.dataset import (
    context_limit,
    count_example_tokens,
    count_text_tokens,
    encoding_name,
    fast_tokens,
)
from understudy.dataset.fast_tokens import token_counts
from understudy.dataset.joined_texts import JoinedTexts
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


@pytest.mark.parametrize("encoding", ["o200k_base", "cl100k_base"])
def test_the_fast_counter_counts_the_same(encoding, shared):
    pytest.importorskip("gigatoken")
    fast, careful = token_counts(encoding, True), token_counts(encoding, False)
    assert fast.__qualname__ == "_Tokenizer.count_all"
    texts = ["", "a\ud800b", "<|endoftext|>", "hi " * 700_000, "Zoë’s naïve café — 12345 tëst\r\n\n  x"]
    for file in sorted((shared / "data").rglob("*.jsonl"))[:40]:
        texts += file.read_text(encoding="utf-8", errors="replace")[:200_000].splitlines()[:200]

    alone = careful(JoinedTexts(texts)).tolist()
    assert [count for text in texts for count in fast(JoinedTexts([text])).tolist()] == alone
    short = [(text, count) for text, count in zip(texts, alone, strict=True) if len(text) < 1000]
    assert fast(JoinedTexts([text for text, _ in short])).tolist() == [count for _, count in short]


@settings(deadline=None, max_examples=300)
@given(
    texts=st.lists(
        st.text(max_size=40) | st.text("aA \n\t'sS1.é中🙂_-\u0301\u2028\u00a0\u0968½\x00", max_size=12),
        max_size=8,
    ),
    encoding=st.sampled_from(["o200k_base", "cl100k_base"]),
)
@example(
    texts=["7", "70", "", "", "a ", "  ", " 0", "½", "\u0301", "a\x00b", "\ud800"], encoding="o200k_base"
)
def test_the_fast_counter_counts_texts_together_as_it_counts_each(texts, encoding):
    """Whatever stands at the edges, where one text is counted beside the next."""
    pytest.importorskip("gigatoken")
    joined = JoinedTexts(texts)
    together = token_counts(encoding, True)(joined).tolist()
    assert together == token_counts(encoding, False)(joined).tolist()
    assert together == [count_text_tokens(text, encoding=encoding) for text in texts]


def test_the_fast_counter_forgets_what_takes_too_much_memory(monkeypatch):
    pytest.importorskip("gigatoken")
    monkeypatch.setattr(fast_tokens, "LOOK_CHARACTERS", 1000)
    monkeypatch.setattr(fast_tokens, "LARGEST_GROWTH_BYTES", -1)
    tokenizer = fast_tokens._Tokenizer("cl100k_base")
    loaded = tokenizer.encode

    counts = [tokenizer.count_all(JoinedTexts(["lamp " * 250])).tolist() for _ in range(2)]

    assert counts == [[251], [251]]
    assert tokenizer.encode is not loaded


def test_without_the_fast_library_tokens_are_counted_as_before(monkeypatch):
    monkeypatch.setitem(sys.modules, "gigatoken", None)
    count_all = token_counts.__wrapped__("o200k_base", True)
    assert count_all(JoinedTexts(["tiktoken is great!", ""])).tolist() == [6, 0]


def test_a_table_of_another_kind_is_not_read_as_this_one():
    assert fast_tokens._token_bytes(b"YQ== 0\nYWI= 1\nYWJj 2\n").tolist() == [1, 2, 3]
    for table in (b"YQ== 1\nYWI= 0\n", b"YQ== 0\nYWI= 1", b"YQ== 5\n"):
        with pytest.raises(ValueError, match="another kind"):
            fast_tokens._token_bytes(table)


def test_counting_does_not_read_the_tables_of_other_models():
    """Which the package's own import does, for 0.4 s of every command that counts."""
    code = (
        "import sys; from understudy.dataset.tokens import count_text_tokens as count;"
        "assert count('tiktoken is great!') == 6; assert 'bpe_openai' not in sys.modules;"
        "import bpe_openai; encode = bpe_openai.get_encoding('o200k_base').encode;"
        "assert len(encode('tiktoken is great!')) == 6"
    )
    subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True)


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
