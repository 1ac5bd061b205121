"""Decoder: many conversations at once, greedily, with keys and values kept from turn to turn."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

__all__ = ["Conversations", "RowCache", "Speaker"]

MOST_TOKENS = 48
REPACK_SHARE = 0.6
"""Rows that have ended are dropped from the batch when no more than this share still speaks."""


class RowCache:
    """Keys and values in buffers that are allocated once, each row filled to a length of its own.

    A slot is a position: the token at position p of row b lies in slot p, so no row has holes, whatever
    the others said, and the mask is "slot <= position". ``DynamicCache`` would copy everything that it
    holds for each new token, which costs more than the model itself at this size.

    Shapes: buffers are layers x B x heads x capacity x width of a head.
    """

    def __init__(self, model: Any, rows: int, capacity: int) -> None:
        config = model.config
        heads = config.num_key_value_heads
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        shape = (config.num_hidden_layers, rows, heads, capacity, width)
        self.keys, self.values = torch.zeros(shape), torch.zeros(shape)
        self.positions = torch.zeros((rows, 0), dtype=torch.long)
        self.used = 0

    @property
    def capacity(self) -> int:
        """Most tokens of a row."""
        return self.keys.shape[3]

    def expect(self, positions: torch.Tensor) -> None:
        """Announce where the tokens of the next forward pass go: B x T positions."""
        self.positions = positions
        self.used = int(positions.max()) + 1

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Store B x heads x T x width at the announced positions; gives views up to the last slot in use."""
        rows = torch.arange(len(self.positions))[:, None]
        for buffer, states in ((self.keys, key_states), (self.values, value_states)):
            buffer[layer_idx][rows, :, self.positions] = states.transpose(1, 2)
        return self.keys[layer_idx][:, :, : self.used], self.values[layer_idx][:, :, : self.used]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Slots in use by the longest row."""
        return self.used

    def taken(self, rows: Sequence[int], filled: int, capacity: int) -> "RowCache":
        """A copy that holds ``rows``, in this order and with repeats allowed, with room for ``capacity``."""
        copy = object.__new__(RowCache)
        index = torch.tensor(rows)
        copy.keys, copy.values = (
            _copied(buffer, index, filled, capacity) for buffer in (self.keys, self.values)
        )
        copy.positions, copy.used = self.positions[:0], filled
        return copy

    def put_back(self, rows: Sequence[int], part: "RowCache", begin: int) -> None:
        """Write the slots of ``part`` from ``begin`` on into ``rows``, after decoding with ``taken`` rows."""
        index = torch.tensor(rows)
        self.keys[:, index, :, begin : part.used] = part.keys[:, :, :, begin : part.used]
        self.values[:, index, :, begin : part.used] = part.values[:, :, :, begin : part.used]


def _copied(buffer: torch.Tensor, index: torch.Tensor, filled: int, capacity: int) -> torch.Tensor:
    """Rows ``index`` of a buffer; slots after ``filled`` are zero, since even a masked NaN would spread."""
    layers, _, heads, _, width = buffer.shape
    copy = torch.empty((layers, len(index), heads, capacity, width))
    copy[:, :, :, filled:] = 0
    for layer in range(layers):
        for place, row in enumerate(index.tolist()):
            copy[layer, place, :, :filled] = buffer[layer, row, :, :filled]
    return copy


class Speaker:
    """A model with its tokenizer and chat template, in float32."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.end = int(self.tokenizer.eos_token_id)
        self._closing = self._rendered([{"role": "assistant", "content": "X"}]).split("X")[-1]

    def _rendered(self, messages: list[dict[str, str]], *, reply_follows: bool = False) -> str:
        text: str = self.tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=reply_follows
        )
        return text

    def encoded(self, text: str) -> list[int]:
        """Token ids without anything added."""
        ids: list[int] = self.tokenizer.encode(text, add_special_tokens=False)
        return ids

    def opening(self, system: str) -> list[int]:
        """Ids of the system message; none for an empty one."""
        return self.encoded(self._rendered([{"role": "system", "content": system}])) if system else []

    def turn(self, user: str, *, closes: bool) -> list[int]:
        """Ids of a user line and of the head of the reply; ``closes`` ends the reply before it first.

        Right for templates that render message by message, as that of the miniatures does.
        """
        text = self._rendered([{"role": "user", "content": user}], reply_follows=True)
        return self.encoded((self._closing if closes else "") + text)

    def open(self, systems: Sequence[str], room: int) -> "Conversations":
        """A batch of conversations; ``room`` is how many tokens may follow the longest system prompt."""
        return Conversations(self, [self.opening(system) for system in systems], room=room)


class Conversations:
    """B conversations with one model, in lockstep by turn.

    ``ids[b]`` is all that row b said and heard; its first ``lengths[b]`` tokens lie in the cache.
    """

    def __init__(
        self, speaker: Speaker, ids: list[list[int]], *, room: int = 0, cache: RowCache | None = None
    ) -> None:
        self.speaker, self.ids = speaker, ids
        self.turns = 0
        self.lengths = [0] * len(ids)
        if cache is None:
            cache = RowCache(speaker.model, len(ids), max(map(len, ids)) + room)
        self.cache = cache

    @torch.inference_mode()
    def fork(self, rows: Sequence[int] | None = None, room: int = 128) -> "Conversations":
        """Copies of ``rows`` (default: all) that go their own way; what they read is not read again."""
        if self.lengths != [len(ids) for ids in self.ids]:
            self._read()
        rows = list(range(len(self.ids))) if rows is None else list(rows)
        filled = max(self.lengths)
        cache = self.cache.taken(rows, filled, filled + room)
        copy = Conversations(self.speaker, [list(self.ids[row]) for row in rows], cache=cache)
        copy.turns, copy.lengths = self.turns, [self.lengths[row] for row in rows]
        return copy

    @torch.inference_mode()
    def replies(self, users: Sequence[str], most_tokens: int = MOST_TOKENS) -> list[str]:
        """The reply of each row to its line; both join the history."""
        for ids, user in zip(self.ids, users, strict=True):
            ids += self.speaker.turn(user, closes=self.turns > 0)
        self.turns += 1
        begins = [len(ids) for ids in self.ids]
        following = self._read()
        self._make_room(max(begins) + most_tokens)
        self._speak(following, begins, most_tokens)
        decode = self.speaker.tokenizer.decode
        return [
            decode(ids[begin:], skip_special_tokens=True).strip()
            for ids, begin in zip(self.ids, begins, strict=True)
        ]

    def _make_room(self, needed: int) -> None:
        """A larger cache, if a row may reach ``needed`` tokens."""
        if needed > self.cache.capacity:
            self.cache = self.cache.taken(range(len(self.ids)), max(self.lengths), needed + 256)

    def _read(self) -> list[int]:
        """Put all of ``ids`` that the cache lacks into it; gives each row's likeliest next token."""
        fresh = [row[length:] for row, length in zip(self.ids, self.lengths, strict=True)]
        width = max(map(len, fresh))
        self._make_room(max(self.lengths) + width)
        padded = torch.tensor([row + [0] * (width - len(row)) for row in fresh])
        # What a shorter row holds after its end is overwritten before a token may look at it.
        positions = torch.tensor(self.lengths)[:, None] + torch.arange(width)
        self.lengths = [len(row) for row in self.ids]
        return self._next_tokens(self.cache, padded, positions, torch.tensor([len(row) - 1 for row in fresh]))

    def _next_tokens(
        self, cache: RowCache, ids: torch.Tensor, positions: torch.Tensor, last: torch.Tensor
    ) -> list[int]:
        """Feed B x T ``ids``; argmax of the logits after each row's token number ``last``."""
        cache.expect(positions)
        mask = torch.arange(cache.used) <= positions[:, :, None]
        model = self.speaker.model
        hidden = model.model(
            input_ids=ids, attention_mask=mask[:, None], position_ids=positions, past_key_values=cache,
            use_cache=True,
        ).last_hidden_state  # fmt: skip
        # Logits of one position a row: those of a whole prompt would cost as much as the layers.
        chosen: list[int] = model.lm_head(hidden[torch.arange(len(ids)), last]).argmax(-1).tolist()
        return chosen

    def _speak(self, following: list[int], begins: list[int], most_tokens: int) -> None:
        """Extend every row until it ends or has ``most_tokens``; ``following`` are the first tokens."""
        rows, cache, since = list(range(len(self.ids))), self.cache, 0
        while True:
            alive = [
                place
                for place, (row, token) in enumerate(zip(rows, following, strict=True))
                if token != self.speaker.end and len(self.ids[row]) - begins[row] < most_tokens
            ]
            if not alive:
                return self._keep(rows, cache, since)
            for place in alive:
                self.ids[rows[place]].append(following[place])
            if len(alive) <= REPACK_SHARE * len(rows):
                self._keep(rows, cache, since)
                rows = [rows[place] for place in alive]
                lengths = [self.lengths[row] for row in rows]
                since, cache = min(lengths), cache.taken(alive, max(lengths), max(begins) + most_tokens)
            following = self._step(cache, rows)

    def _step(self, cache: RowCache, rows: list[int]) -> list[int]:
        """Feed the last token of each of ``rows``, the rows of ``cache``; for an ended row, once more."""
        ids = torch.tensor([[self.ids[row][-1]] for row in rows])
        positions = torch.tensor([[len(self.ids[row]) - 1] for row in rows])
        for row in rows:
            self.lengths[row] = len(self.ids[row])
        return self._next_tokens(cache, ids, positions, torch.zeros(len(rows), dtype=torch.long))

    def _keep(self, rows: list[int], part: RowCache, begin: int) -> None:
        """Bring what a smaller batch has added back into the whole cache."""
        if part is not self.cache:
            self.cache.put_back(rows, part, begin)
