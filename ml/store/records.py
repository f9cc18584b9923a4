"""Frozen dataclasses of the ml room as plain data and back: named, looked up in a short list, never run."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

_RECORD = "__record__"
# Only dataclasses of these modules are ever made from stored data.
_ROOMS = ("ml.detectors.", "ml.peers")


class RecordUnknown(ValueError):
    """Stored data names a class that is none of ours."""


def to_plain(value: Any) -> Any:
    """Return the value with each dataclass as its name and fields; arrays, numbers and texts stay as they are.

    Raise RecordUnknown for what could not be read back.
    """
    if is_dataclass(value) and not isinstance(value, type):
        name = f"{type(value).__module__}:{type(value).__qualname__}"
        _class_of(name)
        return {_RECORD: name, "fields": {f.name: to_plain(getattr(value, f.name)) for f in fields(value)}}
    if isinstance(value, Mapping):
        return {str(key): to_plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(each) for each in value]
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str | np.ndarray):
        return value
    raise RecordUnknown(f"{type(value).__name__} is not plain")


def from_plain(value: Any) -> Any:
    """The inverse of `to_plain`; lists come back as tuples inside dataclasses. Raise RecordUnknown."""
    if isinstance(value, dict):
        if _RECORD not in value:
            return {key: from_plain(each) for key, each in value.items()}
        made = _class_of(str(value[_RECORD]))
        known = {f.name for f in fields(made)}
        given = {name: from_plain(each) for name, each in value["fields"].items() if name in known}
        return made(**{name: tuple(each) if isinstance(each, list) else each for name, each in given.items()})
    if isinstance(value, list):
        return [from_plain(each) for each in value]
    return value


def _class_of(name: str) -> Any:
    module, _, qualified = name.partition(":")
    if not any(module == room or (room.endswith(".") and module.startswith(room)) for room in _ROOMS):
        raise RecordUnknown(f"{name} is not one of ours")
    try:
        found = getattr(importlib.import_module(module), qualified, None)
    except ImportError:
        found = None
    if not isinstance(found, type) or not is_dataclass(found):
        raise RecordUnknown(f"{name} is no dataclass of ours")
    return found
