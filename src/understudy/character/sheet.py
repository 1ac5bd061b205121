"""Sheet: ``character.yaml`` as text, read with line numbers and written with explanations."""

import json
import re
import textwrap
from typing import Any

import yaml

from understudy.character.character import Character
from understudy.errors import CharacterError
from understudy.yamlfile import parse_yaml

__all__ = ["SCHEMA_LINE", "parse_sheet", "render_sheet"]

SCHEMA_LINE = "# yaml-language-server: $schema=./character.schema.json\n"
HEADER = """\
# Lines of a section may be one text or a list. Editors that know YAML complete this file with
# the help of character.schema.json beside it.
"""
WIDTH = 96


def parse_sheet(text: str, where: str) -> Character:
    """Read the text of a sheet.

    Args:
        text: YAML.
        where: What to call the text in errors, usually its path.

    Raises:
        CharacterError: It is not YAML, has a section twice, or breaks the schema. All problems
            are named, each with its line.
    """
    return parse_yaml(text, where, Character, CharacterError, "'name:' and 'tone:'")


class _QuotedText(str):
    """Text with line ends that only YAML knows; they survive between double quotation marks."""


class _BlockText(str):
    """Text of several lines, written as a block."""


class _Dumper(yaml.SafeDumper):
    """Writes blocks and indents lists below their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


_Dumper.add_representer(
    _BlockText, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|")
)


_Dumper.add_representer(
    _QuotedText, lambda dumper, value: dumper.represent_scalar("tag:yaml.org,2002:str", value, style='"')
)
_YAML_LINE_ENDS = re.compile("[\x85\u2028\u2029\ufeff\r]")


def _ends_openly(text: str) -> bool:
    """Whether a block would keep empty lines at its end: the emitter then ends the document behind it."""
    return text.endswith("\n\n") or (text.endswith("\n") and not text.strip())


def _blocks(value: Any) -> Any:
    """Mark multi-line text so that YAML keeps it readable, and odd text so that it survives."""
    if isinstance(value, dict):
        return {_blocks(key): _blocks(item) for key, item in value.items()}
    if isinstance(value, str) and (_YAML_LINE_ENDS.search(value) or _ends_openly(value)):
        return _QuotedText(value)
    if isinstance(value, list):
        return [_blocks(item) for item in value]
    return _BlockText(value) if isinstance(value, str) and "\n" in value else value


def render_sheet(character: Character) -> str:
    """The sheet as YAML; every section stands under its description, empty ones too."""
    values = json.loads(character.model_dump_json())
    sections = [SCHEMA_LINE + HEADER]
    for name, field in Character.model_fields.items():
        comment = textwrap.fill(
            field.description or "Rules about people rather than about the play.",
            WIDTH,
            initial_indent="# ",
            subsequent_indent="# ",
        )
        body = yaml.dump(
            _blocks({name: values[name]}), Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=WIDTH
        )
        sections.append(f"{comment}\n{body}")
    return "\n".join(sections)
