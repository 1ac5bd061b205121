"""Charging: a template's tree rewritten so that whatever costs time or memory asks the budget first."""

from collections.abc import Iterable, Iterator
from typing import Any

from jinja2 import nodes
from jinja2.visitor import NodeTransformer

from understudy.rendering.budget import current, made

__all__ = ["OWN_FILTERS", "charge_tree", "counted"]


def counted(items: Iterable[Any], written: int = 0) -> Iterator[Any]:
    """The same items, each charged with the constant text of the loop's body: no loop runs for ever."""
    for item in items:
        current().spend(written)
        yield item


def _joined(parts: list[Any]) -> str:
    """``a ~ b``."""
    budget = current()
    budget.spend(sum(map(budget.weigh, parts)))
    return "".join(map(str, parts))


def _copied(value: Any) -> Any:
    """A slice."""
    return made(value)


def _comparable(value: Any) -> Any:
    """A value that is compared or hashed, which visits all of it."""
    budget = current()
    budget.spend()
    budget.weigh(value)
    return value


class _Charging(NodeTransformer):
    """Puts the functions above into a template's tree, where Jinja itself would not ask."""

    def _wrap(self, node: Any, name: str, arguments: list[nodes.Expr] | None = None) -> nodes.Filter:
        return nodes.Filter(node, name, arguments or [], [], None, None, lineno=node.lineno)

    def visit_For(self, node: nodes.For) -> nodes.For:
        self.generic_visit(node)
        written = sum(len(text.data) for part in node.body for text in _texts(part))
        node.iter = self._wrap(node.iter, " counted", [nodes.Const(written)])
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Filter:
        self.generic_visit(node)
        return self._wrap(nodes.List(node.nodes, lineno=node.lineno), " joined")

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Expr:
        self.generic_visit(node)
        return self._wrap(node, " copied") if isinstance(node.arg, nodes.Slice) else node

    def visit_Compare(self, node: nodes.Compare) -> nodes.Compare:
        self.generic_visit(node)
        node.expr = self._wrap(node.expr, " comparable")
        for operand in node.ops:
            operand.expr = self._wrap(operand.expr, " comparable")
        return node

    def visit_Pair(self, node: nodes.Pair) -> nodes.Pair:
        self.generic_visit(node)
        node.key = self._wrap(node.key, " comparable")
        return node


def _texts(node: nodes.Node) -> Iterator[nodes.TemplateData]:
    if isinstance(node, nodes.TemplateData):
        yield node
    yield from node.find_all(nodes.TemplateData)


def charge_tree(tree: nodes.Template) -> nodes.Template:
    """The tree with charges in it; it needs ``OWN_FILTERS``."""
    charged: nodes.Template = _Charging().visit(tree)
    return charged


# Named with a blank, which no template can write.
OWN_FILTERS = {" counted": counted, " joined": _joined, " copied": _copied, " comparable": _comparable}
