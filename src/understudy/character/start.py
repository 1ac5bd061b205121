"""Start: makes a character's folder from nothing, a prompt, a card, or a shipped example."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import yaml

from understudy.atomic import write_bytes, write_text
from understudy.character.card import read_card
from understudy.character.character import Character, load_character
from understudy.character.schema import FILE_NAME, published_schema
from understudy.character.sheet import parse_sheet, render_sheet
from understudy.character.text import read_prompt_text
from understudy.dialogue.dialogue import Dialogue, Message, save_dialogues
from understudy.dialogue.scene import dialogue_id
from understudy.errors import CharacterError, ConfigError
from understudy.folder import CharacterFolder

__all__ = ["Started", "example_names", "name_from_folder", "start_character"]


@dataclass(frozen=True)
class Started:
    """A new character's folder: who it is, what was written, and what was odd about its source."""

    folder: CharacterFolder
    character: Character
    origin: str
    made: tuple[Path, ...]
    warnings: tuple[str, ...] = ()


def start_character(
    root: Path,
    *,
    prompt: Path | None = None,
    card: Path | None = None,
    example: str | None = None,
    name: str | None = None,
    user: str | None = None,
) -> Started:
    """Make a character's folder. ``character.yaml`` is written last, so a half-made folder can be remade.

    Args:
        root: The folder; it may exist, but must not hold a character.
        prompt: A text file whose words become the long prompt.
        card: A character card.
        example: Name of a shipped example (``example_names``).
        name: The character's name. Default: the source's, else the folder's.
        user: Who ``{{user}}`` is in a card.

    Raises:
        ConfigError: The folder already holds a character, or several sources were named.
        CharacterError: The source cannot be read. Nothing is written then.
    """
    folder = CharacterFolder(root)
    _refuse_existing(folder, [source for source in (prompt, card, example) if source is not None])
    if name is not None and not name.strip():
        raise ConfigError("--name is empty. Give the character's name, or leave the option out.")
    if example is not None:
        return _copy_example(folder, example)
    if card is not None:
        read = read_card(card, name=name, user=user)
        return _write(folder, read.character, read.format, read.warnings, card)
    if prompt is not None:
        text = read_prompt_text(prompt, name=name, fallback_name=name_from_folder(root))
        return _write(folder, text.character, "prompt", text.warnings, prompt)
    return _write_starter(folder, name or name_from_folder(root))


def name_from_folder(root: Path) -> str:
    """``characters/uncle-iroh`` -> ``Uncle Iroh``; a name with capitals of its own stays."""
    words = re.sub(r"[_\s-]+", " ", root.name or root.resolve().name).split()
    return (
        " ".join(w if any(ch.isupper() for ch in w) else w[:1].upper() + w[1:] for w in words) or "Nameless"
    )


def example_names() -> list[str]:
    """Names of the shipped examples."""
    root = files("understudy") / "examples"
    if not root.is_dir():
        return []
    return sorted(entry.name for entry in root.iterdir() if (entry / "character.yaml").is_file())


def _refuse_existing(folder: CharacterFolder, sources: list[object]) -> None:
    if len(sources) > 1:
        raise ConfigError("Name one of --prompt, --card and --example, not several.")
    if not folder.root.resolve().name:
        raise ConfigError("The character needs a folder of its own, for example: understudy init iroh")
    try:
        if folder.character.exists():
            raise ConfigError(
                f"{folder.character}: exists already and is not overwritten. "
                "Edit it, or choose another folder name."
            )
        for place in (folder.root, *folder.root.parents):
            if place.exists() and not place.is_dir():
                raise ConfigError(f"{place}: is a file, so no folder can be made there. Choose another name.")
    except OSError as error:
        raise ConfigError(
            f"{folder.root}: cannot be used ({error.strerror}). Choose a shorter or plainer name."
        ) from error


def _write(
    folder: CharacterFolder, character: Character, origin: str, warnings: tuple[str, ...], source: Path
) -> Started:
    text = render_sheet(character)
    _check(text, source)
    kept = folder.sources / source.name
    dialogues = _example_dialogues(character, source)
    data = source.read_bytes()
    made: list[tuple[Path, Callable[[Path], None]]] = [(kept, lambda path: write_bytes(path, data))]
    if dialogues and not folder.dialogues.exists():
        made.append((folder.dialogues, lambda path: save_dialogues(path, dialogues)))
    return _finish(folder, character, f"{source.name} ({origin})", text, made, warnings)


def _check(text: str, source: Path) -> None:
    """The sheet that is about to be written must be readable again."""
    try:
        parse_sheet(text, source.name)
    except CharacterError as error:
        raise CharacterError(f"{source}: holds text that cannot be kept as YAML ({error}).") from error


def _example_dialogues(character: Character, source: Path) -> list[Dialogue]:
    """Examples in which somebody speaks to the character are its first dialogues."""
    dialogues = []
    for number, example in enumerate(character.examples, 1):
        messages = tuple(Message(turn.role, turn.content) for turn in example)
        while messages and messages[-1].role == "user":
            messages = messages[:-1]
        if {message.role for message in messages} == {"user", "assistant"}:
            identity = dialogue_id(messages, source.stem)
            place = f"{source.name}:{number}"
            dialogues.append(Dialogue(identity, f"{source.stem}/example-{number}", messages, "", place))
    return list({dialogue.id: dialogue for dialogue in dialogues}.values())


def _write_starter(folder: CharacterFolder, name: str) -> Started:
    template = (files("understudy.character") / "starter.yaml").read_text(encoding="utf-8")
    name = " ".join(name.split())
    plain = re.fullmatch(r"[A-Z][\w' -]*", name) and yaml.safe_load(name) == name
    text = template.replace("@NAME@", name if plain else json.dumps(name, ensure_ascii=False))
    text = text.replace("@IDENTITY@", json.dumps(f"You are {name}.", ensure_ascii=False))
    text = text.replace("@PLAIN@", re.sub(r"[<>]", "", name))
    return _finish(folder, parse_sheet(text, "starter sheet"), "the starter sheet", text, [], ())


def _finish(
    folder: CharacterFolder,
    character: Character,
    origin: str,
    sheet: str,
    before: list[tuple[Path, Callable[[Path], None]]],
    warnings: tuple[str, ...],
) -> Started:
    schema = folder.root / FILE_NAME
    steps = [
        *before,
        (schema, lambda path: write_text(path, published_schema())),
        (folder.character, lambda path: write_text(path, sheet)),
    ]
    for path, write in steps:
        write(path)
    return Started(folder, character, origin, tuple(path for path, _ in reversed(steps)), warnings)


def _copy_example(folder: CharacterFolder, example: str) -> Started:
    known = example_names()
    if example not in known:
        raise ConfigError(f"--example {example!r} is not one of: {', '.join(known) or 'none is installed'}.")
    root = files("understudy") / "examples" / example
    copies: list[tuple[Path, Callable[[Path], None]]] = []
    for entry in sorted(root.iterdir(), key=lambda item: item.name):
        if entry.is_file() and entry.name not in ("character.yaml", FILE_NAME):
            data = entry.read_bytes()
            target = folder.root / entry.name
            if target.exists() and target.read_bytes() != data:
                raise ConfigError(f"{target}: exists already and is not overwritten. Choose another folder.")
            copies.append((target, lambda path, data=data: write_bytes(path, data)))  # type: ignore[misc]
    sheet = (root / "character.yaml").read_text(encoding="utf-8")
    character = parse_sheet(sheet, f"{example}/character.yaml")
    started = _finish(folder, character, f"the shipped example {example!r}", sheet, copies, ())
    load_character(folder.character)
    return started
