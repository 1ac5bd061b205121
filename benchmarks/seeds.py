"""Seeds: does a seeded reply depend on what is generated beside it, and what does the guarantee cost?

    python -m benchmarks.seeds [--replies 300] [--model understudy/mini]

Speaks seeded and greedy requests twice: each alone, and as one row in sixteen whose neighbours join and
leave. Prints how many texts differ, how many tokens were chosen again from a reading of the row alone, and
how often that changed the token.
"""

import argparse
import random
import time

import torch

from understudy.api.bases import resolve_base
from understudy.inference.batch import MAX_ROWS, Batch, Row, make_rows
from understudy.inference.request import ChatRequest
from understudy.inference.sampling import Choice
from understudy.inference.voices import Voice, Voices

PROMPTS = (
    "You are Princess Ophelia.",
    "You are Princess Ophelia of Lanternhill. " + "The sea is near. " * 120,
)
TOKENS = 40


class CountingBatch(Batch):
    """Counts what the guarantee costs."""

    tokens = again = changed = 0

    def _settled(self, choice: Choice, rows: list[Row]) -> list[int]:
        tokens = super()._settled(choice, rows)
        CountingBatch.tokens += len(tokens)
        CountingBatch.again += sum(rows[place].sampler.repeatable for place in choice.close)
        CountingBatch.changed += sum(a != b for a, b in zip(tokens, choice.tokens, strict=True))
        return tokens


def make_row(voice: Voice, base: object, number: int, seeded: bool = True) -> Row:
    """One row: settings and lengths differ, and every fourth is greedy."""
    told = {"role": "system", "content": PROMPTS[number % 2]}
    asked = {"role": "user", "content": f"Tell me {'more ' * (number % 9)}about the number {number}."}
    request = ChatRequest(
        id=number, base=base, adapter=None, messages=[told, asked],
        temperature=(1.0, 0.7, 0.0, 1.3)[number % 4], top_p=(1.0, 0.9, 0.95)[number % 3],
        seed=number if seeded else None,
    )  # fmt: skip
    return make_rows(request, voice.renderer.prompt(request.messages).ids, voice, TOKENS)[0]


def speak(rows: list[Row], chance: random.Random) -> None:
    """Speak rows that join a few at a time until all are finished."""
    batch, waiting = CountingBatch(rows[0].voice.base, rows[0].preamble), list(rows)
    while waiting or batch.active:
        free = MAX_ROWS - batch.active
        if waiting and free and (not batch.active or chance.random() < 0.3):
            joining = waiting[: min(free, chance.randint(1, 5))]
            del waiting[: len(joining)]
            batch.admit(joining)
        batch.step()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--replies", type=int, default=300)
    parser.add_argument("--model", default="understudy/mini")
    options = parser.parse_args()
    base, chance = resolve_base(options.model), random.Random(1)
    began = time.monotonic()
    with torch.inference_mode():
        alone = {}
        voice = Voices().get(base, None)
        for number in range(options.replies):
            row = make_row(voice, base, number)
            speak([row], chance)
            alone[number] = row.tokens
        CountingBatch.tokens = CountingBatch.again = CountingBatch.changed = 0
        voice = Voices().get(base, None)  # Nothing read before is kept.
        different = 0
        for parity in (0, 1):  # Rows of one batch share their system prompt.
            numbers = range(parity, options.replies, 2)
            wanted = [make_row(voice, base, number) for number in numbers]
            others = [make_row(voice, base, 10_000 + n, seeded=False) for n in numbers]
            mixed = [row for pair in zip(wanted, others, strict=True) for row in pair]
            chance.shuffle(mixed)
            speak(mixed, chance)
            different += sum(row.tokens != alone[row.request.id] for row in wanted)
    tokens, again, changed = CountingBatch.tokens, CountingBatch.again, CountingBatch.changed
    print(f"{options.model}: {options.replies} replies, {different} differ from the same request alone")
    print(
        f"{tokens} tokens beside others; {again} chosen again ({again / tokens:.3%}), {changed} changed by it"
    )
    print(f"{time.monotonic() - began:.0f} s, torch {torch.__version__}, {torch.get_num_threads()} threads")


if __name__ == "__main__":
    main()
