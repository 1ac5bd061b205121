"""Sandbox: Jinja for chat templates that strangers wrote, with a budget that no template can exceed.

A template comes with the model, so it may be hostile. Jinja's immutable sandbox keeps it from Python;
this one also keeps it from time and memory: whatever can make a value grow is charged to a budget before
it is done, so the largest value is bounded whichever way it is built (doubling a text, replacing in it,
formatting with a width, lists of lists of lists). What chat templates do not need is not there.
"""

import functools
import json
import re
from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

from understudy.errors import RenderingError
from understudy.rendering.budget import CONTAINERS, ENTRY_SIZE, Budget, current, made
from understudy.rendering.charging import OWN_FILTERS, charge_tree, counted

__all__ = ["PINNED_DATE", "compile_template"]

NUMBER_LIMIT = 100_000
SOURCE_LIMIT = 100_000

# Templates that print today's date would train on one day and answer on another. Both sides see this
# one instead; Llama 3's own template falls back to the same day.
PINNED_DATE = datetime(2024, 7, 26)


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TEXT_METHODS = _words(
    "capitalize casefold count endswith find index isalnum isalpha isascii isdecimal isdigit islower "
    "isnumeric isspace istitle isupper join lower lstrip partition removeprefix removesuffix replace "
    "rfind rindex rpartition rsplit rstrip split splitlines startswith strip swapcase title upper"
)
_METHODS: dict[type, frozenset[str]] = {
    str: _TEXT_METHODS,
    dict: frozenset(("get", "items", "keys", "values")),
    list: frozenset(("index", "count")),
    tuple: frozenset(("index", "count")),
}
# Filters by what they cost: nothing that grows; a text or list as large as what they are given.
_CHEAP = _words(
    "abs attr count d default first float int items last length map max min reject rejectattr round "
    "safe select selectattr sum"
)
_COPYING = _words(
    "capitalize dictsort e escape forceescape format indent join list lower replace reverse sort "
    "string title tojson trim truncate unique upper urlencode wordcount"
)
# Tests that compare deep values element by element.
_COMPARING_TESTS = _words("== eq equalto != ne > gt greaterthan >= ge < lt lessthan <= le in")
_PRECISION_LIMIT = 20
_FORMAT_WIDTH = re.compile(r"%(?:\([^)]*\))?[-+ #]*[\d*.]")


def _finalize(value: Any) -> Any:
    """A value that is written."""
    budget = current()
    budget.spend(budget.weigh(value))
    return value


# --- functions, filters and tests that templates see ---------------------------------------------


class _Namespace(Namespace):
    """Jinja's ``namespace``, which may not be put into another: written out, it would repeat itself."""

    def __init__(*args: Any, **kwargs: Any) -> None:
        Namespace.__init__(*args, **kwargs)
        for value in dict(*args[1:], **kwargs).values():
            _refuse_namespace(value)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_namespace(value)
        current().spend(ENTRY_SIZE)
        super().__setitem__(name, value)

    def __repr__(self) -> str:
        return "<namespace>"


def _refuse_namespace(value: Any) -> None:
    if isinstance(value, Namespace):
        raise RenderingError("The chat template puts a namespace into a namespace.")


def _raise_exception(message: str) -> None:
    raise jinja2.TemplateError(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """As transformers defines it: plain JSON, nothing escaped for HTML."""
    if indent:
        budget = current()
        budget.spend(min(int(indent), NUMBER_LIMIT) * budget.depth(value) * budget.weigh(value) // ENTRY_SIZE)
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _strftime_now(format_string: str) -> str:
    return PINNED_DATE.strftime(str(format_string)[:200])


class _GenerationTag(Extension):
    """``{% generation %}`` marks replies for transformers; here its body is just written."""

    tags = {"generation"}  # noqa: RUF012 (the base class declares a plain set)

    def parse(self, parser: Any) -> list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _charged(function: Callable[..., Any], name: str, *, copies: bool) -> Callable[..., Any]:
    """A filter or test whose arguments and result are charged."""
    skipped = 1 if hasattr(function, "jinja_pass_arg") else 0  # the context, which is no value

    @functools.wraps(function)
    def charged(*args: Any, **kwargs: Any) -> Any:
        budget = current()
        if name == "join" and not isinstance(args[skipped], (str, *CONTAINERS)):
            parts = list(counted(args[skipped], ENTRY_SIZE))
            args = (*args[:skipped], parts, *args[skipped + 1 :])
        given = [*args[skipped:], *kwargs.values()]
        weights = [budget.weigh(value) for value in given]
        _refuse_numbers(given[1:], _PRECISION_LIMIT if name == "round" else NUMBER_LIMIT)
        if name == "sum" and not all(isinstance(v, (str, int, float, type(None))) for v in given[1:]):
            raise RenderingError("The chat template sums what are no numbers.")
        if name in ("int", "float") and given and isinstance(given[0], str) and len(given[0]) > 1000:
            raise RenderingError("The chat template reads a number of more than 1,000 digits.")
        budget.spend(_growth(name, given, weights) if copies else 0)
        return made(function(*args, **kwargs))

    return charged


def _growth(name: str, given: list[Any], weights: list[int]) -> int:
    """What a filter may make of its arguments, at most."""
    value = given[0] if given else None
    if name == "replace" and len(given) >= 3:
        return _replaced_size(str(value), str(given[1]), str(given[2]))
    if name == "indent" and isinstance(value, str):
        widths = [n if isinstance(n, int) else _width(n) for n in given[1:2]] or [4]
        return len(value) + widths[0] * (value.count("\n") + 1)
    if name == "join" and isinstance(value, Collection):
        separator = weights[1] if len(weights) > 1 else 0
        return weights[0] + separator * len(value)
    if name == "format":
        return _formatted_size(str(value), weights[1:])
    if name == "list" and isinstance(value, str):
        return ENTRY_SIZE * len(value)
    return weights[0] if weights else 0


def _width(value: Any) -> int:
    """Columns of an indentation that is given as text."""
    return len(value) if isinstance(value, str) else 4


def _refuse_numbers(values: Iterable[Any], limit: int) -> None:
    if any(isinstance(value, (int, float)) and abs(value) > limit for value in values):
        raise RenderingError("The chat template asks for more text than a chat template may write.")


def _replaced_size(text: str, old: str, new: str) -> int:
    times = text.count(old) if old else len(text) + 1
    return len(text) + times * max(0, len(new) - len(old))


def _formatted_size(text: str, weights: list[int]) -> int:
    """Size of ``text % values``; a width or precision could make it as long as it likes."""
    if _FORMAT_WIDTH.search(text):
        raise RenderingError("The chat template formats with a width; write the text itself.")
    return len(text) + text.count("%") * max(weights, default=0)


# --- the environment ------------------------------------------------------------------------------


class _Sandbox(ImmutableSandboxedEnvironment):
    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%", "**"))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        for kind, names in _METHODS.items():
            if isinstance(obj, kind):
                return attr in names
        return not isinstance(obj, (int, float, bytes)) and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        if getattr(value, "__name__", "") in ("format", "format_map") and isinstance(
            getattr(value, "__self__", None), str
        ):
            raise RenderingError("The chat template calls format(); write the text itself.")
        return None

    def getitem(self, obj: Any, argument: Any) -> Any:
        if isinstance(argument, tuple):
            current().weigh(argument)  # hashing visits all of it
        return super().getitem(obj, argument)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        budget = current()
        weights = [budget.weigh(left), budget.weigh(right)]
        if operator == "+" and not isinstance(left, (int, float)):
            budget.spend(sum(map(_length, (left, right))))
        elif operator == "*":
            budget.spend(_product_size(left, right))
        elif operator == "%" and isinstance(left, str):
            budget.spend(_formatted_size(left, weights[1:]))
        elif operator == "**":
            _refuse_numbers((left, right), 1000)
        budget.spend()
        return super().call_binop(context, operator, left, right)

    def call(self, *args: Any, **kwargs: Any) -> Any:  # (context, callable, its arguments)
        budget = current()
        budget.spend()
        target, given = args[1], list(args[2:])
        for value in (*given, *kwargs.values()):
            budget.weigh(value)
        _refuse_numbers((*given, *kwargs.values()), NUMBER_LIMIT)
        text, name = getattr(target, "__self__", None), getattr(target, "__name__", "")
        if isinstance(text, str):
            given = _charge_method(budget, text, name, given)
        return made(super().call(args[0], target, *given, **kwargs))


def _length(value: Any) -> int:
    """What a copy of a value takes: its characters, or its entries."""
    return len(value) * (1 if isinstance(value, str) else ENTRY_SIZE) if hasattr(value, "__len__") else 0


def _product_size(left: Any, right: Any) -> int:
    for value, times in ((left, right), (right, left)):
        if isinstance(value, (str, list, tuple)) and isinstance(times, int):
            return _length(value) * max(0, times)
    return 0


def _charge_method(budget: Budget, text: str, name: str, given: list[Any]) -> list[Any]:
    """Charge a method of a text before it runs. Returns its arguments, generators made lists."""
    if name == "replace" and len(given) >= 2:
        budget.spend(_replaced_size(text, str(given[0]), str(given[1])))
    elif name == "join" and given:
        parts = list(counted(given[0], ENTRY_SIZE))
        budget.spend(
            sum(len(part) if isinstance(part, str) else 0 for part in parts) + len(text) * len(parts)
        )
        return [parts]
    elif name in ("split", "rsplit", "splitlines"):
        separator = given[0] if name != "splitlines" and given else None
        parts_at_most = (
            text.count(separator) + 1 if isinstance(separator, str) and separator else len(text) // 2
        )
        budget.spend(len(text) + ENTRY_SIZE * parts_at_most)
    else:
        budget.spend(len(text))
    return given


@functools.cache
def _environment() -> _Sandbox:
    environment = _Sandbox(
        trim_blocks=True, lstrip_blocks=True, extensions=[_GenerationTag, loopcontrols],
        finalize=_finalize, optimized=False,
    )  # fmt: skip
    own: dict[str, Callable[..., Any]] = {**environment.filters, "tojson": _tojson}
    environment.filters = {
        **{name: _charged(own[name], name, copies=False) for name in _CHEAP},
        **{name: _charged(own[name], name, copies=True) for name in _COPYING},
        **OWN_FILTERS,
    }
    tests: dict[str, Any] = environment.tests
    for name in _COMPARING_TESTS:
        tests[name] = _charged(tests[name], name, copies=False)
    environment.globals = {
        "range": environment.globals["range"],
        "dict": dict,
        "namespace": _Namespace,
        "raise_exception": _raise_exception,
        "strftime_now": _strftime_now,
    }
    return environment


def compile_template(source: str) -> jinja2.Template:
    """Parse a chat template and put the charges in.

    Raises:
        jinja2.TemplateError: It is no template that can be used.
    """
    if len(source) > SOURCE_LIMIT:
        raise jinja2.TemplateSyntaxError(f"it has {len(source):,} characters; {SOURCE_LIMIT:,} are read", 1)
    environment = _environment()
    try:
        return environment.from_string(charge_tree(environment.parse(source)))
    except jinja2.TemplateError:
        raise
    except RecursionError:
        raise jinja2.TemplateSyntaxError("it is nested too deeply", 1) from None
    except (SyntaxError, ValueError, MemoryError, OverflowError) as error:
        raise jinja2.TemplateSyntaxError(f"it cannot be compiled ({error})", 1) from None
