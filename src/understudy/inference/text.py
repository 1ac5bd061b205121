"""Text: tokens become the text of a reply, never half a character, never past a stop string."""

import codecs
from collections.abc import Sequence
from typing import Any

__all__ = ["ReplyText"]


class ReplyText:
    """The text of one reply as it grows.

    Bytes of a character may be spread over tokens, and so may a stop string; both are held back
    until they are whole or known not to come.

    Args:
        stop: Strings that end the reply and are not part of it.
        prefix: Blanks that the template puts before every reply; cut off where they come.
    """

    def __init__(self, stop: Sequence[str] = (), prefix: str = "") -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._stop = tuple(stop)
        self._prefix = prefix
        self._held = ""  # decoded, not released
        self._released = 0  # characters given out
        self._notes: list[tuple[int, Any]] = []  # (where the token begins, what was noted of it)
        self.stopped = False

    def add(self, data: bytes, note: Any = None) -> None:
        """Take one token's bytes, with anything that is to be released together with it."""
        if self.stopped:
            return
        if note is not None:
            self._notes.append((self._released + len(self._held), note))
        self._held += self._decoder.decode(data)
        self._cut_prefix()
        self._look_for_stop()

    def end(self) -> None:
        """No more tokens come: bytes that never became a character show as the replacement mark."""
        if not self.stopped:
            self._held += self._decoder.decode(b"", final=True)
            self._prefix = ""
            self._look_for_stop()

    def take(self, final: bool = False) -> tuple[str, list[Any]]:
        """Release what can no longer change.

        Args:
            final: Also release what might have become a stop string.

        Returns:
            The new text, and the notes of the tokens that begin in it.
        """
        keep = 0 if final or self.stopped else self._undecided()
        text = self._held[: len(self._held) - keep]
        self._held = self._held[len(text) :]
        self._released += len(text)
        whole = final and not self.stopped
        ready = [note for start, note in self._notes if start < self._released or whole]
        self._notes = [] if final else self._notes[len(ready) :]
        return text, ready

    def _cut_prefix(self) -> None:
        """Drop the template's blanks, as far as the reply really begins with them."""
        while self._prefix and self._held and not self._released:
            if self._held[0] != self._prefix[0]:
                self._prefix = ""
                return
            self._held, self._prefix = self._held[1:], self._prefix[1:]

    def _look_for_stop(self) -> None:
        found = [place for place in (self._held.find(text) for text in self._stop) if place >= 0]
        if found:
            self._held = self._held[: min(found)]
            self.stopped = True

    def _undecided(self) -> int:
        """Length of the longest end of the held text that begins a stop string."""
        longest = max((len(text) for text in self._stop), default=1) - 1
        for length in range(min(longest, len(self._held)), 0, -1):
            if any(text.startswith(self._held[-length:]) for text in self._stop):
                return length
        return 0
