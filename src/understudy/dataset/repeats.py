"""Repeats: which examples of a file are the same, found in sixteen bytes an example."""

from array import array
from collections.abc import Iterator, Sequence

import numpy

__all__ = ["Repeats"]


class Repeats:
    """Notes a 64-bit hash, the line and the number of each example; equal hashes are equal examples.

    Among a million different examples two share a hash with a probability of 3 in 100 million.
    """

    def __init__(self) -> None:
        self.hashes, self.lines, self.examples = array("q"), array("I"), array("I")

    def add(self, lines: Sequence[int], examples: Sequence[int], hashes: Sequence[int]) -> None:
        """Note examples that follow those noted before; one hash for all that mean the same."""
        self.lines.frombytes(numpy.array(lines, numpy.uint32).tobytes())
        self.examples.frombytes(numpy.array(examples, numpy.uint32).tobytes())
        self.hashes.extend(hashes)

    def extend(self, other: "Repeats", lines_before: int, examples_before: int) -> None:
        """Note the examples of a later part of the file, which follows so many lines and examples."""
        self.hashes.extend(other.hashes)
        for own, others, before in (
            (self.lines, other.lines, lines_before),
            (self.examples, other.examples, examples_before),
        ):
            own.frombytes((numpy.frombuffer(others, numpy.uint32) + numpy.uint32(before)).tobytes())

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Yield ``(line, example, first line that is the same)``, in the order of the file."""
        hashes = numpy.frombuffer(self.hashes, dtype=numpy.int64)
        order = numpy.argsort(hashes, kind="stable")
        same = numpy.flatnonzero(hashes[order][1:] == hashes[order][:-1])
        first: dict[int, int] = {}
        for position in same.tolist():
            value = int(hashes[order[position]])
            first.setdefault(value, int(order[position]))
        later = sorted(int(order[position + 1]) for position in same.tolist())
        for index in later:
            yield self.lines[index], self.examples[index], self.lines[first[int(hashes[index])]]
