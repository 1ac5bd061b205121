"""The check that OpenAI's cookbook describes, written down plainly, to compare with ``understudy check``.

Source: OpenAI cookbook, "Data preparation and analysis for chat model fine-tuning": load all lines, count
format errors by kind, then messages, tokens of each conversation (``num_tokens_from_messages``: each value of
each message through tiktoken's ``encode``), tokens of the assistant once more, their distributions, and a
price. It counts seven kinds of fault in the whole file, not the lines that have them. Nothing is done here
that the notebook does not do; its tokenizer, ``cl100k_base``, is replaced by that of the model that is
trained.
"""

import json
from collections import defaultdict
from pathlib import Path
from statistics import mean, median

KEYS = ("role", "content", "name", "function_call", "weight")
ROLES = ("system", "user", "assistant", "function")
MAX_TOKENS = 16_385
TARGET_EPOCHS, MIN_EXAMPLES, MAX_EXAMPLES, MIN_EPOCHS, MAX_EPOCHS = 3, 100, 25_000, 1, 25


def load_encoding():
    """tiktoken's encoder where it is installed, on tables that need no network, else that of bpe-openai."""
    import bpe_openai

    tables = bpe_openai.get_encoding("o200k_base")
    try:
        import tiktoken
    except ImportError:
        return tables, "bpe-openai"
    encoding = tiktoken.Encoding(
        "o200k_base",
        pat_str=tables._pat_str,
        mergeable_ranks=tables._mergeable_ranks,
        special_tokens=tables._special_tokens,
    )
    return encoding, "tiktoken"


def format_errors(dataset):
    errors = defaultdict(int)
    for example in dataset:
        if not isinstance(example, dict):
            errors["data_type"] += 1
            continue
        messages = example.get("messages", None)
        if not messages:
            errors["missing_messages_list"] += 1
            continue
        for message in messages:
            if "role" not in message or "content" not in message:
                errors["message_missing_key"] += 1
            if any(key not in KEYS for key in message):
                errors["message_unrecognized_key"] += 1
            if message.get("role", None) not in ROLES:
                errors["unrecognized_role"] += 1
            content = message.get("content", None)
            function_call = message.get("function_call", None)
            if (not content and not function_call) or not isinstance(content, str):
                errors["missing_content"] += 1
        if not any(message.get("role", None) == "assistant" for message in messages):
            errors["example_missing_assistant_message"] += 1
    return dict(errors)


def tokens_of(messages, encoding):
    total = 0
    for message in messages:
        total += 3
        for key, value in message.items():
            total += len(encoding.encode(value))
            if key == "name":
                total += 1
    return total + 3


def assistant_tokens_of(messages, encoding):
    return sum(len(encoding.encode(m["content"])) for m in messages if m["role"] == "assistant")


def check(path: Path, encoding):
    with path.open("r", encoding="utf-8") as file:
        dataset = [json.loads(line) for line in file]
    errors = format_errors(dataset)
    counts, lengths, replies = [], [], []
    missing_system = missing_user = 0
    for example in dataset:
        messages = example["messages"]
        missing_system += not any(message["role"] == "system" for message in messages)
        missing_user += not any(message["role"] == "user" for message in messages)
        counts.append(len(messages))
        lengths.append(tokens_of(messages, encoding))
        replies.append(assistant_tokens_of(messages, encoding))
    epochs = TARGET_EPOCHS
    if len(dataset) * epochs < MIN_EXAMPLES:
        epochs = min(MAX_EPOCHS, MIN_EXAMPLES // len(dataset))
    elif len(dataset) * epochs > MAX_EXAMPLES:
        epochs = max(MIN_EPOCHS, MAX_EXAMPLES // len(dataset))
    billed = sum(min(MAX_TOKENS, length) for length in lengths)
    return {
        "examples": len(dataset),
        "errors": errors,
        "missing_system": missing_system,
        "missing_user": missing_user,
        "messages": (min(counts), max(counts), mean(counts), median(counts)),
        "assistant_tokens": (min(replies), max(replies), mean(replies), median(replies)),
        "too_long": sum(length > MAX_TOKENS for length in lengths),
        "epochs": epochs,
        "tokens": billed,
    }
