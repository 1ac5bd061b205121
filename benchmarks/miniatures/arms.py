"""Arms: the same scripts played by a model under one kind of prompt."""

from collections.abc import Callable, Sequence

from benchmarks.miniatures.decoder import Conversations, Speaker
from benchmarks.miniatures.plan import MEASURED_TURNS, Asked, Script
from benchmarks.miniatures.scores import Given

__all__ = ["ask_each", "play"]

BATCH = 24
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
    # All copies in one batch: the weights are read once for all of its rows.
    aside = [(row, asked) for row, listed in enumerate(lines) for asked in listed[1:]]
    if aside and turn in MEASURED_TURNS:
        replies = talks.fork([row for row, _ in aside]).replies([asked.user for _, asked in aside])
        given += [
            Given(numbers[row], turn, asked, reply)
            for (row, asked), reply in zip(aside, replies, strict=True)
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
    order = sorted(range(len(systems)), key=lambda number: len(systems[number]))
    found: list[tuple[int, Asked, str]] = []
    for start in range(0, len(order), BATCH):
        numbers = order[start : start + BATCH]
        # Copies of one conversation, so that a long system prompt is read once for all its questions.
        pairs = [(row, asked) for row, number in enumerate(numbers) for asked in lines[number]]
        if not pairs:
            continue
        talks = speaker.open([systems[number] for number in numbers], room=1)
        replies = talks.fork([row for row, _ in pairs]).replies([asked.user for _, asked in pairs])
        found += [(numbers[row], asked, reply) for (row, asked), reply in zip(pairs, replies, strict=True)]
    return found
