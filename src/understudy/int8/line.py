"""Line: one choice of one request while it is spoken, and the company of lines that are spoken together."""

from dataclasses import dataclass

from understudy.inference.request import ChatRequest
from understudy.inference.text import ReplyText

__all__ = ["Company", "Line", "gather"]

MOST_LINES = 16
_GREEDY_BELOW = 1e-5  # as in sampling.py

Manner = tuple[bool, float, float, tuple[int, ...]]  # greedy, temperature, top_p, what all begin with


@dataclass(eq=False)
class Line:
    """One choice.

    Attributes:
        begin: Ids that other conversations begin with alike; ``own`` follow them.
        room: Tokens that it may write.
        written: Tokens so far, the one that ended it not counted.
    """

    request: ChatRequest
    index: int
    begin: tuple[int, ...]
    own: list[int]
    room: int
    text: ReplyText
    written: int = 0
    finish_reason: str | None = None
    dropped: bool = False
    told: bool = False  # that it is over
    sent_at: float = 0.0

    @property
    def greedy(self) -> bool:
        return self.request.temperature < _GREEDY_BELOW or self.request.top_p == 0.0

    @property
    def seed(self) -> str | None:
        """Where chance decides and is to decide alike again."""
        seeded = self.request.seed is not None and not self.greedy
        return f"{self.request.seed}:{self.index}" if seeded else None

    @property
    def manner(self) -> Manner:
        """What lines must have in common to be spoken by one call of CTranslate2."""
        if self.greedy:
            return (True, 1.0, 1.0, self.begin)
        return (False, self.request.temperature, self.request.top_p, self.begin)

    @property
    def over(self) -> bool:
        return self.finish_reason is not None or self.dropped

    def take(self, token: int, data: bytes, stops: bool) -> bool:
        """Take the next token; returns whether the line is over."""
        if self.over:
            return True
        if stops:
            self.finish_reason = "stop"
            self.text.end()
            return True
        self.written += 1
        self.text.add(data)
        if self.text.stopped:
            self.finish_reason = "stop"
        elif self.written >= self.room:
            self.finish_reason = "length"
            self.text.end()
        return self.over


@dataclass(frozen=True)
class Company:
    """Lines of one folder that are spoken together."""

    lines: list[Line]

    @property
    def first(self) -> Line:
        return self.lines[0]


def gather(waiting: list[Line]) -> Company:
    """Take from the waiting lines the first, and those that can be spoken with it.

    A line with a seed is spoken alone: its random numbers must be nobody else's.
    """
    first = waiting[0]
    alike = [first]
    if first.seed is None:
        alike += [
            line
            for line in waiting[1:]
            if line.seed is None and line.request.base == first.request.base and line.manner == first.manner
        ]
    chosen = alike[:MOST_LINES]
    waiting[:] = [line for line in waiting if line not in chosen]
    return Company(chosen)
