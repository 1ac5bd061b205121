"""Small dialogues for tests: none of them repeats another."""

from understudy.dialogue import Dialogue, Message

WORDS = [
    "anchor",
    "brook",
    "candle",
    "dune",
    "ember",
    "fjord",
    "glade",
    "harbour",
    "inlet",
    "juniper",
    "kettle",
    "lantern",
    "meadow",
    "north",
    "orchard",
    "pebble",
    "quay",
    "reef",
    "shore",
    "tide",
    "umber",
    "valley",
    "willow",
    "xebec",
    "yarrow",
    "zephyr",
]


def sentence(number: int, start: str = "I saw") -> str:
    """A line that is nearly the same as no other: five words from a place of its own."""
    picked = [WORDS[(number * 7 + step * (number % 11 + 3)) % len(WORDS)] for step in range(6)]
    return f"{start} {' '.join(picked)} {number}{number * 37}."


def make_dialogue(number: int, group: str = "", category: str = "small_talk", turns: int = 1) -> Dialogue:
    """A dialogue with ``turns`` questions and replies that no other dialogue has."""
    messages: list[Message] = []
    for turn in range(turns):
        key = number * 10 + turn
        messages += [Message("user", sentence(key, "Tell me of")), Message("assistant", sentence(key))]
    return Dialogue(f"d{number}", group or f"g{number}", tuple(messages), category, "test")
