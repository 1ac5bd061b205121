"""Casting: which model plays in which arm, and where that model lives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from understudy.errors import ConfigError

__all__ = ["ARM_NAMES", "Casting", "Placement", "cast_from_flags"]

ARM_NAMES = (
    "cheap+long",
    "cheap+short",
    "tuned+short",
    "tuned+none",
    "tuned+long",
    "cheap+trimmed",
    "cheap+few-shot",
    "wrong+short",
    "expensive+long",
)


@dataclass(frozen=True)
class Placement:
    """A model of another server than the run's.

    ``provider`` is a provider's name or a base URL; ``None`` is the run's own server.
    ``key_variable`` names the environment variable that holds the key; the key itself is never kept.
    """

    model: str
    provider: str | None = None
    key_variable: str | None = None


@dataclass(frozen=True)
class Casting:
    """What the arms need beside the run: ``star`` plays expensive+long, ``wrong`` the negative control.

    ``wrong`` is a model tuned on another character; with ``sought`` the server's list gave it, and a
    verdict stays current when that list grows. ``placements`` replaces the model of any arm.
    """

    star: str | None = None
    wrong: str | None = None
    placements: Mapping[str, Placement] = field(default_factory=dict)
    sought: bool = False

    def as_row(self) -> dict[str, object]:
        """What decides the replies: models and addresses, no keys."""
        placed = {name: [p.model, p.provider] for name, p in sorted(self.placements.items())}
        return {"star": self.star, "wrong": None if self.sought else self.wrong, "placements": placed}


def cast_from_flags(
    arms: Sequence[str], keys: Sequence[str] = (), *, star: str | None = None, wrong: str | None = None
) -> Casting:
    """The casting that ``--arm NAME=MODEL[@PROVIDER]`` and ``--arm-key NAME=VARIABLE`` describe.

    Raises:
        ConfigError: A flag names no arm, no model, or a key for an arm that is not placed; all
            problems together.
    """
    problems: list[str] = []
    variables = dict(_parted(text, "--arm-key", "VARIABLE", problems) for text in keys)
    placements: dict[str, Placement] = {}
    for text in arms:
        name, value = _parted(text, "--arm", "MODEL[@PROVIDER]", problems)
        model, provider = _split_address(value)
        if name and name not in ARM_NAMES:
            problems.append(f"--arm {text}: no arm is called {name!r}; there are {', '.join(ARM_NAMES)}")
        elif name and model:
            placements[name] = Placement(model, provider, variables.get(name))
    problems += [
        f"--arm-key {name}={variable}: place the arm with --arm {name}=MODEL@PROVIDER too"
        for name, variable in variables.items()
        if name and name not in placements
    ]
    if problems:
        raise ConfigError("; ".join(problems) + ".")
    return Casting(star, wrong, placements)


def _parted(text: str, flag: str, value: str, problems: list[str]) -> tuple[str, str]:
    name, equals, rest = text.partition("=")
    if not (name.strip() and equals and rest.strip()):
        problems.append(f"{flag} {text}: write it as NAME={value}")
        return "", ""
    return name.strip(), rest.strip()


def _split_address(value: str) -> tuple[str, str | None]:
    """``model@provider``; an @ that no address or provider's name follows belongs to the model."""
    from understudy.client.dialect import dialects

    model, at, provider = value.rpartition("@")
    known = provider == "local" or provider in dialects() or "://" in provider
    return (model, provider) if at and model and known else (value, None)
