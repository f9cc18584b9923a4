"""Detector state to bytes and back, as arrays and JSON only: nothing that could run code when loaded."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import asdict, fields
from datetime import datetime
from typing import Any

import numpy as np

from maintenance.decisions import Contribution, FindingFacts
from ml.detectors.reference import Reference

_ARRAY = "__array__"
FORMAT = 1


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
    """Nested dictionaries of numbers, texts, lists and arrays as one npz with a JSON header."""
    arrays: dict[str, np.ndarray[Any, Any]] = {}

    def lift(value: Any) -> Any:
        if isinstance(value, np.ndarray):
            name = f"a{len(arrays)}"
            arrays[name] = value
            return {_ARRAY: name}
        if isinstance(value, dict):
            return {str(k): lift(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [lift(v) for v in value]
        return value

    header = json.dumps({"format": FORMAT, "state": lift(state)}, allow_nan=True)
    out = io.BytesIO()
    np.savez(out, header=np.array(header), **arrays)  # type: ignore[arg-type]
    return out.getvalue()


def unpack(data: bytes) -> dict[str, Any]:
    """The inverse of `pack`. Raise StateUnreadable for anything else."""
    try:
        with np.load(io.BytesIO(data), allow_pickle=False) as stored:
            header = json.loads(str(stored["header"]))
            if header["format"] != FORMAT:
                raise StateUnreadable(f"detector state of format {header['format']}, this version reads {FORMAT}")
            state: dict[str, Any] = _sink(header["state"], stored)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise StateUnreadable(f"not a detector state: {error}") from error
    return state


def _sink(value: Any, stored: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return stored[value[_ARRAY]]
        return {k: _sink(v, stored) for k, v in value.items()}
    if isinstance(value, list):
        return [_sink(v, stored) for v in value]
    return value
