"""Say codes with parameters in both languages: labels, units, times and shares as people write them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel

from gateway import texts

SHARES = frozenset({"share", "probability", "coverage", "opens_share"})
TIMES = frozenset({"at", "since", "until"})


class Words(BaseModel):
    """A code with parameters, and what it says in both languages."""

    code: str
    params: dict[str, Any]
    en: str
    zh: str


def words(prefix: str, code: str, params: Mapping[str, Any] | None = None) -> Words:
    """Return the text of `prefix` + `code`; what it needs and is not given is written as a dash."""
    given = dict(params or {})
    said = {language: _say(language, prefix + code, given) for language in texts.LANGUAGES}
    return Words(code=code, params=given, en=said["en"], zh=said["zh"])


def _say(language: str, code: str, params: Mapping[str, Any]) -> str:
    shown = {name: _shown(language, name, value, code) for name, value in params.items()}
    unit = str(params.get("unit_label") or "")
    for name in ("seen", "expected"):
        if params.get(name) is not None and unit and unit != "1":
            shown[name] = f"{shown[name]} {unit}"
    shown["label"] = str(params.get(f"label_{language}") or params.get("metric") or "")
    deviation = params.get("deviation")
    shown["sigmas"] = _number(abs(deviation)) if isinstance(deviation, int | float) else "–"
    for name in ("rmse_s", "champion_rmse_s"):
        seconds = params.get(name)
        shown[name.removesuffix("_s") + "_h"] = _number(seconds / 3600) if isinstance(seconds, int | float) else "–"
    template = texts.catalogue(language).get(code) or texts.catalogue(texts.DEFAULT).get(code)
    if template is None:
        return texts.text(language, code)
    return template.format_map(defaultdict(lambda: "–", shown))


def _shown(language: str, name: str, value: Any, code: str) -> str:
    if value is None:
        return "–"
    if name in TIMES and isinstance(value, str | int | float) and not isinstance(value, bool):
        return _moment(language, value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        share = name in SHARES or (code.endswith("probability_level") and name in ("opens", "clears"))
        return f"{value:.0%}" if share else _number(value)
    if name == "regime" and texts.has(f"mode.{value}"):
        return texts.text(language, f"mode.{value}")
    return str(value)


def _moment(language: str, value: str | float) -> str:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) else datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        return str(value)
    return f"{texts.moment(language, at, UTC)} UTC"


def _number(value: float) -> str:
    """Four digits that say something, without an exponent where people would not write one."""
    if not math.isfinite(value):
        return "–"
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value)}"
    return f"{value:.4g}" if 1e-4 <= abs(value) < 1e6 else f"{value:.3g}"
