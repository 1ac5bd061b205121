"""Leftovers: what programs leave around a text: end marks, instruction templates, reasoning, bits of code."""

import re
from collections import Counter

__all__ = ["tidy", "unwrap", "without_code"]

# What reasoning models write before they answer.
_REASONING = re.compile(r"<(think|thinking|reasoning)>.*?</\1>\s*", re.DOTALL | re.IGNORECASE)
# Where the opening mark stood in the prompt, only the closing one is there.
_REASONED = re.compile(r"^(?:(?!<think>).)*?</think>\s*", re.DOTALL | re.IGNORECASE)
_END_MARKS = re.compile(
    r"(?:\s*(?:#{3}\s?eos_token\s?#{3}|</s>|<eos>|<end_of_turn>|\[EOS\]"
    r"|<\|(?:endoftext|im_end|eot_id|eom_id|end|end_of_text|end_of_turn)\|>))+\s*$",
    re.IGNORECASE,
)
_START_MARKS = re.compile(
    r"^\s*(?:<s>|<bos>|<\|(?:begin_of_text|startoftext)\|>|<\|im_start\|>(?:assistant|user)?)\s*"
)
# Source: Stanford Alpaca, with and without input.
_TEMPLATE = re.compile(
    r"^\s*Below is an instruction that describes a task.*?#{2,3} Instruction:\s*(?P<instruction>.*?)"
    r"(?:\s*#{2,3} Input:\s*(?P<input>.*?))?\s*#{2,3} Response:\s*(?P<response>.*)$",
    re.DOTALL | re.IGNORECASE,
)
# The end of a string in a program: a line break spelled out, a quotation mark, a semicolon.
_CODE = re.compile(r"(?:\s*\\n)+\s*(?:[`'\"];?)?\s*$")


def tidy(text: str, found: Counter[str]) -> str:
    """A message without reasoning and end marks; what was removed is counted."""
    for what, pattern in (
        ("reasoning in <think> (removed)", _REASONING),
        ("reasoning in <think> (removed)", _REASONED),
        ("end mark such as </s> (removed)", _END_MARKS),
        ("end mark such as </s> (removed)", _START_MARKS),
    ):
        if "<" in text or "[" in text or "#" in text:
            text, count = pattern.subn("", text)
            if count:
                found[what] += count
    return text.strip()


def unwrap(prompt: str) -> tuple[str, str] | None:
    """Instruction and response of a prompt in Alpaca's template; ``None`` where there is no template."""
    match = _TEMPLATE.match(prompt)
    if match is None:
        return None
    parts = [part.strip() for part in (match["instruction"], match["input"] or "") if part.strip()]
    return "\n\n".join(parts), match["response"].strip()


def without_code(text: str) -> str:
    """A text without the end of a program's string behind it."""
    return _CODE.sub("", text) if "\\n" in text else text
