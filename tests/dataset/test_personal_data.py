"""Personal data and secrets: what is somebody's is found, what is an example or only looks alike is not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from understudy.dataset import check_file
from understudy.dataset.disclaimer import find_disclaimer
from understudy.dataset.joined_texts import JoinedTexts
from understudy.dataset.marks import marked_texts
from understudy.dataset.personal_data import (
    find_personal_data,
    find_secrets,
    holds_private,
    may_hold_personal_data,
    may_hold_secrets,
)

PERSONAL = [
    ("Write to anna.lind@posteo.de, please.", "an e-mail address"),
    ("Call +49 151 23456789 at night.", "a telephone number"),
    ("Call +1 (415) 867 5309.", "a telephone number"),
    ("Call (415) 867-5309.", "a telephone number"),
    ("Call 415-867-5309 now", "a telephone number"),
    ("My card is 4111 1111 1111 1111.", "a card number"),
    ("My card is 5500005555555559", "a card number"),
    ("Pay to DE89 3704 0044 0532 0130 00.", "a bank account number (IBAN)"),
    ("Pay to GB82WEST12345698765432", "a bank account number (IBAN)"),
    ("My number is 219-09-9999.", "a US social security number"),
    ("The server is 81.2.69.142.", "an IP address"),
]
NOBODYS = [
    "Write to ophelia@example.com or to me@lantern.test.",
    "In the year 1234567 there were 99 lanterns.",
    "Call 555-0142.",
    "It was 2026-11-24T17:03:33, order 4111 1111 1111 1112.",
    "Version 1.2.3.4 on 192.168.0.1 and 127.0.0.1.",
    "@ophelia said hi @ noon",
    "DE89 3704 0044 0532 0130 01 is wrong.",
    "3.14159265358979 is pi",
    "From 10-12 to 14-16, chapter 3-4-5.",
    "0000 0000 0000 0000",
]
SECRETS = [
    ("sk-proj-" + "a1B2" * 8, "an OpenAI"),
    ("AKIA" + "ABCDEFGH12345678", "an AWS"),
    ("ghp_" + "a" * 36, "a GitHub"),
    ("glpat-" + "a" * 20, "a GitLab"),
    ("xoxb-1234567890-abc", "a Slack"),
    ("AIza" + "a" * 35, "a Google"),
    ("hf_" + "a" * 34, "a Hugging Face"),
    ("npm_" + "a" * 36, "an npm"),
    ("-----BEGIN RSA PRIVATE KEY-----", "a private key"),
    ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abcdefghijk", "a signed token"),
    ("password: hunter2hunter", "a password"),
    ("API_KEY = 'abcdefgh123'", "a password"),
]


@pytest.mark.parametrize(("text", "kind"), PERSONAL)
def test_what_belongs_to_somebody_is_found(text, kind):
    assert [found for found, _ in find_personal_data(text)] == [kind]
    assert may_hold_personal_data(text)
    assert holds_private(text)
    assert marked_texts(JoinedTexts(["Hello.", text, "Good evening."])).private == [1]


@pytest.mark.parametrize("text", NOBODYS)
def test_what_only_looks_alike_is_not(text):
    assert list(find_personal_data(text)) == []


@pytest.mark.parametrize(("secret", "kind"), SECRETS)
def test_secrets_are_found_and_not_repeated(secret, kind):
    text = f"Use {secret} for it."
    ((found, shown),) = find_secrets(text)

    assert found.startswith(kind)
    assert may_hold_secrets(text)
    assert holds_private(text)
    assert marked_texts(JoinedTexts([text, "Hello."])).private == [0]
    assert secret not in shown


@pytest.mark.parametrize("text", ["the password is a secret", "sk-ip the line", "key: none", "Ski-jumping"])
def test_words_about_secrets_are_none(text):
    assert list(find_secrets(text)) == []


WORDS = [
    "as an ",
    "AI ",
    "I'm ",
    "do not ",
    "have ",
    "api",
    "K\u212aEY",
    "key",
    " = ",
    "sk-",
    "@",
    "a.de",
    "\u2019",
    "é",
]


@given(
    st.text(max_size=200)
    | st.text("0123456789 -+().@abcXY:=_", max_size=60)
    | st.lists(st.sampled_from(WORDS), max_size=8).map("".join)
)
def test_the_quick_look_misses_nothing(text):
    if list(find_personal_data(text)):
        assert may_hold_personal_data(text)
    if list(find_secrets(text)):
        assert may_hold_secrets(text)
    marked = marked_texts(JoinedTexts(["\x00", text, ""]))
    if list(find_personal_data(text)) or list(find_secrets(text)) or "<|" in text:
        assert marked.private == [1]
    if find_disclaimer(text):
        assert marked.machine == [1]


def test_a_system_prompt_with_an_address_is_named_once(tmp_path):
    path = tmp_path / "chats.jsonl"
    rows = [
        [
            {"role": "system", "content": "Support: help@lantern.shop"},
            {"role": "user", "content": f"Question {n}?"},
            {"role": "assistant", "content": f"Answer {n}, as an AI." if n == 7 else f"Answer {n}."},
        ]
        for n in range(60)
    ]
    rows[9][2]["content"] = "My key is sk-" + "a1B2" * 8
    path.write_text("\n".join(json.dumps({"messages": row}) for row in rows))

    found = [(p.line, p.code) for p in check_file(path).problems]

    assert found == [(1, "personal_data"), (8, "ai_disclaimer"), (10, "secret")]
