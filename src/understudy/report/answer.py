"""Answer: one of the six questions, how far it is answered, and the answer in sentences."""

from dataclasses import dataclass

__all__ = ["MEASURED", "OPEN", "PARTLY", "Answer"]

MEASURED, PARTLY, OPEN = "measured", "partly measured", "not measured in this run"


@dataclass(frozen=True)
class Answer:
    """One question: how far the evidence answers it, and the answer in sentences."""

    question: str
    status: str
    sentences: tuple[str, ...]
