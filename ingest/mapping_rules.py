"""What a mapping declares: where in a message the asset, the time and the values stand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from assets.base.units import unit_code
from edge_agent.wire import MAX_NAME_CHARS

MAX_PATH_CHARS = 200
MAX_VALUES = 100
MAX_LOOKUP = 500
ROOT = "$"  # a path that begins with it starts at the message, not at the element

# No multi-select and no expression references: `[@,@][]|[@,@][]|…` would double a message thirty times.
_ALLOWED_NODES = frozenset(
    {
        "field", "subexpression", "index", "index_expression", "slice", "projection", "value_projection",
        "filter_projection", "flatten", "identity", "current", "literal", "comparator", "and_expression",
        "or_expression", "not_expression", "pipe", "function_expression",
    }
)  # fmt: skip
_ALLOWED_FUNCTIONS = frozenset(
    {"abs", "avg", "ceil", "floor", "length", "max", "min", "not_null", "sum", "to_number", "values", "keys",
     "contains", "starts_with", "ends_with", "join", "type"}
)  # fmt: skip


def compile_path(text: str) -> Any:
    """Return the compiled JMESPath; `$` alone or before a dot is left out. Raise ValueError with what is wrong."""
    body = text[1:].removeprefix(".") if text.startswith(ROOT) else text
    try:
        compiled = jmespath.compile(body or "@")
    except (JMESPathError, RecursionError) as error:
        raise ValueError(f"no JMESPath: {str(error).splitlines()[0]}") from error
    for node in _nodes(compiled.parsed):
        kind = node["type"]
        if kind not in _ALLOWED_NODES:
            raise ValueError(f"a path may not hold {kind.replace('_', ' ')}")
        if kind == "function_expression" and node["value"] not in _ALLOWED_FUNCTIONS:
            raise ValueError(f"a path may not call {node['value']}()")
    return compiled


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    waiting = [node]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(child for child in each.get("children", ()) if isinstance(child, dict))


def _path(text: str) -> str:
    compile_path(text)
    return text


def _unit(text: str) -> str:
    code = unit_code(text)
    if code is None:
        raise ValueError("no unit")
    return code


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError("no time zone such as Europe/Berlin") from error
    return text


Path = Annotated[str, Field(min_length=1, max_length=MAX_PATH_CHARS), AfterValidator(_path)]
Level = Annotated[int, Field(ge=1, le=32)]
Name = Annotated[str, Field(min_length=1, max_length=MAX_NAME_CHARS)]


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Place(_Rule):
    """Where a name comes from: one of a fixed text, a level of the topic (from 1) and a path into the message."""

    fixed: Name | None = None
    level: Level | None = None
    path: Path | None = None
    lookup: dict[str, Name] | None = Field(default=None, max_length=MAX_LOOKUP)

    @model_validator(mode="after")
    def _one(self) -> Place:
        if sum(each is not None for each in (self.fixed, self.level, self.path)) != 1:
            raise ValueError("say one of fixed, level and path")
        return self


class Time(_Rule):
    """When it was measured; `zone` is for times that name none."""

    path: Path
    format: Literal["ms", "s", "us", "ns", "rfc3339"] = "ms"
    zone: Annotated[str, Field(max_length=64), AfterValidator(_zone)] | None = None


class ValueRule(_Rule):
    """One value, or with a metric such as `*` or `in_*` every plain value of the object at the path."""

    metric: Name | Place
    path: Path = "@"
    unit: Annotated[str, Field(max_length=60), AfterValidator(_unit)] | None = None
    scale: Annotated[float, Field(allow_inf_nan=False)] = 1.0
    offset: Annotated[float, Field(allow_inf_nan=False)] = 0.0
    lookup: dict[str, float | bool | str] | None = Field(default=None, max_length=MAX_LOOKUP)
    kind: Literal["number", "text", "boolean"] | None = Field(default=None, alias="as")

    @model_validator(mode="after")
    def _one_star(self) -> ValueRule:
        if isinstance(self.metric, str) and self.metric.count("*") > 1:
            raise ValueError("a metric has at most one *")
        return self


class QualityRule(_Rule):
    """How far a sample can be trusted; what the table does not hold counts as `*`, else as uncertain."""

    path: Path
    lookup: dict[str, Literal["good", "uncertain", "bad"]] = Field(max_length=MAX_LOOKUP)


class Rules(_Rule):
    """All that a mapping declares."""

    payload: Literal["json", "text"] = "json"
    each: Path | None = None
    asset: Place | None = None
    time: Time | None = None
    values: list[ValueRule] = Field(min_length=1, max_length=MAX_VALUES)
    quality: QualityRule | None = None
