"""What a step may be, and what an answer to it must be; nothing here touches the database."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from assets.base.errors import Invalid
from ticketing.words import PRIORITIES

KINDS = ("text", "number", "choice", "check", "photo", "signature", "meter")
OPERATORS = ("equals", "not_equals", "above", "below", "answered", "out_of_limit")
MAX_STEPS = 200
MAX_TITLE = 300
MAX_HELP = 4000
MAX_TEXT = 4000  # of an answer
MAX_CHOICES = 50
MAX_CONDITIONS = 5
MAX_PHOTOS = 20
LARGEST = 1e15  # numbers beyond it lose their last digits on the way
_KEY = re.compile(r"[a-z][a-z0-9_]{0,59}")
_FIELDS = frozenset(
    {
        "key",
        "kind",
        "title_en",
        "title_zh",
        "help_en",
        "help_zh",
        "section_en",
        "section_zh",
        "required",
        "photos",
        "unit",
        "low",
        "high",
        "decimals",
        "choices",
        "multiple",
        "meter",
        "when",
        "follow_up",
    }
)

Step = dict[str, Any]


class BadStep(Invalid):
    """A step cannot be kept; params: `field` (steps), `step`, `problem` and what was expected."""

    code = "bad_step"


def checked_steps(steps: Sequence[Mapping[str, Any]]) -> list[Step]:
    """Return steps in the one form in which they are stored. Raises BadStep, which names the step and the problem."""
    if len(steps) > MAX_STEPS:
        raise BadStep(f"at most {MAX_STEPS} steps", field="steps", step="", problem="too_many", limit=MAX_STEPS)
    kept: list[Step] = []
    earlier: dict[str, Step] = {}
    for step in steps:
        made = _checked_step(dict(step), earlier)
        kept.append(made)
        earlier[made["key"]] = made
    return kept


def checked_answer(step: Step, value: Any, evidence: Sequence[str]) -> tuple[Any, bool]:
    """Return the value as it is kept and whether it is out of limits.

    Raises Invalid when the value does not fit the step, or photos or a signature are missing.
    """
    least = step["photos"] if step["kind"] != "signature" else max(1, step["photos"])
    if len(evidence) < least:
        field = "evidence_ids"
        raise Invalid(f"{step['key']} needs {least} photos or more", field=field, step=step["key"], least=least)
    if step["kind"] in ("photo", "signature"):
        return _some_words(step, value), False
    if step["kind"] == "text":
        words = _some_words(step, value)
        if words is None:
            raise _unfit(step, "text")
        return words, False
    if step["kind"] == "check":
        if not isinstance(value, bool):
            raise _unfit(step, "true or false")
        return value, not value
    if step["kind"] == "choice":
        return _chosen(step, value)
    return _measured(step, value)


def asked(steps: Sequence[Step], answers: Mapping[str, tuple[Any, bool]]) -> list[Step]:
    """Return the steps whose conditions hold, in order; `answers` are (value, out of limit) by step.

    An answer to a step that is not asked counts for nothing, also in the conditions of others.
    """
    shown: list[Step] = []
    counting: dict[str, tuple[Any, bool]] = {}
    for step in steps:
        if all(_holds(condition, counting) for condition in step.get("when", [])):
            shown.append(step)
            if step["key"] in answers:
                counting[step["key"]] = answers[step["key"]]
    return shown


def missing(steps: Sequence[Step], answers: Mapping[str, tuple[Any, bool]]) -> list[str]:
    """Return the keys of required steps that are asked and have no answer."""
    return [step["key"] for step in asked(steps, answers) if step["required"] and step["key"] not in answers]


def _checked_step(step: Step, earlier: Mapping[str, Step]) -> Step:
    key = step.get("key")
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise _bad(str(key)[:60], "key", "a key has small letters, digits and _, and begins with a letter")
    if key in earlier:
        raise _bad(key, "repeated", "another step has this key")
    if unknown := sorted(step.keys() - _FIELDS):
        raise _bad(key, "unknown", f"there is no {unknown[0]}")
    kind = step.get("kind")
    if kind not in KINDS:
        raise _bad(key, "kind", f"kind is one of {', '.join(KINDS)}")
    kept: Step = {"key": key, "kind": kind, "required": step.get("required", True)}
    if not isinstance(kept["required"], bool):
        raise _bad(key, "required", "required is true or false")
    for field, most, needed in (
        ("title_en", MAX_TITLE, True),
        ("title_zh", MAX_TITLE, True),
        ("help_en", MAX_HELP, False),
        ("help_zh", MAX_HELP, False),
        ("section_en", MAX_TITLE, False),
        ("section_zh", MAX_TITLE, False),
    ):
        kept[field] = _words(key, field, step.get(field), most, needed)
    kept["photos"] = _photos(key, kind, step.get("photos"))
    kept |= _limits(key, kind, step)
    if kind == "choice":
        kept |= {"choices": _choices(key, step.get("choices")), "multiple": bool(step.get("multiple", False))}
    if kind == "meter":
        kept["meter"] = _words(key, "meter", step.get("meter"), MAX_TITLE, False)
    kept["when"] = _conditions(key, step.get("when"), earlier)
    kept["follow_up"] = _follow_up(key, kind, step.get("follow_up"))
    return kept


def _words(key: str, field: str, value: Any, most: int, needed: bool) -> str:
    if value is None and not needed:
        return ""
    if not isinstance(value, str) or (needed and not value.strip()) or len(value) > most:
        raise _bad(key, field, f"{field} is a text of at most {most} characters{' and not empty' if needed else ''}")
    return value.strip()


def _photos(key: str, kind: str, value: Any) -> int:
    least = 1 if kind == "photo" else 0
    told = least if value is None else value
    if isinstance(told, bool) or not isinstance(told, int) or not least <= told <= MAX_PHOTOS:
        raise _bad(key, "photos", f"photos is a whole number from {least} to {MAX_PHOTOS}")
    return told


def _limits(key: str, kind: str, step: Step) -> Step:
    if kind not in ("number", "meter"):
        if any(step.get(field) is not None for field in ("low", "high", "unit", "decimals")):
            raise _bad(key, "low", "limits and units belong to numbers and meters")
        return {}
    kept: Step = {"unit": _words(key, "unit", step.get("unit"), 40, False)}
    for field in ("low", "high"):
        value = step.get(field)
        if value is not None and not _is_number(value):
            raise _bad(key, field, f"{field} is a number")
        kept[field] = value
    if kept["low"] is not None and kept["high"] is not None and kept["low"] > kept["high"]:
        raise _bad(key, "low", "low is at most high")
    decimals = step.get("decimals")
    if decimals is not None and (isinstance(decimals, bool) or not isinstance(decimals, int) or not 0 <= decimals <= 9):
        raise _bad(key, "decimals", "decimals is a whole number from 0 to 9")
    return kept | {"decimals": decimals}


def _choices(key: str, value: Any) -> list[Step]:
    if not isinstance(value, list) or not 2 <= len(value) <= MAX_CHOICES:
        raise _bad(key, "choices", f"2 to {MAX_CHOICES} choices")
    kept: list[Step] = []
    for one in value:
        if not isinstance(one, dict) or not isinstance(one.get("value"), str) or not _KEY.fullmatch(one["value"]):
            raise _bad(key, "choices", "each choice has a value of small letters, digits and _")
        if one["value"] in {other["value"] for other in kept}:
            raise _bad(key, "choices", f"{one['value']} is there twice")
        out = one.get("out_of_limit", False)
        if not isinstance(out, bool):
            raise _bad(key, "choices", "out_of_limit is true or false")
        en = _words(key, "choices", one.get("en"), MAX_TITLE, True)
        zh = _words(key, "choices", one.get("zh"), MAX_TITLE, True)
        kept.append({"value": one["value"], "en": en, "zh": zh, "out_of_limit": out})
    return kept


def _conditions(key: str, value: Any, earlier: Mapping[str, Step]) -> list[Step]:
    if value is None:
        return []
    if not isinstance(value, list) or len(value) > MAX_CONDITIONS:
        raise _bad(key, "when", f"when is a list of at most {MAX_CONDITIONS} conditions")
    kept: list[Step] = []
    for one in value:
        if not isinstance(one, dict) or one.get("op") not in OPERATORS:
            raise _bad(key, "when", f"op is one of {', '.join(OPERATORS)}")
        on = earlier.get(str(one.get("step")))
        if on is None:
            raise _bad(key, "when", "a condition names an earlier step")
        kept.append({"step": on["key"], "op": one["op"], "value": _compared(key, on, one)})
    return kept


def _compared(key: str, on: Step, condition: Step) -> Any:
    op, value = condition["op"], condition.get("value")
    if op in ("answered", "out_of_limit"):
        return None
    if op in ("above", "below"):
        if on["kind"] not in ("number", "meter") or not _is_number(value):
            raise _bad(key, "when", f"{op} compares a number with a number")
        return value
    allowed = {
        "choice": lambda: value in {one["value"] for one in on["choices"]},
        "check": lambda: isinstance(value, bool),
        "number": lambda: _is_number(value),
        "meter": lambda: _is_number(value),
        "text": lambda: isinstance(value, str) and len(value) <= MAX_TEXT,
    }.get(on["kind"])
    if allowed is None or not allowed():
        raise _bad(key, "when", f"{on['key']} is never that")
    return value


def _follow_up(key: str, kind: str, value: Any) -> Step | None:
    if value is None:
        return None
    if kind not in ("number", "meter", "choice", "check"):
        raise _bad(key, "follow_up", "only what has limits demands a follow-up")
    if not isinstance(value, dict) or value.get("priority", "normal") not in PRIORITIES:
        raise _bad(key, "follow_up", f"priority is one of {', '.join(PRIORITIES)}")
    return {
        "title_en": _words(key, "follow_up", value.get("title_en"), 200, True),
        "title_zh": _words(key, "follow_up", value.get("title_zh"), 200, True),
        "priority": value.get("priority", "normal"),
    }


def _holds(condition: Step, answers: Mapping[str, tuple[Any, bool]]) -> bool:
    found = answers.get(condition["step"])
    if found is None:
        return False
    value, out = found
    wanted = condition["value"]
    match condition["op"]:
        case "answered":
            return True
        case "out_of_limit":
            return out
        case "above":
            return bool(value > wanted)
        case "below":
            return bool(value < wanted)
        case "equals":
            return bool(wanted in value if isinstance(value, list) else value == wanted)
        case _:
            return bool(wanted not in value if isinstance(value, list) else value != wanted)


def _measured(step: Step, value: Any) -> tuple[float, bool]:
    if not _is_number(value):
        raise _unfit(step, "a number")
    decimals = step.get("decimals")
    kept = round(value, decimals) if decimals is not None else value
    low, high = step.get("low"), step.get("high")
    # The limit itself is inside. What was measured decides, not what rounding made of it.
    return kept, (low is not None and value < low) or (high is not None and value > high)


def _chosen(step: Step, value: Any) -> tuple[Any, bool]:
    known = {one["value"]: one["out_of_limit"] for one in step["choices"]}
    if not step["multiple"]:
        if not isinstance(value, str) or value not in known:
            raise _unfit(step, f"one of {', '.join(known)}")
        return value, known[value]
    if not isinstance(value, list) or not value or any(not isinstance(one, str) or one not in known for one in value):
        raise _unfit(step, f"some of {', '.join(known)}")
    kept = [each for each in known if each in value]
    return kept, any(known[each] for each in kept)


def _some_words(step: Step, value: Any) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or len(value) > MAX_TEXT:
        raise _unfit(step, f"a text of at most {MAX_TEXT} characters")
    return value.strip() or None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and abs(value) <= LARGEST


def _unfit(step: Step, expected: str) -> Invalid:
    return Invalid(f"the answer to {step['key']} is {expected}", field="value", step=step["key"], expected=expected)


def _bad(key: str, problem: str, words: str) -> BadStep:
    return BadStep(f"step {key}: {words}", field="steps", step=key, problem=problem)
