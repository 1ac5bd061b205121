"""Card: TavernAI/SillyTavern character cards V1, V2 and V3 as a Character.

Fields: Character Card V2 specification (malfoyslastname/character-card-spec-v2) and V3
(kwaroran/character-card-spec-v3). Where each one goes is told in ``docs/characters.md``.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from understudy.character.character import Character, ExampleMessage
from understudy.character.container import CardContents, read_container
from understudy.character.lorebook import read_lorebook
from understudy.character.placeholder import CHARACTER_MARK, USER_MARK, Names, resolve, unresolved
from understudy.errors import CardError

__all__ = ["Card", "read_card"]

TEXTS = (
    "description",
    "personality",
    "scenario",
    "first_mes",
    "mes_example",
    "system_prompt",
    "post_history_instructions",
)
# Names of the same fields in the formats that came before the cards.
ALIASES = {
    "name": ("char_name", "display_name"),
    "description": ("char_persona", "definition"),
    "personality": (),
    "scenario": ("world_scenario",),
    "first_mes": ("char_greeting", "greeting"),
    "mes_example": ("example_dialogue",),
    "creator_notes": ("creatorcomment",),
}
USED = {"name", "spec", "spec_version", "data", *TEXTS, *(a for names in ALIASES.values() for a in names)}
_UNLIMITED = re.compile(
    r"\b(?:any (?:kind of )?content|uncensored|nsfw|jailbreak"
    r"|(?:no|without) (?:limits?|restrictions?|filters?))\b",
    re.IGNORECASE,
)
MANY_WORDS = 1500  # about 2,000 tokens: more than a long prompt of one sheet should carry


@dataclass(frozen=True)
class Card:
    """A character from a card, how the card was packed, and what was odd about it."""

    character: Character
    format: str
    warnings: tuple[str, ...]


def read_card(path: Path, *, name: str | None = None, user: str | None = None) -> Card:
    """Read a card file: PNG, JSON or CHARX, whatever its extension says.

    Args:
        path: The file.
        name: Overrides the card's name.
        user: Who ``{{user}}`` is; without it nobody in particular (see ``placeholder.resolve``).

    Raises:
        CardError: The file is damaged, or is no card.
    """
    contents = read_container(path)
    reading = _Reading(path, contents)
    names = Names(name or "", user)
    fields = reading.fields()
    own_name = name or reading.name(fields)
    names = Names(reading.text(fields, "nickname") or own_name, user)
    character = reading.character(fields, own_name, names)
    return Card(character, f"{reading.version} ({contents.packing})", tuple(dict.fromkeys(reading.warnings)))


class _Reading:
    """One card being read: collects warnings on the way."""

    def __init__(self, path: Path, contents: CardContents) -> None:
        self.path = path
        self.value = contents.value
        self.warnings = list(contents.warnings)
        self.version = _version(contents.value)

    def warn(self, message: str) -> None:
        self.warnings.append(f"{self.path}: {message}")

    def fields(self) -> dict[str, Any]:
        """One flat set of fields: ``data`` of V2 and V3, completed from the V1 fields beside it."""
        data = self.value.get("data")
        fields = {k: v for k, v in self.value.items() if k != "data"}
        if isinstance(data, dict):
            fields |= {k: v for k, v in data.items() if v not in ("", None) or k not in fields}
        elif data is not None and "name" not in self.value:
            raise CardError(f"{self.path}: 'data' must be an object with the card's fields. Export it again.")
        for name, aliases in ALIASES.items():
            for alias in aliases:
                if not fields.get(name) and fields.get(alias):
                    fields[name] = fields[alias]
        if not any(name in fields for name in TEXTS):
            raise CardError(f"{self.path}: {_what_instead(fields)}")
        return fields

    def text(self, fields: dict[str, Any], name: str) -> str:
        """The field as text. Real cards hold null, numbers and lists there."""
        value = fields.get(name)
        if isinstance(value, str):
            return value.strip()
        if value is None or value is False:
            return ""
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            if value:
                self.warn(f"{name!r} is a list; its entries were joined.")
            return "\n".join(value).strip()
        if isinstance(value, (int, float)):
            return str(value)
        self.warn(f"{name!r} is not text; it was left out and is kept under 'source'.")
        return ""

    def name(self, fields: dict[str, Any]) -> str:
        name = " ".join(resolve(self.text(fields, "name"), Names("", None)).split())
        if name:
            return name
        guess = self.text(fields, "nickname") or _name_from_file(self.path)
        self.warn(f"the card has no name; {guess!r} was taken. Give another with --name.")
        return guess

    def character(self, fields: dict[str, Any], name: str, names: Names) -> Character:
        def described(field: str) -> str:
            return resolve(self.text(fields, field), names)

        scenario, personality = described("scenario"), described("personality")
        character = Character(
            name=name,
            summary=described("description"),
            tone=[personality] if personality else [],
            worldview=[*([scenario] if scenario else []), *self.lore(fields, names)],
            guidelines=self.guidelines(fields, names),
            greeting=resolve(self.text(fields, "first_mes"), names, spoken=True),
            examples=self.examples(fields, names),
            source=self.source(fields),
        )
        self.look_over(character)
        return character

    def lore(self, fields: dict[str, Any], names: Names) -> list[str]:
        book = read_lorebook(fields.get("character_book"))
        if book.words > MANY_WORDS:
            self.warn(
                f"the lorebook's {len(book.entries)} entries ({book.words} words) became lines of "
                "'worldview'. That makes a very long prompt: delete the lines that do not matter."
            )
        return [resolve(entry, names) for entry in book.entries]

    def guidelines(self, fields: dict[str, Any], names: Names) -> list[str]:
        extensions = fields.get("extensions")
        depth = extensions.get("depth_prompt") if isinstance(extensions, dict) else None
        note = depth.get("prompt") if isinstance(depth, dict) else None
        texts = [
            self.text(fields, "system_prompt"),
            self.text(fields, "post_history_instructions"),
            note if isinstance(note, str) else "",
        ]
        return list(dict.fromkeys(filter(None, (resolve(text, names) for text in texts))))

    def examples(self, fields: dict[str, Any], names: Names) -> list[list[ExampleMessage]]:
        blocks = re.split(r"<\s*start\s*>", self.text(fields, "mes_example"), flags=re.IGNORECASE)
        examples = [_example(block, names) for block in blocks if block.strip()]
        return [example for example in examples if example]

    def source(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Everything that found no place in the sheet, as the card has it."""
        unused = {k: v for k, v in fields.items() if k not in USED and v not in ("", None, [], {})}
        wrong = {k: fields[k] for k in TEXTS if isinstance(fields.get(k), dict)}
        return {"kind": "card", "file": self.path.name, "format": self.version, **unused, **wrong}

    def look_over(self, character: Character) -> None:
        """Warn of what a person should see to."""
        if _UNLIMITED.search("\n".join(character.guidelines)):
            self.warn("the card's instructions switch limits off. Look over 'guidelines' in character.yaml.")
        left = unresolved(character.model_dump_json(exclude={"source"}))
        if left:
            self.warn(f"placeholders of another program were left standing: {', '.join(left[:5])}.")
        if not (character.summary or character.tone or character.worldview or character.guidelines):
            self.warn("the card describes nothing. Fill in 'summary' and 'tone' in character.yaml.")


def _version(value: dict[str, Any]) -> str:
    spec = value.get("spec")
    if isinstance(spec, str) and spec.startswith("chara_card_v"):
        return f"card V{spec.removeprefix('chara_card_v')[:4]}"
    return "card V2 without 'spec'" if isinstance(value.get("data"), dict) else "card V1"


def _what_instead(fields: dict[str, Any]) -> str:
    if "entries" in fields:
        return "is a lorebook without its character. Import the character's card, which carries its book."
    if "messages" in fields:
        return "holds chat messages, not a card. Import them as dialogues: understudy import NAME FILE"
    keys = ", ".join(sorted(map(str, fields))[:5]) or "none"
    return f"is no character card: it has no 'description', 'personality' or 'first_mes' (keys: {keys})."


def _name_from_file(path: Path) -> str:
    """``default_FluxTheCat_v2.png`` -> ``Flux The Cat``."""
    stem = re.sub(r"^(default|card|chara?)[_ -]+|[_ -]+v?\d[\d.]*$", "", path.stem, flags=re.IGNORECASE)
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", re.sub(r"[_\W]+", " ", stem)).split()
    return " ".join(word[:1].upper() + word[1:] for word in words) or "Nameless"


def _example(block: str, names: Names) -> list[ExampleMessage]:
    """Cut one example dialogue into turns by its speakers' names.

    A block without any speaker is the character's own. Text before the first speaker sets the
    scene; it is kept with the first turn when that is the character's.
    """
    label = re.compile(
        rf"^[ \t]*(?:(?P<character>{CHARACTER_MARK}|{re.escape(names.character)})"
        rf"|(?P<user>{USER_MARK}|{re.escape(names.user or 'user')}|user|you|human))[ \t]*[:：]",
        re.IGNORECASE | re.MULTILINE,
    )
    marks = list(label.finditer(block))
    if not marks:
        return [ExampleMessage(role="assistant", content=text)] if (text := _spoken(block, names)) else []
    turns: list[ExampleMessage] = []
    for mark, following in zip(marks, [*marks[1:], None], strict=True):
        text = block[mark.end() : following.start() if following else len(block)]
        role = "assistant" if mark["character"] else "user"
        if mark is marks[0] and role == "assistant":
            _add_turn(turns, role, _spoken(block[: mark.start()], names))
        _add_turn(turns, role, _spoken(text, names))
    return turns


def _spoken(text: str, names: Names) -> str:
    return resolve(text, names, spoken=True)


def _add_turn(turns: list[ExampleMessage], role: Any, content: str) -> None:
    """Append a turn; two in a row by the same speaker are one."""
    if not content:
        return
    if turns and turns[-1].role == role:
        content = f"{turns.pop().content}\n{content}"
    turns.append(ExampleMessage(role=role, content=content))
