"""Detector state to bytes and back, as arrays and JSON only: nothing that could run code when loaded."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors.reference import Reference

_ARRAY = "__array__"
FORMAT = 2
MAGIC = b"FWSTATE2"
KINDS = "fiubU"  # of arrays: numbers and texts, nothing that could run


class StateUnreadable(ValueError):
    """The bytes are not a detector state of a format we know."""


def facts_to_plain(facts: FindingFacts | None) -> dict[str, Any] | None:
    if facts is None:
        return None
    plain = asdict(facts)
    for name in ("first_at", "last_at", "cleared_at"):
        plain[name] = plain[name].isoformat() if plain[name] is not None else None
    return plain


def facts_from_plain(plain: dict[str, Any] | None) -> FindingFacts | None:
    if plain is None:
        return None
    values = dict(plain)
    for name in ("first_at", "last_at", "cleared_at"):
        values[name] = datetime.fromisoformat(values[name]) if values[name] is not None else None
    values["contributions"] = tuple(Contribution(**c) for c in values["contributions"])
    return FindingFacts(**values)


def reference_to_plain(known: Reference | None) -> dict[str, Any] | None:
    return None if known is None else {f.name: getattr(known, f.name) for f in fields(known)}


def reference_from_plain(plain: dict[str, Any] | None) -> Reference | None:
    return None if plain is None else Reference(**plain)


def pack(state: dict[str, Any]) -> bytes:
    """Nested dictionaries of numbers, texts, lists and arrays as a JSON header and the arrays' bytes."""
    arrays: list[np.ndarray[Any, Any]] = []

    def lift(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in KINDS:
                raise TypeError(f"no state: an array of {value.dtype}")
            arrays.append(value)
            return {_ARRAY: [len(arrays) - 1, value.dtype.str, list(value.shape)]}
        if isinstance(value, dict):
            return {str(k): lift(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [lift(v) for v in value]
        return value

    header = json.dumps({"format": FORMAT, "state": lift(state)}, allow_nan=True).encode()
    parts = [MAGIC, len(header).to_bytes(8, "little"), header, *(array.tobytes() for array in arrays)]
    return b"".join(parts)


def unpack(data: bytes) -> dict[str, Any]:
    """The inverse of `pack`. Raise StateUnreadable for anything else."""
    try:
        if not data.startswith(MAGIC):
            return _unpack_zipped(data)
        begin = len(MAGIC) + 8
        end = begin + int.from_bytes(data[len(MAGIC) : begin], "little")
        header = _known_format(json.loads(data[begin:end]))
        state: dict[str, Any] = _sink(header["state"], _Arrays(data, end).take)
    except StateUnreadable:
        raise
    except (OSError, ValueError, KeyError, TypeError, EOFError, IndexError, zipfile.BadZipFile) as error:
        raise StateUnreadable(f"not a detector state: {error}") from error
    return state


class _Arrays:
    """Reads the arrays behind the header in their order."""

    def __init__(self, data: bytes, start: int) -> None:
        self._data, self._at, self._next = data, start, 0

    def take(self, name: list[Any]) -> np.ndarray[Any, Any]:
        number, text, shape = name
        dtype = np.dtype(text)
        if dtype.kind not in KINDS or number != self._next:
            raise StateUnreadable(f"an array of {text} where none can be")
        array = np.frombuffer(self._data, dtype, math.prod(shape), self._at).reshape(shape).copy()
        self._at, self._next = self._at + array.nbytes, number + 1
        return array


def _unpack_zipped(data: bytes) -> dict[str, Any]:
    """A state of the first format, as npz."""
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        header = _known_format(json.loads(str(stored["header"])))
        state: dict[str, Any] = _sink(header["state"], stored.__getitem__)
    return state


def _known_format(header: Any) -> dict[str, Any]:
    if header["format"] not in (1, FORMAT):
        raise StateUnreadable(f"detector state of format {header['format']}, this version reads {FORMAT}")
    return dict(header)


def _sink(value: Any, take: Callable[[Any], np.ndarray[Any, Any]]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return take(value[_ARRAY])
        return {k: _sink(v, take) for k, v in value.items()}
    if isinstance(value, list):
        return [_sink(v, take) for v in value]
    return value
