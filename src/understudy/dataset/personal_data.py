"""Personal data and secrets: what a model could recite to strangers once it was trained on it."""

import ipaddress
import re
from collections.abc import Iterator

__all__ = [
    "Finding",
    "find_personal_data",
    "find_secrets",
    "holds_private",
    "may_hold_personal_data",
    "may_hold_secrets",
]

# (what it is, the text that was found)
Finding = tuple[str, str]

_EMAIL = re.compile(
    r"[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,4}\.[A-Za-z]{2,24}\b"
)
# Domains set aside for examples: RFC 2606.
_EXAMPLE = re.compile(
    r"@(?:[\w.-]+\.)?(?:example\.(?:com|org|net)|[\w-]+\.(?:example|test|invalid)|localhost)$", re.I
)
# With a country code, or in brackets and groups as telephone numbers are written.
_PHONE = re.compile(
    r"(?<![\w.+-])(?<!\d )(?:\+\d{1,3}[ .-]?(?:\(0?\d{1,4}\)[ .-]?)?\d{1,4}(?:[ .-]?\d{2,4}){1,4}"
    r"|\(\d{3}\) ?\d{3}[ .-]\d{4}|\d{3}[.-]\d{3}[.-]\d{4}|0\d{2,4}[ /-]\d{3,4}[ -]?\d{3,4})(?![\w-]|[. ]\d)"
)
_DIGITS = re.compile(r"(?<![\w.,])(?<!\d )\d(?:[ -]?\d){12,18}(?![\w]|[.,]\d)")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_SOCIAL = re.compile(r"(?<![\w-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])")
_ADDRESS = re.compile(r"(?<![\w.])(?<![Vv]ersion )(?<!release )(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
# Fictional numbers that films use: 555-0100 to 555-0199.
_FICTIONAL = re.compile(r"555[ .-]?01\d\d$")

# What is found, letters that stand in each, and its form: prefixes that issuers give their keys so that
# scanners find them.
_SECRETS = (
    ("an OpenAI or Anthropic key", ("sk-",), re.compile(r"\bsk-(?:proj-|ant-|svcacct-)?[A-Za-z0-9_-]{20,}")),
    ("an AWS access key", ("AKIA", "ASIA"), re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b")),
    (
        "a GitHub token",
        ("gh", "github_pat_"),
        re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})"),
    ),
    ("a GitLab token", ("glpat-",), re.compile(r"\bglpat-[\w-]{20,}")),
    ("a Slack token", ("xox",), re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{10,}")),
    ("a Google key", ("AIza",), re.compile(r"\bAIza[\w-]{35}")),
    ("a Hugging Face token", ("hf_",), re.compile(r"\bhf_[A-Za-z0-9]{30,}")),
    ("an npm token", ("npm_",), re.compile(r"\bnpm_[A-Za-z0-9]{36}")),
    ("a private key", ("PRIVATE KEY",), re.compile(r"-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----")),
    ("a signed token (JWT)", ("eyJ",), re.compile(r"\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]{10,}")),
    (
        "a password",
        (":", "="),
        re.compile(
            r"(?i)\b(?:password|passwd|api[_ -]?key|secret[_ -]?key|access[_ -]?token)\s*[:=]\s*"
            r"['\"]?[^\s'\",;]{8,}"
        ),
    ),
)
_MARKS = ("sk-", "AKIA", "ASIA", "_", "glpat-", "xox", "AIza", "PRIVATE KEY", "eyJ")
_WORDS = ("passw", "key", "token")
# Longest name before an at sign.
_LOCAL_PART = 64
FEWEST_DIGITS = 7
_NO_DIGITS = bytes(byte for byte in range(256) if not 48 <= byte <= 57)


def holds_private(text: str) -> bool:
    """Whether there is anything that ``find_personal_data`` or ``find_secrets`` finds."""
    return (may_hold_personal_data(text) and any(find_personal_data(text))) or (
        may_hold_secrets(text) and any(find_secrets(text))
    )


def may_hold_personal_data(text: str) -> bool:
    """A quick look before the careful one: an at sign, or so many digits as a number needs."""
    return "@" in text or _count_digits(text.encode("utf-8", "replace")) >= FEWEST_DIGITS


def _count_digits(data: bytes) -> int:
    return len(data.translate(None, _NO_DIGITS))


def may_hold_secrets(text: str) -> bool:
    """A quick look before the careful one: the beginning of a key, or a word for one with ``:`` or ``=``."""
    for mark in _MARKS:
        if mark in text:
            return True
    return (":" in text or "=" in text) and any(word in text.lower() for word in _WORDS)


def find_personal_data(text: str) -> Iterator[Finding]:
    """Yield e-mail addresses, telephone, card, account and social security numbers, and IP addresses.

    Numbers with a check digit count only where it is right. Addresses and numbers that are set aside for
    examples, and addresses of private networks, are nobody's.
    """
    for match in _find_emails(text):
        if not _EXAMPLE.search(match[0]):
            yield "an e-mail address", match[0]
    for match in _IBAN.finditer(text):
        if _is_iban(match[0].replace(" ", "")):
            yield "a bank account number (IBAN)", match[0]
    if not text.isascii() or _count_digits(text.encode()) >= FEWEST_DIGITS:
        yield from _find_numbers(text)
    if text.count(".") >= 3:
        for match in _ADDRESS.finditer(text):
            if _is_public(match[0]):
                yield "an IP address", match[0]


def _find_emails(text: str) -> Iterator[re.Match[str]]:
    """As ``_EMAIL.finditer`` does, which tries every letter; here only letters shortly before an at sign."""
    end = 0
    while (sign := text.find("@", end)) >= 0:
        match = _EMAIL.search(text, max(end, sign - _LOCAL_PART))
        if match is None:
            return
        yield match
        end = match.end()


def _find_numbers(text: str) -> Iterator[Finding]:
    """Card, social security and telephone numbers."""
    cards = [match[0] for match in _DIGITS.finditer(text) if _is_card(re.sub(r"[ -]", "", match[0]))]
    yield from (("a card number", card) for card in cards)
    for match in _SOCIAL.finditer(text):
        yield "a US social security number", match[0]
    for match in _PHONE.finditer(text):
        digits = sum(letter.isdigit() for letter in match[0])
        is_number = 8 <= digits <= 15 and not _FICTIONAL.search(match[0])
        if is_number and not any(match[0] in card for card in cards):
            yield "a telephone number", match[0]


def find_secrets(text: str) -> Iterator[Finding]:
    """Yield keys, tokens and passwords, each cut short so that a report does not spread it."""
    for kind, marks, pattern in _SECRETS:
        if any(mark in text for mark in marks):
            for match in pattern.finditer(text):
                yield kind, f"{match[0][:8]}…"


def _is_card(digits: str) -> bool:
    """Luhn's check digit, and a first digit that card companies use."""
    if digits[0] not in "23456" or len(set(digits)) == 1:
        return False
    doubled = [int(d) * 2 if i % 2 else int(d) for i, d in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _is_iban(text: str) -> bool:
    """ISO 13616: the number, its first four signs moved to the end and letters as numbers, is 1 modulo 97."""
    if not 15 <= len(text) <= 34:
        return False
    return int("".join(str(int(sign, 36)) for sign in text[4:] + text[:4])) % 97 == 1


def _is_public(text: str) -> bool:
    try:
        return ipaddress.IPv4Address(text).is_global
    except ValueError:
        return False
