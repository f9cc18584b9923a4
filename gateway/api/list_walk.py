"""Go through any list of the API as its own route answers it, with the same filters, rights and order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any
from uuid import UUID

from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.datastructures import QueryParams

from assets.base.errors import Invalid
from gateway.api.asset_filters import asset_ids
from gateway.api.assets import list_assets
from gateway.api.deps import Context
from gateway.api.pages import MAX_LIMIT

PREFIX = "/api/v1/"
MAX_ROWS = 200_000
PAGING = frozenset({"limit", "after"})
# An answer of these holds secrets' neighbours or other lists: they have exports or pages of their own.
_LEFT_OUT = frozenset({"exports", "search", "import_mappings", "saved_filters"})
_LABELS = ("number", "serial", "code", "part_number", "name", "name_en", "name_zh", "title")
_TECHNICAL = frozenset({"version", "demo", "legal", "personal"})


@cache
def lists() -> dict[str, APIRoute]:
    """Return every route that answers with pages of items, by the name of its list such as `stock_transfers`."""
    from gateway.wiring import routers  # which lists this module's neighbours

    found = {}
    for route in (each for router in routers() for each in router.routes):
        if not isinstance(route, APIRoute) or "GET" not in (route.methods or ()) or "{" in route.path:
            continue
        if not route.path.startswith(PREFIX) or not _has_items(route.response_model):
            continue
        asked = route.dependant.query_params
        if {each.name for each in route.dependant.dependencies} != {"here"}:
            continue  # it asks for more than the caller: such a list has an export of its own
        # One that says nothing without a filter is a detail of something else.
        if not {each.name for each in asked} >= PAGING or any(each.field_info.is_required() for each in asked):
            continue
        name = route.path.removeprefix(PREFIX).replace("/", "_").replace("-", "_")
        if name not in _LEFT_OUT:
            found[name] = route
    return found


def filters_of(route: APIRoute) -> set[str]:
    """Return the words by which a list can be narrowed."""
    return {each.alias for each in route.dependant.query_params} - PAGING


def walk(route: APIRoute, here: Context, asked: Mapping[str, str]) -> Iterator[BaseModel]:
    """Yield every item of a list under filters. Raises what the list itself raises, and Invalid beyond 200,000."""
    values, errors = request_params_to_args(route.dependant.query_params, QueryParams(dict(asked)))
    if errors:
        raise RequestValidationError(errors)
    given: dict[str, Any] = {str(each.name): here for each in route.dependant.dependencies}
    after: str | None = None
    count = 0
    while True:
        page = route.endpoint(**given, **(values | {"limit": MAX_LIMIT, "after": after}))
        yield from page.items
        count += len(page.items)
        after = page.next
        if after is None:
            return
        if count >= MAX_ROWS:
            raise Invalid(f"more than {MAX_ROWS} rows: narrow the list down", field="q", most=MAX_ROWS)
        here.session.expunge_all()  # rows of the pages before need no place any more


def ids_of(route: APIRoute, here: Context, asked: Mapping[str, str]) -> list[UUID]:
    """Return the ids of every item of a list under filters."""
    if route.endpoint is list_assets:  # a hundred thousand cards would take minutes
        values, errors = request_params_to_args(route.dependant.query_params, QueryParams(dict(asked)))
        if errors:
            raise RequestValidationError(errors)
        return asset_ids(here, **{name: value for name, value in values.items() if name not in PAGING})
    items: Iterator[Any] = walk(route, here, asked)
    return [item.id for item in items]


def table_of(route: APIRoute, items: Iterable[BaseModel], language: str) -> tuple[list[str], Iterator[Sequence[Any]]]:
    """Return headings and rows: a column for each plain value, and for what a row names its number, code or name."""
    columns = _columns(_item_model(route.response_model))
    headings = [heading(path, language) for path in columns]
    return headings, (_row(item, columns) for item in items)


def heading(path: tuple[str, ...], language: str) -> str:
    """Return what stands above a column."""
    from gateway.api.list_words import ZH

    if language == "zh":
        return "".join(ZH.get(part.rstrip("_"), part.replace("_", " ").strip()) for part in path)
    said = " ".join(part.replace("_", " ").strip() for part in path)
    return said[:1].upper() + said[1:]


def _has_items(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel) and {"items", "next"} <= model.model_fields.keys()


def _item_model(page: Any) -> type[BaseModel]:
    made: type[BaseModel] = page.model_fields["items"].annotation.__args__[0]
    return made


def _model_in(annotation: Any) -> type[BaseModel] | None:
    for each in (annotation, *getattr(annotation, "__args__", ())):
        if isinstance(each, type) and issubclass(each, BaseModel):
            return each
    return None


def _columns(model: type[BaseModel]) -> list[tuple[str, ...]]:
    columns: list[tuple[str, ...]] = []
    for name, field in model.model_fields.items():
        if name in _TECHNICAL:
            continue
        inner = None if _is_list(field.annotation) else _model_in(field.annotation)
        if inner is None:
            columns.append((name,))
        else:
            labels = [label for label in _LABELS if label in inner.model_fields]
            columns += [(name, label) for label in labels] or [(name,)]
    # What people read comes first; ids are for those who join lists.
    return sorted(columns, key=lambda path: path[-1] == "id" or path[-1].endswith(("_id", "_ids")))


def _is_list(annotation: Any) -> bool:
    return any(getattr(each, "__origin__", None) is list for each in (annotation, *getattr(annotation, "__args__", ())))


def _row(item: BaseModel, columns: Sequence[tuple[str, ...]]) -> list[Any]:
    values = []
    for path in columns:
        value: Any = item
        for part in path:
            value = getattr(value, part, None) if value is not None else None
        values.append(_plain(value))
    return values


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json")
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False, default=str) if value else None
    if isinstance(value, list | tuple | set | frozenset):
        said = [_label(each) for each in value]
        return ", ".join(said) or None
    return value


def _label(value: Any) -> str:
    if isinstance(value, BaseModel):
        known = next((getattr(value, each) for each in _LABELS if getattr(value, each, None)), None)
        return str(known) if known is not None else json.dumps(value.model_dump(mode="json"), ensure_ascii=False)
    return json.dumps(value, ensure_ascii=False, default=str) if isinstance(value, dict | list) else str(value)
