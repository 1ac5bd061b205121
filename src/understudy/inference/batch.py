"""Batch: rows of one base that are spoken together, whoever speaks; they join and leave between steps."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from understudy.inference.cache import Layers, join_rows, layers_of, new_cache
from understudy.inference.preamble import Preamble
from understudy.inference.reading import Sequence_, read_prompts
from understudy.inference.request import ChatRequest
from understudy.inference.sampling import Choice, Sampler, choose_tokens, token_logprobs
from understudy.inference.text import ReplyText
from understudy.inference.voices import Base, Voice

if TYPE_CHECKING:
    import torch

__all__ = ["MAX_ROWS", "Batch", "Row", "make_rows"]

MAX_ROWS = 16
KEPT_FROM_TOKENS = 64  # a shorter conversation is read again as quickly


@dataclass
class Row:
    """One choice of one request while it is spoken."""

    request: ChatRequest
    index: int
    voice: Voice
    preamble: Preamble
    prompt: list[int]  # what follows the preamble
    room: int  # tokens it may still write
    sampler: Sampler
    text: ReplyText
    waiting_since: float = field(default_factory=time.monotonic)
    shares: bool = True  # whether its batch keeps the preamble once for all
    position: int = 0
    tokens: list[int] = field(default_factory=list)  # written so far
    finish_reason: str | None = None
    dropped: bool = False
    sent_at: float = 0.0

    @property
    def written(self) -> int:
        return len(self.tokens)

    @property
    def size(self) -> int:
        """Positions that the row may come to occupy, a shared preamble left out."""
        shared = self.preamble.length if self.shares else 0
        return self.preamble.length - shared + len(self.prompt) + self.room + self.written

    @property
    def active(self) -> bool:
        return self.finish_reason is None and not self.dropped


def make_rows(request: ChatRequest, prompt: list[int], voice: Voice, room: int) -> list[Row]:
    """One row for each choice of the request, ``prompt`` being all that the model reads."""
    preamble = voice.preamble(request.messages)
    preamble = preamble if preamble.begins(prompt) else voice.preambles.empty
    own = prompt[preamble.length :]
    renderer = voice.renderer
    fresh = renderer.tokenizer.prefixes_after_control and prompt[-1:] and prompt[-1] in voice.control_ids
    prefix = renderer.reply_prefix or (" " if fresh else "")
    rows = []
    for index in range(request.n):
        seed = f"{request.seed}:{index}" if request.seed is not None else None
        sampler = Sampler(
            request.temperature, request.top_p, request.frequency_penalty, request.presence_penalty, seed
        )
        text = ReplyText(request.stop, prefix)
        rows.append(Row(request, index, voice, preamble, own, room, sampler, text))
    return rows


class Batch:
    """The rows of one base, their cache, and one step at a time.

    Columns are padded on the left: a row that joins is moved to the right edge, so its positions
    stay contiguous and any attention window stays right.

    Args:
        base: Whose rows these are; each speaks with the adapter of its own voice.
        preamble: What all rows begin with, kept once for all; they are then of one voice. Without
            it, rows of any voice may join, and one that has a preamble brings a copy along.
    """

    def __init__(self, base: Base, preamble: Preamble | None = None) -> None:
        self.base = base
        self.preamble = preamble
        self.rows: list[Row] = []
        self._cache: Any = None
        self._mask: torch.Tensor | None = None  # [R, W], true where a row has a token

    @property
    def active(self) -> int:
        return sum(row.active for row in self.rows)

    def admit(self, rows: Sequence[Row]) -> None:
        """Read the prompts of new rows, choose their first tokens and let them join."""
        import torch

        self.compact(force=True)
        prompts: dict[tuple[Any, ...], int] = {}
        sequences: list[Sequence_] = []
        places = []
        for row in rows:
            key = (id(row.voice), id(row.preamble), *row.prompt)
            if key not in prompts:
                prompts[key] = len(sequences)
                sequences.append(Sequence_(row.prompt, [len(row.prompt) - 1], row.voice, row.preamble))
            places.append(prompts[key])
        results = read_prompts(sequences)
        parts = [self._with_preamble(row, results[place][1]) for row, place in zip(rows, places, strict=True)]
        old = [layers_of(self._cache)] if self.rows else []
        joined = join_rows([*old, *parts])
        width = joined[0][0].shape[2]
        mask = torch.zeros((len(self.rows) + len(rows), width), dtype=torch.bool, device=self.base.device)
        if self._mask is not None and self.rows:
            mask[: len(self.rows), width - self._mask.shape[1] :] = self._mask
        for place, (row, part) in enumerate(zip(rows, parts, strict=True), len(self.rows)):
            mask[place, width - part[0][0].shape[2] :] = True
            row.position = row.preamble.length + len(row.prompt)
        self._cache, self._mask = new_cache(joined), mask
        self.rows += rows
        self._choose(torch.cat([results[place][0] for place in places]), list(rows))

    def _with_preamble(self, row: Row, layers: Layers) -> Layers:
        """What the row keeps of its own: its preamble too, unless that is kept for all rows."""
        import torch

        if row.preamble is self.preamble or row.preamble.layers is None:
            return layers
        return [
            (torch.cat([before[0], own[0]], 2), torch.cat([before[1], own[1]], 2))
            for before, own in zip(row.preamble.layers, layers, strict=True)
        ]

    def step(self) -> list[Row]:
        """Write one token in every row. Returns the rows that took part."""
        import torch

        self.compact()
        if not self.rows or self._mask is None:
            return []
        device = self.base.device
        tokens = torch.tensor([row.tokens[-1:] or [0] for row in self.rows], device=device)
        positions = torch.tensor([[row.position] for row in self.rows], device=device)
        self._mask = torch.cat([self._mask, self._mask.new_ones((len(self.rows), 1))], 1)
        logits = self.base.logits(
            tokens,
            torch.ones_like(tokens, dtype=torch.bool),
            [row.voice.adapter for row in self.rows],
            self.preamble,
            attention_mask=self._mask.long(),
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
        )
        for row in self.rows:
            row.position += 1
        places = [place for place, row in enumerate(self.rows) if row.active]
        stepped = [self.rows[place] for place in places]
        if len(stepped) < len(self.rows):
            logits = logits[places]
        self._choose(logits, stepped)
        for place, row in zip(places, stepped, strict=True):
            if row.finish_reason is not None:
                self._keep(row, place)
        return stepped

    def _keep(self, row: Row, place: int) -> None:
        """Store what a finished row has read and written; its conversation's next turn goes on from it."""
        assert self._mask is not None
        read = int(self._mask[place].sum())
        preamble = row.preamble.length if row.preamble is not self.preamble and row.preamble.layers else 0
        ids = [*row.prompt, *row.tokens][: read - preamble]
        if len(ids) < KEPT_FROM_TOKENS:
            return
        first = self._mask.shape[1] - len(ids)
        layers = [
            (k[place : place + 1, :, first:].clone(), v[place : place + 1, :, first:].clone())
            for k, v in layers_of(self._cache)
        ]
        row.preamble.prefixes.add(ids, layers)
        row.voice.preambles.trim()

    def _choose(self, logits: "torch.Tensor", rows: list[Row]) -> None:
        if not rows:
            return
        choice = choose_tokens(logits, [row.sampler for row in rows], self.base.slack)
        tokens = self._settled(choice, rows)
        notes = self._notes(logits, rows, tokens)
        for row, token, note in zip(rows, tokens, notes, strict=True):
            if row.sampler.penalised:
                row.sampler.counts[token] += 1
            _take(row, token, row.voice, note)

    def _settled(self, choice: Choice, rows: list[Row]) -> list[int]:
        """Choose again, from a reading of its own, where rounding could have decided.

        What shares a batch with a row, or was read before it, changes the last digits of its
        logits. So a repeatable row whose choice hangs on these is read again alone and from the
        beginning: its text then depends on its request only.
        """
        tokens = list(choice.tokens)
        for place in choice.close:
            row = rows[place]
            if row.sampler.repeatable:
                ids = [*row.preamble.ids, *row.prompt, *row.tokens]
                noise = None if choice.noise is None else choice.noise[place : place + 1]
                again = choose_tokens(row.voice.logits_alone(ids), [row.sampler], noise=noise)
                tokens[place] = again.tokens[0]
        return tokens

    def _notes(self, logits: "torch.Tensor", rows: list[Row], tokens: list[int]) -> list[Any]:
        """What the API calls ``logprobs.content``, for rows that want it."""
        notes: list[Any] = [None] * len(rows)
        wanting = [place for place, row in enumerate(rows) if row.request.logprobs]
        if not wanting:
            return notes
        top = max(rows[place].request.top_logprobs for place in wanting)
        chosen = [tokens[place] for place in wanting]
        own, others = token_logprobs(logits[wanting], chosen, top)
        for place, token, value, pairs in zip(wanting, chosen, own, others, strict=True):
            row = rows[place]
            alternatives = [_named(row.voice, t, v) for t, v in pairs[: row.request.top_logprobs]]
            notes[place] = {**_named(row.voice, token, value), "top_logprobs": alternatives}
        return notes

    def compact(self, force: bool = False) -> None:
        """Remove finished rows and empty columns; not at every step, because the cache is copied."""
        import torch

        if self.active == 0:
            self.rows, self._cache, self._mask = [], None, None
            return
        gone = len(self.rows) - self.active
        if self._mask is None or gone == 0 or not (force or gone * 4 >= len(self.rows)):
            return
        kept = [place for place, row in enumerate(self.rows) if row.active]
        place = torch.tensor(kept, device=self.base.device)
        mask = self._mask[place]
        first = int(mask.any(0).int().argmax())
        layers = [(k[place, :, first:], v[place, :, first:]) for k, v in layers_of(self._cache)]
        self._cache, self._mask = new_cache(layers), mask[:, first:]
        self.rows = [self.rows[i] for i in kept]


def _named(voice: Voice, token: int, logprob: float) -> dict[str, Any]:
    data = voice.renderer.token_bytes(token)
    return {
        "token": data.decode("utf-8", errors="replace"),
        "logprob": max(logprob, -9999.0),
        "bytes": list(data),
    }


def _take(row: Row, token: int, voice: Voice, note: Any) -> None:
    """Give a row its next token, and see whether that ends it."""
    if token in voice.stop_ids:
        row.finish_reason = "stop"
        row.text.end()
        return
    row.tokens.append(token)
    row.room -= 1
    row.text.add(voice.token_bytes(token), note)
    if row.text.stopped:
        row.finish_reason = "stop"
    elif row.room <= 0:
        row.finish_reason = "length"
        row.text.end()
