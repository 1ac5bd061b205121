"""Wrong character: a model that was tuned on somebody else, for the negative control."""

from collections.abc import Iterable

__all__ = ["find_wrong_tune"]


def find_wrong_tune(models: Iterable[tuple[str, int]], base_model: str, tuned_model: str) -> str | None:
    """The newest model on the same base whose name says that it was tuned on another character.

    Names have the form ``ft:BASE:OWNER:SUFFIX:ID``; the suffix is the character's. Checkpoints are
    no candidates. ``None`` where there is none.

    Args:
        models: Names with the time at which they were made, as a server lists them.
    """
    own = _parts(tuned_model)
    others = [
        (created, name)
        for name, created in models
        if (parts := _parts(name)) and own and parts[0] == own[0] == base_model and parts[1] != own[1]
    ]
    return max(others)[1] if others else None


def _parts(name: str) -> tuple[str, str] | None:
    """Base and suffix of a tuned model's name."""
    pieces = name.split(":")
    if len(pieces) < 5 or pieces[0] != "ft" or "ckpt" in pieces[-1] or not pieces[-2]:
        return None
    return ":".join(pieces[1:-3]), pieces[-2]
