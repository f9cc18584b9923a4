"""What was found, in at most three picks: failure mode, cause, action; causes and general actions after ISO 14224."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assets.base.errors import Invalid
from ticketing.models import WorkOrder
from ticketing.words import one_of

# ISO 14224 tables B.3 and B.5, with the words of the shop floor.
CAUSES: dict[str, tuple[str, str]] = {
    "wear": ("Wear and ageing", "磨损老化"),
    "lubrication": ("Lack of lubrication", "润滑不良"),
    "contamination": ("Dirt or contamination", "污染异物"),
    "misalignment": ("Misalignment", "不对中"),
    "loose": ("Loose fastening", "松动"),
    "imbalance": ("Imbalance", "不平衡"),
    "overload": ("Overload", "过载"),
    "corrosion": ("Corrosion", "腐蚀"),
    "leak": ("Leaking seal", "密封泄漏"),
    "electrical": ("Electrical fault", "电气故障"),
    "power": ("Supply or power quality", "供电异常"),
    "control": ("Controls or software", "控制或软件"),
    "operation": ("Operating error", "操作不当"),
    "maintenance": ("Maintenance error", "维护不当"),
    "installation": ("Installation error", "安装不当"),
    "material": ("Material or manufacturing", "材料或制造缺陷"),
    "design": ("Design", "设计缺陷"),
    "external": ("Outside influence", "外部影响"),
    "other": ("Other", "其他"),
    "unknown": ("Not known", "不明"),
}
ACTIONS: dict[str, tuple[str, str]] = {
    "replace": ("Replaced", "更换"),
    "repair": ("Repaired", "修复"),
    "adjust": ("Adjusted", "调整"),
    "refit": ("Refitted, tightened", "重新安装紧固"),
    "clean": ("Cleaned", "清洁"),
    "lubricate": ("Lubricated", "加注润滑"),
    "modify": ("Modified", "改造"),
    "reset": ("Reset or restarted", "复位重启"),
    "inspect": ("Inspected only", "仅检查"),
    "other": ("Other", "其他"),
}
MAX_CODE = 100
_CODE = re.compile(r"[\w.:-]{1,100}")


@dataclass(frozen=True, slots=True)
class Past:
    """What was found and done once, how often, and when last; `here`: how often on this very machine."""

    failure_mode: str | None
    cause: str | None
    action: str | None
    outcome: str
    count: int
    here: int = 0


def record_failure(order: WorkOrder, failure_mode: str | None, cause: str | None) -> bool:
    """Write down what failed and why; None leaves what is there. True when it changed. Raises Invalid."""
    before = (order.failure_mode, order.failure_cause)
    if failure_mode is not None:
        if failure_mode and not _CODE.fullmatch(failure_mode):
            raise Invalid("a failure mode is named by its code", field="failure_mode")
        order.failure_mode = failure_mode or None
    if cause is not None:
        order.failure_cause = one_of("cause", cause, tuple(CAUSES)) if cause else None
    return (order.failure_mode, order.failure_cause) != before


def named(code: str | None, words: Mapping[str, tuple[str, str]]) -> dict[str, str] | None:
    """Return a code with its names in both languages; None for none."""
    if not code:
        return None
    en, zh = words.get(code, (code, code))
    return {"code": code, "name_en": en, "name_zh": zh}


def action_words(repair_codes: Sequence[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Return the actions of a machine: its model's own repairs first, then the general ones."""
    own = {str(one["code"]): (str(one.get("en") or one["code"]), str(one.get("zh") or "")) for one in repair_codes}
    return own | {code: words for code, words in ACTIONS.items() if code not in own}


def picks(
    modes: Mapping[str, tuple[str, str]],
    actions: Mapping[str, tuple[str, str]],
    past: Sequence[Past],
    noticed: Sequence[str] = (),
) -> dict[str, Any]:
    """Return three levels to pick from, what was noticed first, then what was most frequent; and what to suggest.

    The suggestion is the finding's first known mode (else the most frequent one) with its most frequent cause and
    action; None where nothing is known.
    """
    known = [code for code in noticed if code in modes]
    counts = {code: sum(one.count for one in past if one.failure_mode == code) for code in modes}
    order = sorted(modes, key=lambda code: (_place(known, code), -counts[code]))
    levels = [
        {**_word(code, modes[code], counts[code]), "causes": _causes(code, actions, past), "noticed": code in known}
        for code in order
    ]
    mode = known[0] if known else next((code for code in order if counts[code]), None)
    return {"suggested": _suggested(mode, past, bool(known)), "failure_modes": levels}


def _suggested(mode: str | None, past: Sequence[Past], noticed: bool) -> dict[str, str | None]:
    if mode is None:
        return {"failure_mode": None, "cause": None, "action": None, "why": None}
    own = [one for one in past if one.failure_mode == mode]
    best = max(own, key=lambda one: (one.count, one.here), default=None)
    return {
        "failure_mode": mode,
        "cause": best.cause if best else None,
        "action": best.action if best else None,
        "why": "finding" if noticed else "frequency",
    }


def _causes(mode: str, actions: Mapping[str, tuple[str, str]], past: Sequence[Past]) -> list[dict[str, Any]]:
    own = [one for one in past if one.failure_mode == mode]
    counts = {code: sum(one.count for one in own if one.cause == code) for code in CAUSES}
    return [
        {
            **_word(code, CAUSES[code], counts[code]),
            "actions": _actions(actions, [one for one in own if one.cause == code] or own),
        }
        for code in sorted(CAUSES, key=lambda code: -counts[code])
    ]


def _actions(actions: Mapping[str, tuple[str, str]], past: Sequence[Past]) -> list[dict[str, Any]]:
    counts = {code: sum(one.count for one in past if one.action == code) for code in actions}
    return [_word(code, actions[code], counts[code]) for code in sorted(actions, key=lambda code: -counts[code])]


def _word(code: str, names: tuple[str, str], count: int) -> dict[str, Any]:
    return {"code": code, "name_en": names[0], "name_zh": names[1], "count": count}


def _place(known: Sequence[str], code: str) -> int:
    return known.index(code) if code in known else len(known)
