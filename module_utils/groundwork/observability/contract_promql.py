"""What a PromQL expression asks for: its selectors and the labels of its result, by the parser of PyPI's promql-parser."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_COMPARISONS = frozenset({"==", "!=", ">", "<", ">=", "<="})
_SETS = frozenset({"and", "or", "unless"})
# Grafana's own variables, where PromQL has a duration or a number. Those in label values are text and parse as they are.
_DURATION_VARIABLE = re.compile(r"\$(?:\{)?(?:__rate_interval|__interval|__range|interval|resolution)(?:\})?")
_NUMBER_VARIABLE = re.compile(r"\$(?:\{)?(?:__interval_ms|__range_s|__range_ms)(?:\})?")
_LABEL_VALUES = re.compile(r"label_values\(\s*(.+?)\s*,\s*\w+\s*\)", re.DOTALL)
_QUERY_RESULT = re.compile(r"query_result\(\s*(.+)\s*\)", re.DOTALL)
_NAMES = re.compile(r"[A-Za-z_:][\w:]*(?:\|[A-Za-z_:][\w:]*)*")


class ExpressionError(ValueError):
    """The text is no PromQL."""


@dataclass(frozen=True)
class Matcher:
    label: str
    operator: str  # = != =~ !~
    value: str

    def accepts(self, value: str) -> bool:
        """Whether a series with this value of the label is taken."""
        hit = re.fullmatch(self.value, value) is not None if self.operator.endswith("~") else self.value == value
        return hit != self.operator.startswith("!")


@dataclass(frozen=True)
class Selector:
    """One selector. `names` are its metrics: one, or those that a pattern of `__name__` lists."""

    names: tuple[str, ...]
    matchers: tuple[Matcher, ...]

    def of(self, label: str) -> list[Matcher]:
        return [one for one in self.matchers if one.label == label]


def plain(expression: str) -> str:
    """An expression of a dashboard or of one of its variables as the PromQL that Grafana makes of it."""
    for wrapper in (_LABEL_VALUES, _QUERY_RESULT):
        if inner := wrapper.fullmatch(expression.strip()):
            expression = inner[1]
    # The longer name first: $__interval is the beginning of $__interval_ms.
    return _DURATION_VARIABLE.sub("5m", _NUMBER_VARIABLE.sub("300", expression))


@functools.lru_cache(maxsize=4096)
def parse(expression: str) -> Any:
    """The tree of the expression; raises ExpressionError with the parser's words."""
    import promql_parser

    try:
        return promql_parser.parse(plain(expression))
    except ValueError as error:
        raise ExpressionError(f"{error} in: {' '.join(expression.split())}") from error


def nodes(tree: Any) -> Iterator[Any]:
    """The node and all below it, each before its own parts."""
    yield tree
    parts = [getattr(tree, name, None) for name in ("lhs", "rhs", "expr", "param", "vector_selector")]
    for part in [*parts, *(getattr(tree, "args", None) or [])]:
        if part is not None and type(part).__module__ == type(tree).__module__:
            yield from nodes(part)


def selectors(expression: str) -> list[Selector]:
    """Every selector of the expression, in the order of the text."""
    return [_selector(node) for node in nodes(parse(expression)) if type(node).__name__ == "VectorSelector"]


def _selector(node: Any) -> Selector:
    operators = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}
    matchers = [
        Matcher(one.name, operators[str(one.op).rpartition(".")[2]], one.value) for one in node.matchers.matchers
    ]
    names: tuple[str, ...] = (node.name,) if node.name else ()
    for one in matchers:
        if one.label == "__name__" and one.operator in {"=", "=~"} and _NAMES.fullmatch(one.value):
            names = tuple(one.value.split("|"))
    return Selector(names, tuple(one for one in matchers if one.label != "__name__"))


def grouping_labels(expression: str) -> set[str]:
    """Labels that the expression groups or matches by."""
    found: set[str] = set()
    for node in nodes(parse(expression)):
        modifier = getattr(node, "modifier", None)
        if type(node).__name__ == "AggregateExpr" and modifier is not None:
            found |= set(modifier.labels)
        elif type(node).__name__ == "BinaryExpr" and modifier is not None:
            found |= set(modifier.matching.labels if modifier.matching else []) | set(modifier.group_labels or [])
    return found


def result_labels(expression: str) -> set[str] | None:
    """Labels that the result can have; None: those of the series, whatever they are."""
    return _labels(parse(expression))


def _labels(node: Any) -> set[str] | None:
    kind = type(node).__name__
    if kind == "NumberLiteral":
        return set()
    if kind == "AggregateExpr":
        return _of_aggregation(node)
    if kind == "Call":
        return _of_call(node)
    if kind == "BinaryExpr":
        return _of_operation(node)
    inner = getattr(node, "expr", None)
    return None if inner is None else _labels(inner)


def _of_aggregation(node: Any) -> set[str] | None:
    below = _labels(node.expr)
    if str(node.op) in {"topk", "bottomk", "limitk"}:
        return below
    added = {node.param.val} if str(node.op) == "count_values" else set()
    if node.modifier is None:
        return added
    labels = set(node.modifier.labels)
    if str(node.modifier.type).endswith("Include") or str(node.modifier.type).endswith("By"):
        return added | (labels if below is None else labels & below)
    return None if below is None else added | (below - labels)


def _of_call(node: Any) -> set[str] | None:
    name = node.func.name
    if name in {"time", "scalar", "pi"} or (name == "vector"):
        return set()
    if name in {"absent", "absent_over_time"}:
        inner = next((one for one in nodes(node) if type(one).__name__ == "VectorSelector"), None)
        return {one.label for one in _selector(inner).matchers if one.operator == "="} if inner is not None else set()
    vectors = [one for one in node.args if type(one).__name__ not in {"NumberLiteral", "StringLiteral"}]
    below = _labels(vectors[0]) if vectors else set()
    if name in {"label_replace", "label_join"} and below is not None:
        return below | {node.args[1].val}
    if name == "histogram_quantile" and below is not None:
        return below - {"le"}
    return below


def _of_operation(node: Any) -> set[str] | None:
    left, right, operator = _labels(node.lhs), _labels(node.rhs), str(node.op).split()[0]
    if operator == "or":
        return None if left is None or right is None else left | right
    if operator in _SETS:
        return left
    modifier = node.modifier
    if modifier is not None and str(modifier.card).endswith("OneToMany"):
        left, right = right, left
    if _is_scalar(node.lhs):
        return right
    if _is_scalar(node.rhs) or modifier is None or modifier.matching is None:
        return left
    if not str(modifier.card).endswith("OneToOne"):
        return None if left is None else left | set(modifier.group_labels or [])
    matched = set(modifier.matching.labels)
    if str(modifier.matching.type).endswith("Include"):
        return matched
    return None if left is None else left - matched


def _is_scalar(node: Any) -> bool:
    kind = type(node).__name__
    if kind == "Call":
        return node.func.name in {"time", "scalar", "pi"}
    if kind == "BinaryExpr":
        return _is_scalar(node.lhs) and _is_scalar(node.rhs)
    if kind in {"ParenExpr", "UnaryExpr"}:
        return _is_scalar(node.expr)
    return kind == "NumberLiteral"


def is_comparison(node: Any) -> bool:
    return type(node).__name__ == "BinaryExpr" and str(node.op).split()[0] in _COMPARISONS
