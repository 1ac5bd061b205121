"""Arms: the same scripts played by a model under one kind of prompt."""

from collections.abc import Callable, Sequence

from benchmarks.miniatures.decoder import Conversations, Speaker
from benchmarks.miniatures.plan import MEASURED_TURNS, Asked, Script
from benchmarks.miniatures.scores import Given

__all__ = ["ask_each", "play"]

BATCH = 20
ROOM = 900


def play(
    speaker: Speaker,
    scripts: Sequence[Script],
    prompt: Callable[[Script], str],
    say: Callable[[str], None] = lambda text: None,
) -> list[Given]:
    """Replies at the measured turns. Scripts of like length share a batch."""
    order = sorted(range(len(scripts)), key=lambda number: len(prompt(scripts[number])))
    given: list[Given] = []
    for start in range(0, len(order), BATCH):
        numbers = order[start : start + BATCH]
        talks = speaker.open([prompt(scripts[number]) for number in numbers], room=ROOM)
        for turn, _ in enumerate(scripts[0].turns, 1):
            given += _play_turn(talks, scripts, numbers, turn)
        say(f"{min(start + BATCH, len(order))}/{len(order)}")
    return given


def _play_turn(
    talks: Conversations, scripts: Sequence[Script], numbers: Sequence[int], turn: int
) -> list[Given]:
    """The turn's first line goes on in the conversation; the others are asked of copies of it."""
    lines = [scripts[number].turns[turn - 1] for number in numbers]
    given: list[Given] = []
    for kind in range(1, max(map(len, lines))) if turn in MEASURED_TURNS else ():
        rows = [row for row, asked in enumerate(lines) if kind < len(asked)]
        replies = talks.fork(rows).replies([lines[row][kind].user for row in rows])
        given += [
            Given(numbers[row], turn, lines[row][kind], reply)
            for row, reply in zip(rows, replies, strict=True)
        ]
    replies = talks.replies([asked[0].user for asked in lines])
    if turn in MEASURED_TURNS:
        given += [
            Given(number, turn, asked[0], reply)
            for number, asked, reply in zip(numbers, lines, replies, strict=True)
        ]
    return given


def ask_each(
    speaker: Speaker, systems: Sequence[str], lines: Sequence[Sequence[Asked]]
) -> list[tuple[int, Asked, str]]:
    """Single questions: ``lines[n]`` are asked under ``systems[n]``, each of a fresh conversation."""
    pairs = [(n, asked) for n, listed in enumerate(lines) for asked in listed]
    pairs.sort(key=lambda pair: len(systems[pair[0]]))
    found: list[tuple[int, Asked, str]] = []
    for start in range(0, len(pairs), BATCH):
        part = pairs[start : start + BATCH]
        replies = speaker.open([systems[n] for n, _ in part], room=160).replies([a.user for _, a in part])
        found += [(n, asked, reply) for (n, asked), reply in zip(part, replies, strict=True)]
    return found
