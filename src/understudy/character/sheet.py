"""Sheet: ``character.yaml`` as text, read with line numbers and written with explanations."""

import difflib
import json
import re
import textwrap
from collections.abc import Sequence
from typing import Any

import yaml
from pydantic import ValidationError

from understudy.character.character import Character
from understudy.errors import CharacterError

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
    try:
        loader = yaml.SafeLoader(text)  # not the one in C, which crashes on deep nesting
        tree = loader.get_single_node()
        values = loader.construct_document(tree) if tree is not None else None
        problems = _repeated_keys(tree) if tree is not None else []
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error).split("\n")[0]
        raise CharacterError(
            f"{where}{line}: is not valid YAML ({problem}). Put the text in quotation marks, or indent it "
            "as its neighbours."
        ) from error
    except (ValueError, RecursionError) as error:
        raise CharacterError(f"{where}: is not valid YAML ({error}).") from error
    if not isinstance(values, dict) or tree is None:
        raise CharacterError(f"{where}: must hold keys such as 'name:' and 'tone:'.")
    character = None
    try:
        character = Character.model_validate(values)
    except ValidationError as error:
        problems += [(_line(tree, e["loc"]), _explain(e)) for e in error.errors()]
    if problems or character is None:
        raise CharacterError("\n".join(f"{where}:{line}: {what}" for line, what in sorted(problems)))
    return character


def _repeated_keys(node: yaml.Node) -> list[tuple[int, str]]:
    """YAML silently keeps the last of two equal keys; a person would lose the first."""
    found: list[tuple[int, str]] = []
    if isinstance(node, yaml.SequenceNode):
        return [problem for item in node.value for problem in _repeated_keys(item)]
    if not isinstance(node, yaml.MappingNode):
        return found
    seen: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in seen:
            found.append(
                (key.start_mark.line + 1, f"{name!r} stands here for the second time. Join the two.")
            )
        seen.add(name)
        found += _repeated_keys(value)
    return found


def _line(node: yaml.Node, location: Sequence[int | str]) -> int:
    """The line, counted from 1, of the deepest part of ``location`` that is in the file."""
    line = node.start_mark.line + 1
    for part in location:
        following = None
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if key.value == part:
                    line, following = key.start_mark.line + 1, value
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            following = node.value[part]
            line = following.start_mark.line + 1
        if following is None:
            break
        node = following
    return line


def _explain(error: Any) -> str:
    place = ".".join(map(str, error["loc"])) or "file"
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return f"{place}: there is no such key. {_closest(str(error['loc'][-1]))}"
    if kind == "missing":
        return f"{place}: is missing. Write it, for example '{error['loc'][-1]}: ...'."
    if kind == "string_type":
        return f"{place}: must be text. Put it in quotation marks, or indent it as its neighbours."
    if kind == "list_type":
        return f"{place}: must be a list; begin each entry with '- '."
    if kind in ("model_type", "dict_type"):
        return f"{place}: must hold keys of its own, as character.schema.json tells."
    return f"{place}: {message.removeprefix('Value error, ')}."


def _closest(key: str) -> str:
    names = list(Character.model_fields)
    close = difflib.get_close_matches(key, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"The keys are: {', '.join(names)}."


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


def _blocks(value: Any) -> Any:
    """Mark multi-line text so that YAML keeps it readable, and odd text so that it survives."""
    if isinstance(value, dict):
        return {_blocks(key): _blocks(item) for key, item in value.items()}
    if isinstance(value, str) and _YAML_LINE_ENDS.search(value):
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
