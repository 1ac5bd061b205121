"""Check: every problem of a training file at once, before anything is uploaded or paid."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from understudy.dataset.example_rules import METHODS, check_row, learned_replies
from understudy.dataset.problem import INVALID_COUNT, Place, Problem, ProblemList
from understudy.dataset.tokens import context_limit, count_example_tokens
from understudy.errors import ConfigError, RenderingError
from understudy.rendering import Renderer, learned_nothing
from understudy.textfile import json_fault

__all__ = ["CheckResult", "check_file"]

FEWEST_EXAMPLES = 10
ADVISED_EXAMPLES = 50
MAX_FILE_BYTES = 512 * 2**20
MAX_EXAMPLES_WITH_IMAGES = 50_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
JSON_KINDS = {
    list: "a JSON list",
    str: "a JSON text",
    int: "a JSON number",
    float: "a JSON number",
    bool: "true or false",
    type(None): "null",
}


@dataclass(frozen=True)
class CheckResult:
    """What a file holds and what is wrong with it.

    counts: messages by role, learned replies. tokens: of all examples, each at most ``max_tokens``,
    as ``model`` counts them. hidden: problems found beyond those that are listed.
    """

    path: Path
    method: str
    model: str
    examples: int
    problems: list[Problem]
    errors: int
    warnings: int
    counts: dict[str, int] = field(default_factory=dict)
    tokens: int = 0
    longest_tokens: int = 0
    max_tokens: int = 0
    hidden: int = 0

    @property
    def ok(self) -> bool:
        """Whether the service would take the file."""
        return self.errors == 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        names = (
            "method",
            "model",
            "examples",
            "errors",
            "warnings",
            "hidden",
            "counts",
            "tokens",
            "longest_tokens",
            "max_tokens",
        )
        return {
            "path": str(self.path),
            "ok": self.ok,
            **{name: getattr(self, name) for name in names},
            "problems": [problem.as_dict() for problem in self.problems],
        }


class _Checking:
    """One pass over one file; holds counters and hashes, never the file."""

    def __init__(self, method: str, model: str, renderer: Renderer | None, max_tokens: int | None) -> None:
        self.method, self.model, self.renderer = method, model, renderer
        self.max_tokens = max_tokens or context_limit(model)
        self.found = ProblemList()
        self.counts: Counter[str] = Counter()
        self.examples = self.with_images = self.tokens = self.longest = 0
        self.first_lines: dict[bytes, int] = {}

    def check_line(self, line: int, data: bytes) -> None:
        """All rules for one line that is not blank."""
        self.examples += 1
        place = Place(self.found, line, self.examples)
        try:
            row = _parse(data, place)
            if row is not None:
                self._check_row(row, line, data, place)
        except RecursionError:
            place.error("is nested too deeply.", "Write one flat object per line.")

    def _check_row(self, row: dict[str, Any], line: int, data: bytes, place: Place) -> None:
        messages = check_row(row, self.method, place)
        self._find_duplicate(row, line, place)
        self.counts.update(message["role"] for message in messages)
        self.counts["learned replies"] += len(learned_replies(messages)) if self.method == "supervised" else 0
        self.with_images += b'"image_url"' in data
        if messages:
            self._measure(messages, place)

    def _find_duplicate(self, row: dict[str, Any], line: int, place: Place) -> None:
        text = json.dumps(row, sort_keys=True, ensure_ascii=True)
        first = self.first_lines.setdefault(hashlib.blake2b(text.encode(), digest_size=16).digest(), line)
        if first != line:
            place.warning(f"is the same as line {first}.", "Delete one of them.", "duplicate_example")

    def _measure(self, messages: list[dict[str, Any]], place: Place) -> None:
        try:
            tokens = (
                self.renderer.count(messages)
                if self.renderer
                else count_example_tokens(messages, model=self.model)
            )
            nothing = (
                self.renderer is not None and self.method == "supervised" and self._learns_nothing(messages)
            )
        except RenderingError as error:
            place.error(f"cannot be rendered for {self.model}: {error}", "Change the messages as it says.")
            return
        self.longest = max(self.longest, tokens)
        self.tokens += min(tokens, self.max_tokens)
        if nothing and learned_replies(messages):
            place.error(
                f"learns nothing: it is cut off after {self.max_tokens} of {tokens} tokens, before a reply.",
                "Shorten what comes before the reply, or raise the token limit.",
            )
        elif tokens > self.max_tokens:
            place.warning(
                f"has {tokens} tokens; training cuts it off after {self.max_tokens}.",
                "Split the conversation.",
                "too_long",
            )

    def _learns_nothing(self, messages: list[dict[str, Any]]) -> bool:
        assert self.renderer is not None
        return all(map(learned_nothing, self.renderer.examples(messages, max_tokens=self.max_tokens)))

    def check_whole(self, size: int) -> None:
        """Rules for the file as a whole."""
        place = Place(self.found)
        if size > MAX_FILE_BYTES:
            place.error(f"the file has {size / 2**20:.0f} MiB; the limit is 512.", "Split the file.")
        if self.examples < FEWEST_EXAMPLES:
            place.error(
                f"{self.examples} example{'s' * (self.examples != 1)} found; at least {FEWEST_EXAMPLES} are "
                "needed.",
                "Add examples.",
                INVALID_COUNT,
            )
        elif self.examples < ADVISED_EXAMPLES:
            place.warning(
                f"only {self.examples} examples; 50 to 100 are advised.", "Add examples.", "few_examples"
            )
        if self.with_images > MAX_EXAMPLES_WITH_IMAGES:
            place.error(f"{self.with_images} examples hold images; the limit is 50,000.", "Leave some out.")


def _parse(data: bytes, place: Place) -> dict[str, Any] | None:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        place.error(
            f"byte {error.start + 1} of the line (0x{data[error.start]:02x}) is not UTF-8.",
            "Save the file as UTF-8.",
        )
        return None
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        place.error(f"is not JSON ({error.msg} at column {error.colno}): {text[:40]!r}", _json_remedy(text))
        return None
    except ValueError as error:
        place.error(f"{json_fault(error)}.", "Write the number shorter, or as text.")
        return None
    if not isinstance(row, dict):
        place.error(f"is {JSON_KINDS[type(row)]}, not an object.", "Write one {...} per line.")
        return None
    return row


def _json_remedy(text: str) -> str:
    if text.strip() in ("[", "{") or text.rstrip().endswith(","):
        return (
            "JSONL has one whole object on each line, without brackets around them and commas between them."
        )
    return "Write the line again as one JSON object, for example with json.dumps."


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Lines that are not blank, without byte order mark and line end, with their numbers."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            data = (line.removeprefix(BYTE_ORDER_MARK) if number == 1 else line).strip(b" \t\r\n")
            if data:
                yield number, data


def _check_name(path: Path, place: Place) -> bool:
    """Whether there is a file to read."""
    if path.is_dir():
        place.error("is a folder.", "Name a .jsonl file in it.")
    elif not path.exists():
        place.error("no such file.", "Check the name.")
    elif path.stat().st_size == 0:
        place.error("the file is empty.", "Build it again: understudy build NAME")
    elif path.suffix.casefold() not in (".jsonl", ""):
        place.error(f"is a {path.suffix!r} file; only .jsonl is taken.", "Rename it, or export it as JSONL.")
        return True
    else:
        return True
    return False


def check_file(
    path: Path,
    *,
    method: str = "supervised",
    model: str = "gpt-4o-mini",
    renderer: Renderer | None = None,
    max_tokens: int | None = None,
) -> CheckResult:
    """Check a training file against every rule of the service, in one pass, in constant memory.

    Args:
        path: A JSONL file. A name without any suffix is taken too (stored uploads have none).
        method: ``supervised``, ``dpo`` or ``reinforcement``.
        model: OpenAI model whose tokenizer and context limit count, or the name of ``renderer``'s model.
        renderer: Counts with a local model's tokenizer and template, and finds examples that learn nothing.
        max_tokens: Longest example; default: the context limit of ``model``.

    Returns:
        All problems with line, example and remedy. Also a missing or unreadable file is a problem,
        not an exception.

    Raises:
        ConfigError: No such method.
    """
    if method not in METHODS:
        raise ConfigError(f"--method {method!r} is not one of {', '.join(METHODS)}.")
    path = Path(path)
    checking = _Checking(method, model, renderer, max_tokens)
    whole = Place(checking.found)
    try:
        if _check_name(path, whole):
            for line, data in _lines(path):
                if data.startswith(UTF16_MARKS) and not checking.examples:
                    whole.error("is UTF-16 text.", "Save the file as UTF-8.")
                    break
                if data in (b"[", b"{") and not checking.examples:
                    whole.error(
                        "is one JSON document over many lines, not JSONL.",
                        "Write each example as one line, for example with json.dumps for each.",
                    )
                    break
                checking.check_line(line, data)
            else:
                checking.check_whole(path.stat().st_size)
    except OSError as error:
        whole.error(f"cannot be read ({error.strerror}).", "Check the name and the permissions.")
    return CheckResult(
        path=path,
        method=method,
        model=model,
        examples=checking.examples,
        problems=checking.found.kept,
        errors=checking.found.errors,
        warnings=checking.found.warnings,
        counts=dict(checking.counts),
        tokens=checking.tokens,
        longest_tokens=checking.longest,
        max_tokens=checking.max_tokens,
        hidden=checking.found.hidden,
    )
