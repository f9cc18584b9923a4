"""Conditions that planners write, without scripts: meter("hours") > 500 and lifecycle == "in_service"; pure."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from assets.base.errors import Invalid

MAX_LENGTH = 1000
MAX_NODES = 200

# What may be asked: functions of one name, and plain words. None: not known.
FUNCTIONS: dict[str, str] = {
    "meter": "total of a meter",
    "metric": "last value of a metric",
    "age_of": "minutes since the last value of a metric",
    "since_done": "of a meter: how much since the work was last done",
    "field": "a field of the machine's card",
}
WORDS: dict[str, type] = {
    "days_since_done": float,
    "days_in_service": float,
    "remaining_life_days": float,
    "remaining_life_low_days": float,
    "open_findings": float,
    "severity": str,
    "lifecycle": str,
    "operation": str,
    "month": float,
    "version": str,
}

Value = float | str | bool | None
Facts = Callable[[str, str | None], Value]

_COMPARE: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Lt: lambda a, b: a < b,
    ast.LtE: lambda a, b: a <= b,
    ast.Gt: lambda a, b: a > b,
    ast.GtE: lambda a, b: a >= b,
}
_REACH: Mapping[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b if b else math.nan,
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked condition. `asks`: (function or word, name) of all that it needs."""

    text: str
    tree: ast.expr
    asks: frozenset[tuple[str, str | None]]

    def holds(self, facts: Facts) -> bool | None:
        """Return whether it holds; None when what decides is not known. `facts(word, name)` answers."""
        found = _value(self.tree, facts)
        return found if isinstance(found, bool) else None


def parse(text: str, *, field: str = "expression") -> Expression:
    """Return a condition. Raises Invalid with line and column of what cannot be read."""
    if not text.strip() or len(text) > MAX_LENGTH:
        raise Invalid(f"a condition has 1 to {MAX_LENGTH} characters", field=field)
    # people write = for ==, and lines of their own
    try:
        tree = ast.parse(text.strip().replace("\n", " "), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise Invalid("cannot read the condition", field=field, column=getattr(error, "offset", None)) from None
    nodes = list(ast.walk(tree))
    if len(nodes) > MAX_NODES:
        raise Invalid("the condition is too long", field=field, limit=MAX_NODES)
    asks: set[tuple[str, str | None]] = set()
    if _kind(tree, asks, field) != "truth":
        raise _wrong(tree, "a condition says yes or no: compare something", field)
    return Expression(text.strip(), tree, frozenset(asks))


def _wrong(node: ast.AST, reason: str, field: str) -> Invalid:
    column = getattr(node, "col_offset", 0) + 1
    return Invalid(f"{reason} (column {column})", field=field, column=column)


def _kind(node: ast.expr, asks: set[tuple[str, str | None]], field: str) -> str:
    """Return truth, number or word, having looked at all below. Raises Invalid for anything else."""
    if isinstance(node, ast.BoolOp | ast.UnaryOp | ast.BinOp | ast.Compare):
        return _kind_of_operation(node, asks, field)
    if isinstance(node, ast.Constant):
        return _kind_of_constant(node, field)
    if isinstance(node, ast.Name):
        if node.id not in WORDS:
            allowed = ", ".join([*WORDS, *(f'{name}("…")' for name in FUNCTIONS)])
            raise _wrong(node, f"unknown word {node.id!r}; there are {allowed}", field)
        asks.add((node.id, None))
        return "number" if WORDS[node.id] is float else "word"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS:
        argument = node.args[0] if len(node.args) == 1 and not node.keywords else None
        if not isinstance(argument, ast.Constant) or not isinstance(argument.value, str) or not argument.value:
            raise _wrong(node, f'{node.func.id} takes one name in quotes: {node.func.id}("hours")', field)
        asks.add((node.func.id, argument.value))
        return "any" if node.func.id == "field" else "number"
    raise _wrong(node, "this is not allowed in a condition", field)


def _kind_of_constant(node: ast.Constant, field: str) -> str:
    if isinstance(node.value, bool):
        return "truth"
    if isinstance(node.value, int | float):
        if not math.isfinite(node.value) or abs(node.value) > 1e15:
            raise _wrong(node, "a number is too large", field)
        return "number"
    if isinstance(node.value, str):
        return "word"
    raise _wrong(node, "only numbers and words in quotes", field)


def _kind_of_operation(node: ast.expr, asks: set[tuple[str, str | None]], field: str) -> str:
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            if _kind(part, asks, field) != "truth":
                raise _wrong(part, "and, or stand between conditions", field)
        return "truth"
    if isinstance(node, ast.UnaryOp):
        kind = _kind(node.operand, asks, field)
        if isinstance(node.op, ast.Not) and kind == "truth":
            return "truth"
        if isinstance(node.op, ast.USub) and kind in ("number", "any"):
            return "number"
        raise _wrong(node, "not stands before a condition, - before a number", field)
    if isinstance(node, ast.BinOp):
        if type(node.op) not in _REACH:
            raise _wrong(node, "only + - * / between numbers", field)
        for part in (node.left, node.right):
            if _kind(part, asks, field) not in ("number", "any"):
                raise _wrong(part, "only numbers can be reckoned with", field)
        return "number"
    assert isinstance(node, ast.Compare)
    kinds = [_kind(part, asks, field) for part in (node.left, *node.comparators)]
    for operator in node.ops:
        if type(operator) not in _COMPARE and not isinstance(operator, ast.Eq | ast.NotEq):
            raise _wrong(node, "only < <= > >= == != compare", field)
        if type(operator) in _COMPARE and not set(kinds) <= {"number", "any"}:
            raise _wrong(node, "only numbers are less or more", field)
    if "truth" in kinds or len(set(kinds) - {"any"}) > 1:
        raise _wrong(node, "a number and a word cannot be compared", field)
    return "truth"


def _value(node: ast.expr, facts: Facts) -> Value:
    """Three values: what is not known stays so, unless the rest decides alone."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, bool | str) else float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name):
        return facts(node.id, None)
    if isinstance(node, ast.Call):
        assert isinstance(node.func, ast.Name)
        argument = node.args[0]
        assert isinstance(argument, ast.Constant)
        return facts(node.func.id, str(argument.value))
    if isinstance(node, ast.BoolOp):
        return _joined([_value(part, facts) for part in node.values], decides=isinstance(node.op, ast.Or))
    if isinstance(node, ast.UnaryOp):
        found = _value(node.operand, facts)
        if isinstance(node.op, ast.Not):
            return None if found is None else not found
        return -found if isinstance(found, float) else None
    if isinstance(node, ast.BinOp):
        left, right = _value(node.left, facts), _value(node.right, facts)
        if not isinstance(left, float) or not isinstance(right, float):
            return None
        result = _REACH[type(node.op)](left, right)
        return result if math.isfinite(result) else None
    assert isinstance(node, ast.Compare)
    return _compared(node, facts)


def _joined(values: list[Value], *, decides: bool) -> bool | None:
    if any(value is decides for value in values):
        return decides
    return None if any(value is None for value in values) else not decides


def _compared(node: ast.Compare, facts: Facts) -> bool | None:
    values = [_value(part, facts) for part in (node.left, *node.comparators)]
    links: list[Value] = []
    for operator, left, right in zip(node.ops, values, values[1:], strict=False):
        links.append(_link(operator, left, right))
    return _joined(links, decides=False)


def _link(operator: ast.cmpop, left: Value, right: Value) -> bool | None:
    if left is None or right is None:
        return None
    if isinstance(left, float) and isinstance(right, float):
        if type(operator) in _COMPARE:
            return _COMPARE[type(operator)](left, right)
        return (left == right) == isinstance(operator, ast.Eq)
    if type(left) is not type(right) or type(operator) in _COMPARE:
        return None
    return (left == right) == isinstance(operator, ast.Eq)
