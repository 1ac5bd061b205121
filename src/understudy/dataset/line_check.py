"""Line check: all rules for the lines of a training file, in one pass, holding counters and hashes only."""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from understudy.dataset.example_rules import check_row, learned_replies, warn_of_disclaimer
from understudy.dataset.fast_tokens import token_counts
from understudy.dataset.held_out import HeldOut
from understudy.dataset.json_line import parse_line
from understudy.dataset.message_rules import message_text
from understudy.dataset.personal_data import (
    find_personal_data,
    find_secrets,
    may_hold_personal_data,
    may_hold_secrets,
)
from understudy.dataset.problem import Place, Problem, ProblemList
from understudy.dataset.repeats import Repeats
from understudy.dataset.sound_rows import (
    MAX_SYSTEM_PROMPTS,
    Counted,
    Row,
    SoundRows,
    read_row,
    read_rows,
)
from understudy.dataset.tokens import count_example_tokens, encoding_name
from understudy.errors import RenderingError
from understudy.rendering import Renderer, learned_nothing

__all__ = ["CheckSettings", "LineCheck"]

NAMED_FINDINGS = 3
MAX_LINE_BYTES = 64 * 2**20


@dataclass(frozen=True)
class CheckSettings:
    """What to check against.

    renderer: Counts with a local model. held_out: Holds lines to keep out of training. fast: Whether to load
    what counts tokens fastest, which pays on a large file.
    """

    method: str
    model: str
    max_tokens: int
    renderer: Renderer | None = None
    held_out: HeldOut | None = None
    fast: bool = False


class LineCheck:
    """One pass over a file or a part of it; never holds the lines."""

    def __init__(self, settings: CheckSettings) -> None:
        self.settings = settings
        self.found = ProblemList()
        self.counts: Counter[str] = Counter()
        self.repeats = Repeats()
        self.system_prompts: set[str] = set()
        self.of_prompts: dict[str, list[Problem]] = {}
        self.lines = self.examples = self.with_images = self.tokens = self.longest = 0
        self.sound_rows: SoundRows | None = None
        if settings.method == "supervised" and settings.renderer is None:
            self.sound_rows = SoundRows(
                token_counts(encoding_name(settings.model), settings.fast),
                settings.max_tokens,
                self.system_prompts,
                settings.held_out.find if settings.held_out else None,
            )

    def check(self, data: bytes) -> None:
        """All rules for whole lines that follow those checked before."""
        rows: Sequence[Row | None] | None = read_rows(data) if self.sound_rows else None
        if rows is not None:
            numbers = range(self.lines + 1, self.lines + len(rows) + 1)
            self._check_rows(numbers, rows, lambda: data.split(b"\n"))
            self.lines += len(rows)
            return
        lines = data.removesuffix(b"\n").split(b"\n")
        kept: dict[int, bytes] = {}
        for number, line in enumerate(lines, self.lines + 1):
            line = line.strip(b" \t\r\n")
            if len(line) > MAX_LINE_BYTES:
                Place(self.found, number).error(
                    f"is longer than {MAX_LINE_BYTES // 2**20} MiB.", "Check that the file has line breaks."
                )
            elif line:
                kept[number] = line
        rows = list(map(read_row if self.sound_rows else _read_nothing, kept.values()))
        self._check_rows(list(kept), rows, lambda: list(kept.values()))
        self.lines += len(lines)

    def _check_rows(
        self, numbers: Sequence[int], rows: Sequence[Row | None], lines: Callable[[], Sequence[bytes]]
    ) -> None:
        """Rules for rows with the numbers of their lines; ``lines`` cuts these, where one is looked at."""
        sound = self.sound_rows.read(rows) if self.sound_rows else Counted()
        self.counts.update(sound.counts)
        self.tokens += int(sound.tokens.sum())
        self.longest = max(self.longest, int(sound.tokens.max(initial=0)))
        hashes: Sequence[int] = sound.hashes
        examples: Sequence[int] = range(self.examples + 1, self.examples + len(rows) + 1)
        self.examples += len(rows)
        careful = set(range(len(rows))).difference(sound.indices) if len(hashes) < len(rows) else set()
        by_row = dict(zip(sound.indices, hashes, strict=True)) if careful else {}
        cut = lines() if careful else ()
        for index in sorted(careful.union(sound.machine, sound.private)):
            place = Place(self.found, numbers[index], examples[index])
            if index in careful:
                if (value := self._check_carefully(cut[index], place)) is not None:
                    by_row[index] = value
            elif (row := rows[index]) is not None:
                self._check_marked(row, sound.machine.get(index, ()), sound.private.get(index, ()), place)
        if careful:
            known = sorted(by_row)
            numbers, examples = [numbers[n] for n in known], [examples[n] for n in known]
            hashes = [by_row[n] for n in known]
        self.repeats.add(numbers, examples, hashes)

    def _check_marked(self, row: Row, machine: Sequence[int], private: Sequence[int], place: Place) -> None:
        """What is found in some messages of a row that breaks no rule otherwise."""
        said = row.said()
        for position in machine:
            if row.is_learned(position):
                asked = (text for role, text in said[:position] if role == "user")
                warn_of_disclaimer(said[position][1], asked, place.at(f"message {position + 1}"))
        for position in private:
            self._find_private(*said[position], place.at(f"message {position + 1}"))

    def extend(self, other: "LineCheck") -> None:
        """Add what was found in the part of the file that follows."""
        for prompt in self.of_prompts.keys() & other.of_prompts.keys():
            other.found.drop(other.of_prompts.pop(prompt))
        self.of_prompts.update(other.of_prompts)
        self.found.extend(other.found, self.lines, self.examples)
        self.repeats.extend(other.repeats, self.lines, self.examples)
        self.counts.update(other.counts)
        self.lines += other.lines
        self.examples += other.examples
        self.with_images += other.with_images
        self.tokens += other.tokens
        self.longest = max(self.longest, other.longest)

    def _check_carefully(self, data: bytes, place: Place) -> int | None:
        """Rule by rule; returns a hash of what the line means, where it is an object."""
        try:
            row = parse_line(data, place)
            return None if row is None else self._check_row(row, data, place)
        except RecursionError:
            place.error("is nested too deeply.", "Write one flat object per line.")
            return None

    def _check_row(self, row: dict[str, Any], data: bytes, place: Place) -> int:
        messages = check_row(row, self.settings.method, place)
        plain = read_row(data)
        value = hash(plain)
        if plain is None:
            spelling = json.dumps(row, sort_keys=True, ensure_ascii=True).encode()
            value = int.from_bytes(hashlib.blake2b(spelling, digest_size=8).digest(), "little", signed=True)
        self.counts.update(message["role"] for message in messages)
        if self.settings.method == "supervised":
            self.counts["learned replies"] += len(learned_replies(messages))
        self.with_images += b'"image_url"' in data
        if messages:
            self._measure(messages, place)
            said = [(message["role"], message_text(message)) for message in messages]
            for number, (role, text) in enumerate(said, 1):
                self._find_private(role, text, place.at(f"message {number}"))
            self._find_held_out(said, place)
        return value

    def _find_private(self, role: str, text: str, place: Place) -> None:
        """Personal data and secrets in what is said; in a system prompt that stands everywhere, once."""
        if role != "system":
            _warn_of_private(text, place)
        elif text not in self.system_prompts:
            found = Place(ProblemList(), place.line, place.example, place.within)
            _warn_of_private(text, found)
            self.found.extend(found.found)
            if len(self.system_prompts) < MAX_SYSTEM_PROMPTS:
                self.system_prompts.add(text)
                if found.found.kept:
                    self.of_prompts[text] = found.found.kept

    def _find_held_out(self, messages: list[tuple[str, str]], place: Place) -> None:
        if self.settings.held_out is None:
            return
        for number, (role, text) in enumerate(messages, 1):
            where = self.settings.held_out.find(role, text)
            if where:
                place.at(f"message {number}").warning(
                    f"is nearly the same as a line of {where}: a test on it would test memory.",
                    "Leave the example out of one of the two files.",
                    "held_out_line",
                )

    def _measure(self, messages: list[dict[str, Any]], place: Place) -> None:
        settings = self.settings
        try:
            tokens = (
                settings.renderer.count(messages)
                if settings.renderer
                else count_example_tokens(messages, model=settings.model)
            )
            nothing = (
                settings.renderer is not None
                and settings.method == "supervised"
                and self._learns_nothing(messages)
            )
        except RenderingError as error:
            place.error(
                f"cannot be rendered for {settings.model}: {error}", "Change the messages as it says."
            )
            return
        if nothing and learned_replies(messages):
            self._add_tokens(tokens)
            place.error(
                f"learns nothing: it is cut off after {settings.max_tokens} of {tokens} tokens, "
                "before a reply.",
                "Shorten what comes before the reply, or raise the token limit.",
            )
        else:
            self._add_tokens(tokens, place)

    def _add_tokens(self, tokens: int, place: Place | None = None) -> None:
        limit = self.settings.max_tokens
        self.longest = max(self.longest, tokens)
        self.tokens += min(tokens, limit)
        if place and tokens > limit:
            place.warning(
                f"has {tokens} tokens; training cuts it off after {limit}.",
                "Split the conversation.",
                "too_long",
            )

    def _learns_nothing(self, messages: list[dict[str, Any]]) -> bool:
        renderer, limit = self.settings.renderer, self.settings.max_tokens
        assert renderer is not None
        return all(map(learned_nothing, renderer.examples(messages, max_tokens=limit)))


def _warn_of_private(text: str, place: Place) -> None:
    if may_hold_personal_data(text):
        for kind, words in list(find_personal_data(text))[:NAMED_FINDINGS]:
            place.warning(f"holds {kind} ({words}).", "Replace it by an invented one.", "personal_data")
    if may_hold_secrets(text):
        for kind, words in list(find_secrets(text))[:NAMED_FINDINGS]:
            place.warning(
                f"holds what looks like {kind} ({words}).",
                "Remove it, and make it invalid where it was issued.",
                "secret",
            )


def _read_nothing(line: bytes) -> Row | None:
    """Where every line is to be looked at rule by rule."""
    return None
