"""YAML file: text that a person wrote, read into a model, with every problem named by its line."""

import difflib
from collections.abc import Sequence
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from understudy.errors import UnderstudyError

__all__ = ["parse_yaml"]

Model = TypeVar("Model", bound=BaseModel)


def parse_yaml(text: str, where: str, model: type[Model], error: type[UnderstudyError], keys: str) -> Model:
    """Read the text of a YAML file.

    Args:
        where: What to call the text in errors, usually its path.
        model: What the values must fit.
        error: Which error of the family to raise.
        keys: Keys to name where the file holds none, for example ``'name:' and 'tone:'``.

    Raises:
        UnderstudyError: It is not YAML, has a key twice, or does not fit. All problems are named,
            each with its line.
    """
    try:
        loader = yaml.SafeLoader(text)  # not the one in C, which crashes on deep nesting
        tree = loader.get_single_node()
        values = loader.construct_document(tree) if tree is not None else None
        problems = _repeated_keys(tree) if tree is not None else []
    except yaml.YAMLError as fault:
        mark = getattr(fault, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = getattr(fault, "problem", None) or str(fault).split("\n")[0]
        raise error(
            f"{where}{line}: is not valid YAML ({problem}). Put the text in quotation marks, or indent it "
            "as its neighbours."
        ) from fault
    except (ValueError, RecursionError) as fault:
        raise error(f"{where}: is not valid YAML ({fault}).") from fault
    if not isinstance(values, dict) or tree is None:
        raise error(f"{where}: must hold keys such as {keys}.")
    read = None
    try:
        read = model.model_validate(values)
    except ValidationError as fault:
        problems += [(_line(tree, e["loc"]), _explain(e, model)) for e in fault.errors()]
    if problems or read is None:
        raise error("\n".join(f"{where}:{line}: {what}" for line, what in sorted(problems)))
    return read


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


def _explain(error: Any, model: type[BaseModel]) -> str:
    place = ".".join(map(str, error["loc"])) or "file"
    kind, message = error["type"], error["msg"]
    if kind == "extra_forbidden":
        return f"{place}: there is no such key. {_closest(str(error['loc'][-1]), model)}"
    if kind == "missing":
        return f"{place}: is missing. Write it, for example '{error['loc'][-1]}: ...'."
    if kind == "string_type":
        return f"{place}: must be text. Put it in quotation marks, or indent it as its neighbours."
    if kind == "list_type":
        return f"{place}: must be a list; begin each entry with '- '."
    if kind in ("model_type", "dict_type"):
        return f"{place}: must hold keys of its own."
    return f"{place}: {message.removeprefix('Value error, ')}."


def _closest(key: str, model: type[BaseModel]) -> str:
    names = list(model.model_fields)
    close = difflib.get_close_matches(key, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"The keys are: {', '.join(names)}."
