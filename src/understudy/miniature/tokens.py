"""Tokens: the byte-level tokenizer, the chat template, and a conversation as weighted token ids."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Encoding, Tokenizer, decoders, models, pre_tokenizers, trainers

from understudy.atomic import write_json, write_text
from understudy.miniature.conversations import STAGES, Conversation, compose
from understudy.miniature.prose import read_chapters

__all__ = [
    "CHAT_TEMPLATE",
    "Example",
    "encode_conversation",
    "save_tokenizer",
    "special_id",
    "train_tokenizer",
]

PAD, START, END = "<|pad|>", "<|im_start|>", "<|im_end|>"
SPECIAL = (PAD, START, END)
CHAT_TEMPLATE = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
CONTEXT_TOKENS = 2048
PROSE_EVERY = 8
VALUE_WEIGHT, VALUE_TOTAL = 3.0, 9.0
"""Weight of each token of a copied value, and the least of a whole value: one of a single token, such as
``geese``, would otherwise teach a third of what a name of three does."""


@dataclass(frozen=True)
class Example:
    """A conversation as tokens: ids, and the loss weight of predicting each of them (same length)."""

    ids: list[int]
    weights: list[float]


def train_tokenizer(
    seed: int, *, vocabulary: int = 4096, conversations: int = 12_000, prose: Sequence[Path] = ()
) -> Tokenizer:
    """A byte-level BPE tokenizer trained on generated text, and prose; digits are single tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        max_token_length=14,
    )
    tokenizer.train_from_iterator(_texts(seed, conversations, prose), trainer)
    return tokenizer


def _texts(seed: int, conversations: int, prose: Sequence[Path]) -> Iterator[str]:
    """Contents of messages, and a chapter in ``PROSE_EVERY``; roles are added, because the template needs
    them as tokens.
    """
    for path in prose:
        yield from list(read_chapters(path))[::PROSE_EVERY]
    rng = random.Random(f"tokenizer {seed}")
    for _ in range(conversations):
        conversation = compose(rng, STAGES[2])
        yield from (message["content"] for message in conversation.messages)
        yield "system\nuser\nassistant\n"


def save_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write ``tokenizer.json``, its configuration, and the chat template beside it."""
    write_text(folder / "tokenizer.json", tokenizer.to_str(pretty=False))
    write_text(folder / "chat_template.jinja", CHAT_TEMPLATE)
    configuration = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": CONTEXT_TOKENS,
        "eos_token": END,
        "pad_token": PAD,
        "bos_token": None,
        "unk_token": None,
        "additional_special_tokens": [START],
        "clean_up_tokenization_spaces": False,
        "add_prefix_space": False,
        "chat_template": CHAT_TEMPLATE,
    }
    write_json(folder / "tokenizer_config.json", configuration)


def encode_conversation(
    tokenizer: Tokenizer, conversation: Conversation, context_weight: float = 0.15
) -> Example:
    """Token ids as the chat template renders them; replies weigh 1, all else ``context_weight``.

    The end of a turn belongs to the reply, the line break after it does not.
    """
    start, end = special_id(tokenizer, START), special_id(tokenizer, END)
    pieces: list[str] = []
    for message in conversation.messages:
        pieces += [message["role"] + "\n", message["content"]]
    encoded = tokenizer.encode_batch([*pieces, "\n"], add_special_tokens=False)
    newline = encoded.pop().ids
    values = iter(exchange.value for exchange in conversation.exchanges)
    ids: list[int] = []
    weights: list[float] = []
    for index, message in enumerate(conversation.messages):
        head, body = encoded[2 * index], encoded[2 * index + 1]
        body_weights = [context_weight] * (len(body.ids) + 1)
        if message["role"] == "assistant":
            body_weights = [*_reply_weights(body, message["content"], next(values)), 1.0]
        ids += [start, *head.ids, *body.ids, end, *newline]
        weights += [context_weight] * (1 + len(head.ids)) + body_weights + [context_weight] * len(newline)
    return Example(ids, weights)


def _reply_weights(body: Encoding, reply: str, value: str) -> list[float]:
    """Weight of each token of a reply; ``value`` is what had to be copied, in lower case."""
    begin = reply.lower().find(value) if value else -1
    end = begin + len(value)
    copied = [begin >= 0 and left < end and right > begin for left, right in body.offsets]
    weight = max(VALUE_WEIGHT, VALUE_TOTAL / max(1, sum(copied)))
    return [weight if is_copied else 1.0 for is_copied in copied]


def special_id(tokenizer: Tokenizer, token: str) -> int:
    """Id of a special token, which every tokenizer of ours has."""
    found = tokenizer.token_to_id(token)
    assert found is not None, token
    return found
