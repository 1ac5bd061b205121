"""Tokenizer: text to token ids and back, from a model directory, without torch or transformers."""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as FastTokenizer

from understudy.errors import ModelError, RenderingError

__all__ = ["AddedToken", "Tokenizer", "control_pattern", "read_json_file"]

# Texts that are worth remembering, and how many; the largest take about 16 MB together.
_KNOWN_CHARACTERS, _KNOWN_TEXTS = range(512, 32_768), 32
NAMED_TOKENS = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token", "cls_token", "mask_token")


@dataclass(frozen=True)
class AddedToken:
    """A token matched as a whole string. ``special`` ones steer the model: turns, start, end."""

    id: int
    content: str
    special: bool
    lstrip: bool = False
    rstrip: bool = False


def read_json_file(path: Path) -> dict[str, Any]:
    """A JSON object of a model directory; empty where the file is absent.

    Raises:
        ModelError: The file is there and is not a JSON object.
    """
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: cannot be read as JSON ({error}). Fetch the model again.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: must hold a JSON object. Fetch the model again.")
    return value


def _byte_table() -> dict[str, int]:
    """GPT-2's printable stand-in of each byte, as every byte-level vocabulary writes it."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    table = {chr(byte): byte for byte in printable}
    hidden = (byte for byte in range(256) if byte not in printable)
    table.update({chr(256 + position): byte for position, byte in enumerate(hidden)})
    return table


BYTE_OF = _byte_table()
BYTE_FALLBACK = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _mentions(part: Any, kind: str) -> bool:
    """Whether a component of ``tokenizer.json``, or one inside it, is of this type."""
    if isinstance(part, dict):
        return part.get("type") == kind or any(_mentions(value, kind) for value in part.values())
    return isinstance(part, list) and any(_mentions(value, kind) for value in part)


def _without_prefix(part: Any) -> Any:
    """The same component, adding no space in front of the text."""
    if isinstance(part, list):
        kept = [_without_prefix(value) for value in part]
        return [value for value in kept if value is not None]
    if not isinstance(part, dict):
        return part
    if part.get("type") == "Prepend":
        return None
    changed = {key: _without_prefix(value) for key, value in part.items()}
    if "add_prefix_space" in changed:
        changed["add_prefix_space"] = False
    if "prepend_scheme" in changed:
        changed["prepend_scheme"] = "never"
    return changed


def control_pattern(tokens: Iterable[AddedToken], *, spaces: bool = False) -> re.Pattern[str] | None:
    """Matches any of these tokens, longest first; with ``spaces`` also the blanks that they swallow."""
    found = sorted((t for t in tokens if t.content), key=lambda t: -len(t.content))
    if not found:
        return None
    alternatives = "|".join(
        ("\\s*" if spaces and t.lstrip else "")
        + re.escape(t.content)
        + ("\\s*" if spaces and t.rstrip else "")
        for t in found
    )
    # Hundreds of names are tried only where one can begin.
    begins = "".join(sorted({re.escape(t.content[0]) for t in found}))
    blank = "\\s" if spaces and any(t.lstrip for t in found) else ""
    return re.compile(f"(?=[{begins}{blank}])(?:{alternatives})")


class Tokenizer:
    """The tokenizer of one model directory.

    Two encoders stand behind it: the model's own, and the same one without the space that
    SentencePiece-like tokenizers put in front of a text. The second continues a text that was
    cut where no control token is, so that pieces join without a gap.
    """

    def __init__(self, definition: dict[str, Any], named: dict[str, str], eos_ids: frozenset[int]) -> None:
        self._first = FastTokenizer.from_str(json.dumps(definition))
        parts = {key: definition.get(key) for key in ("normalizer", "pre_tokenizer")}
        bare = {key: _without_prefix(part) for key, part in parts.items()}
        same = bare == parts
        self._continued = self._first if same else FastTokenizer.from_str(json.dumps({**definition, **bare}))
        self._byte_level = _mentions(
            [definition.get("decoder"), definition.get("pre_tokenizer")], "ByteLevel"
        )
        self._sentence_piece = _mentions(
            [definition.get("decoder"), definition.get("pre_tokenizer")], "Metaspace"
        ) or "\u2581" in json.dumps(definition.get("normalizer"), ensure_ascii=False)
        self.named = named
        self.added = tuple(_added_tokens(definition))
        self._added_by_id = {token.id: token for token in self.added}
        self._id_by_content = {token.content: token.id for token in self.added}
        self.eos_ids = eos_ids
        # Every conversation under a long system prompt encodes it again. The lists are shared: not changed.
        self._known = lru_cache(_KNOWN_TEXTS)(self._encode)

    @classmethod
    def load(cls, directory: Path) -> "Tokenizer":
        """Read ``tokenizer.json`` and the special tokens that the neighbouring files name.

        Raises:
            ModelError: A file is missing or damaged; says which and how to mend it.
        """
        definition = _read_definition(directory)
        config = read_json_file(directory / "tokenizer_config.json")
        for row in (config.get("added_tokens_decoder") or {}).items():
            _declare(definition, *row)
        named = _named_tokens(directory, config)
        try:
            tokenizer = cls(definition, named, frozenset())
        except Exception as error:  # the Rust library raises bare Exception
            raise ModelError(
                f"{directory / 'tokenizer.json'}: is not a tokenizer that can be loaded "
                f"({error}). Fetch the model again."
            ) from error
        tokenizer.eos_ids = _eos_ids(directory, tokenizer)
        return tokenizer

    @property
    def vocabulary_size(self) -> int:
        """Number of token ids, added tokens included."""
        return self._first.get_vocab_size(with_added_tokens=True)

    @cached_property
    def control_ids(self) -> frozenset[int]:
        """Ids that steer the model and that no content may produce."""
        return frozenset(token.id for token in self.added if token.special)

    @cached_property
    def controls(self) -> re.Pattern[str] | None:
        """Finds the control tokens of a text, with the blanks that they swallow."""
        return control_pattern((token for token in self.added if token.special), spaces=True)

    @cached_property
    def eos(self) -> str:
        """Text of the end-of-sequence token, or an empty string."""
        return self.named.get("eos_token", "")

    @cached_property
    def adds_bos(self) -> bool:
        """Whether the model's own tokenizer starts every text with the bos token."""
        bos = self.token_id(self.named.get("bos_token", ""))
        ids = self._first.encode("a", add_special_tokens=True).ids
        return bos is not None and ids[:1] == [bos]

    @cached_property
    def prefixes_after_control(self) -> bool:
        """Whether text that follows a control token gets the leading space of a new text."""
        plain, continued = self._ids(self._first, "a"), self._ids(self._continued, "a")
        if plain == continued:
            return False
        anchor = next((token for token in self.added if token.special), None)
        if anchor is None:
            return True
        anchored = self._ids(self._first, anchor.content + "a")
        return anchored[:1] != [anchor.id] or anchored[1:] != continued

    @staticmethod
    def _ids(encoder: FastTokenizer, text: str) -> list[int]:
        return encoder.encode(text, add_special_tokens=False).ids

    def token_id(self, text: str) -> int | None:
        """Id of a token by its exact text, or ``None``."""
        known = self._id_by_content.get(text)
        return known if known is not None else (self._first.token_to_id(text) if text else None)

    def encode_piece(self, text: str, *, after: str) -> tuple[list[int], list[int]]:
        """Encode text that holds no control token.

        Args:
            text: The piece.
            after: What stands before it: ``start`` of the text, a ``control`` token, or ``text``.

        Returns:
            Ids, and for each the position in ``text`` where it ends.

        Raises:
            RenderingError: The text cannot be written without producing a control token.
        """
        if not text:
            return [], []
        fresh = after == "start" or (after == "control" and self.prefixes_after_control)
        ids, ends = (self._known if len(text) in _KNOWN_CHARACTERS else self._encode)(text, fresh)
        if self.control_ids.isdisjoint(self._forged(ids)):
            return ids, ends
        if len(text) == 1:
            raise RenderingError(f"The character {text!r} is a control token of this tokenizer; remove it.")
        ids, ends = self.encode_piece(text[0], after=after)
        rest_ids, rest_ends = self.encode_piece(text[1:], after="text")
        return ids + rest_ids, ends + [1 + end for end in rest_ends]

    def _encode(self, text: str, fresh: bool) -> tuple[list[int], list[int]]:
        encoding = (self._first if fresh else self._continued).encode(text, add_special_tokens=False)
        return encoding.ids, [end for _, end in encoding.offsets]

    def _forged(self, ids: list[int]) -> set[int]:
        """Control ids among these, except the unknown token, which is only a gap in the vocabulary."""
        return set(ids) - {self.token_id(self.named.get("unk_token", ""))}

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token adds to the text; a control token gives its own name."""
        added = self._added_by_id.get(token_id)
        if added is not None:
            return added.content.encode()
        token = self._first.id_to_token(token_id)
        if token is None:
            return b""
        if self._byte_level:
            return b"".join(bytes([BYTE_OF[c]]) if c in BYTE_OF else c.encode() for c in token)
        if match := BYTE_FALLBACK.fullmatch(token):
            return bytes([int(match[1], 16)])
        return (token.replace("\u2581", " ") if self._sentence_piece else token).encode()

    def decode(self, ids: list[int]) -> str:
        """The text of these ids; bytes that are not UTF-8 become the replacement character."""
        if self._byte_level or self._sentence_piece:
            return b"".join(map(self.token_bytes, ids)).decode("utf-8", errors="replace")
        return self._first.decode(ids, skip_special_tokens=False)


def _read_definition(directory: Path) -> dict[str, Any]:
    path = directory / "tokenizer.json"
    if path.is_file():
        definition = read_json_file(path)
        # Padding and truncation stored by a training script would change every text.
        return {**definition, "padding": None, "truncation": None}
    if not directory.is_dir():
        raise ModelError(f"{directory}: no such model directory.")
    if (directory / "tokenizer.model").is_file():
        raise ModelError(
            f"{directory}: has only tokenizer.model (SentencePiece). Save a tokenizer.json beside "
            "it, for example with transformers: "
            f"AutoTokenizer.from_pretrained({str(directory)!r}).save_pretrained({str(directory)!r})"
        )
    raise ModelError(f"{directory}: holds no tokenizer.json. Fetch the model again, with its tokenizer.")


def _declare(definition: dict[str, Any], token_id: str, row: Any) -> None:
    """Add a token that only ``tokenizer_config.json`` declares (older exports do that)."""
    known = {token.get("id") for token in definition.get("added_tokens") or []}
    if isinstance(row, dict) and str(token_id).isdigit() and int(token_id) not in known:
        keys = ("single_word", "lstrip", "rstrip", "normalized", "special")
        definition["added_tokens"] = [
            *(definition.get("added_tokens") or []),
            {"id": int(token_id), "content": row.get("content", ""), **{k: bool(row.get(k)) for k in keys}},
        ]


def _added_tokens(definition: dict[str, Any]) -> list[AddedToken]:
    return [
        AddedToken(
            row["id"],
            row["content"],
            bool(row.get("special")),
            bool(row.get("lstrip")),
            bool(row.get("rstrip")),
        )
        for row in definition.get("added_tokens") or []
        if row.get("content")
    ]


def _named_tokens(directory: Path, config: dict[str, Any]) -> dict[str, str]:
    """Texts of bos, eos and their kin; ``tokenizer_config.json`` has the last word."""
    named: dict[str, str] = {}
    for values in (read_json_file(directory / "special_tokens_map.json"), config):
        for name in NAMED_TOKENS:
            value = values.get(name)
            text = value.get("content") if isinstance(value, dict) else value
            if isinstance(text, str) and text:
                named[name] = text
    return named


def _eos_ids(directory: Path, tokenizer: Tokenizer) -> frozenset[int]:
    """Every id that ends a reply: of the tokenizer, the model and its generation settings."""
    found: set[int] = set()
    for name in ("config.json", "generation_config.json"):
        values = read_json_file(directory / name)
        text_part = values.get("text_config")
        for holder in (values, text_part if isinstance(text_part, dict) else {}):
            value = holder.get("eos_token_id")
            found.update(v for v in (value if isinstance(value, list) else [value]) if isinstance(v, int))
    own = tokenizer.token_id(tokenizer.eos)
    found |= {own} if own is not None else set()
    if not tokenizer.eos and found:
        first = min(found)
        tokenizer.named["eos_token"] = tokenizer.token_bytes(first).decode(errors="replace")
        tokenizer.__dict__.pop("eos", None)
    return frozenset(found)
