"""Check: every problem of a training file at once, before anything is uploaded or paid."""

import os
import threading
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from understudy.dataset.check_result import CheckResult
from understudy.dataset.example_rules import METHODS
from understudy.dataset.held_out import HeldOut
from understudy.dataset.line_check import MAX_LINE_BYTES, CheckSettings, LineCheck
from understudy.dataset.problem import INVALID_COUNT, Place, ProblemList
from understudy.dataset.tokens import context_limit
from understudy.errors import ConfigError
from understudy.rendering import Renderer

__all__ = ["CheckResult", "check_file"]

FEWEST_EXAMPLES = 10
ADVISED_EXAMPLES = 50
MAX_FILE_BYTES = 512 * 2**20
MAX_EXAMPLES_WITH_IMAGES = 50_000
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
BLOCK_BYTES = 2**20
# For a smaller file the fastest tokenizer takes longer to load than it saves.
FAST_BYTES = 12 * 2**20
# A smaller part is done before another process has started.
PART_BYTES = 8 * 2**20


def check_file(
    path: Path,
    *,
    method: str = "supervised",
    model: str = "gpt-4o-mini",
    renderer: Renderer | None = None,
    max_tokens: int | None = None,
    held_out: Iterable[Path] = (),
    processes: int = 1,
) -> CheckResult:
    """Check a training file against every rule of the service, in one pass, in bounded memory.

    Args:
        path: A JSONL file. A name without any suffix is taken too (stored uploads have none).
        method: ``supervised``, ``dpo`` or ``reinforcement``.
        model: OpenAI model whose tokenizer and context limit count, or the name of ``renderer``'s model.
        renderer: Counts with a local model's tokenizer and template, and finds examples that learn nothing.
        max_tokens: Longest example; default: the context limit of ``model``.
        held_out: Files whose lines must not be learned, such as ``test.jsonl``.
        processes: How many may work at once on a large file. More than one only in a program with a single
            thread, because they are forked.

    Returns:
        All problems with line, example and remedy. Also a missing or unreadable file is a problem,
        not an exception. Memory holds 16 bytes an example.

    Raises:
        ConfigError: No such method.
        DatasetError: A held-out file cannot be read.
    """
    if method not in METHODS:
        raise ConfigError(f"--method {method!r} is not one of {', '.join(METHODS)}.")
    path, others = Path(path), list(held_out)
    limit = max_tokens or context_limit(model)
    fast = path.is_file() and path.stat().st_size > FAST_BYTES and threading.active_count() == 1
    settings = CheckSettings(method, model, limit, renderer, HeldOut(others) if others else None, fast)
    check = LineCheck(settings)
    whole = Place(ProblemList())
    try:
        if _check_name(path, whole) and _is_jsonl(path, whole):
            for part in _parts(path, settings, processes):
                check.extend(part)
            _check_whole(check, path.stat().st_size, whole)
    except OSError as error:
        whole.error(f"cannot be read ({error.strerror}).", "Check the name and the permissions.")
    for line, example, first in check.repeats:
        place = Place(check.found, line, example)
        place.warning(f"is the same as line {first}.", "Delete one of them.", "duplicate_example")
    check.found.sort()
    check.found.extend(whole.found)
    return CheckResult(
        path=path,
        method=method,
        model=model,
        examples=check.examples,
        problems=check.found.kept,
        errors=check.found.errors,
        warnings=check.found.warnings,
        counts={what: count for what, count in check.counts.items() if count},
        tokens=check.tokens,
        longest_tokens=check.longest,
        max_tokens=limit,
        hidden=check.found.hidden,
        held_out=[str(other) for other in others],
    )


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


def _is_jsonl(path: Path, place: Place) -> bool:
    """Whether the first line could be one of JSONL."""
    lines = next(_blocks(path, 0, path.stat().st_size), b"")
    data = lines.partition(b"\n")[0].strip(b" \t\r\n")
    if data.startswith(UTF16_MARKS):
        place.error("is UTF-16 text.", "Save the file as UTF-8.")
    elif data in (b"[", b"{"):
        place.error(
            "is one JSON document over many lines, not JSONL.",
            "Write each example as one line, for example with json.dumps for each.",
        )
    else:
        return True
    return False


def _check_whole(check: LineCheck, size: int, place: Place) -> None:
    """Rules for the file as a whole."""
    if size > MAX_FILE_BYTES:
        place.error(f"the file has {size / 2**20:.0f} MiB; the limit is 512.", "Split the file.")
    if check.examples < FEWEST_EXAMPLES:
        place.error(
            f"{check.examples} example{'s' * (check.examples != 1)} found; at least {FEWEST_EXAMPLES} are "
            "needed.",
            "Add examples.",
            INVALID_COUNT,
        )
    elif check.examples < ADVISED_EXAMPLES:
        place.warning(
            f"only {check.examples} examples; 50 to 100 are advised.", "Add examples.", "few_examples"
        )
    if check.with_images > MAX_EXAMPLES_WITH_IMAGES:
        place.error(f"{check.with_images} examples hold images; the limit is 50,000.", "Leave some out.")


def _parts(path: Path, settings: CheckSettings, processes: int) -> Iterator[LineCheck]:
    """Check parts of the file, at once where it is large, and yield them in order."""
    size = path.stat().st_size
    count = min(processes, size // PART_BYTES + 1)
    may_fork = hasattr(os, "fork") and threading.active_count() == 1 and settings.renderer is None
    if count < 2 or not may_fork:
        yield _check_part(path, settings, 0, size)
        return
    import multiprocessing

    # More parts than processes, so that none waits long for the slowest.
    bounds = _bounds(path, size, 4 * count)
    jobs = [(path, settings, start, end) for start, end in pairwise(bounds)]
    with multiprocessing.get_context("fork").Pool(count) as pool:
        yield from pool.imap(_check_job, jobs)


def _bounds(path: Path, size: int, count: int) -> list[int]:
    """Positions between lines that cut the file into about equal parts."""
    found = {0, size}
    with path.open("rb") as file:
        for number in range(1, count):
            file.seek(size * number // count)
            if file.readline(MAX_LINE_BYTES).endswith(b"\n"):
                found.add(file.tell())
    return sorted(found)


def _check_job(job: tuple[Path, CheckSettings, int, int]) -> LineCheck:
    part = _check_part(*job)
    part.sound_rows = None  # holds what cannot be sent to another process
    return part


def _check_part(path: Path, settings: CheckSettings, start: int, end: int) -> LineCheck:
    check = LineCheck(settings)
    for lines in _blocks(path, start, end):
        check.check(lines)
    return check


def _blocks(path: Path, start: int, end: int) -> Iterator[bytes]:
    """Whole lines of about a megabyte; of overlong lines only the beginning.

    Without byte order mark. The part must begin and end between lines.
    """
    with path.open("rb") as file:
        file.seek(start)
        rest = b""
        while data := file.read(min(BLOCK_BYTES, end - file.tell())):
            if start == 0 and file.tell() == len(data):
                data = data.removeprefix(BYTE_ORDER_MARK)
            cut = data.rfind(b"\n") + 1
            if len(rest) > MAX_LINE_BYTES:
                data = data[max(0, data.find(b"\n")) :] if cut else b""
                cut = data.rfind(b"\n") + 1
            if cut:
                yield rest + data[:cut]
                rest = data[cut:]
            else:
                rest += data
        if rest:
            yield rest
