"""The demo's promises and procedures: what each customer was promised, in which hours, how a pump is maintained."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.calendars import Calendar
from assets.base.errors import Conflict
from assets.base.events import append_event
from assets.base.holiday_days import as_exceptions, holiday_days
from assets.people import Organisation
from assets.registry import AssetModel
from ticketing.cases.service_types import ensure_service_types
from ticketing.cases.tables import ServiceType
from ticketing.procedures.library import create_procedure, publish, set_links
from ticketing.procedures.models import LabourRate
from ticketing.procedures.pricing import set_rate
from ticketing.sla.tables import SlaPolicy, SlaTarget

_OFFICE = {str(day): [["08:00", "12:00"], ["12:45", "18:00"]] for day in range(5)}
_ALWAYS = {str(day): [["00:00", "00:00"]] for day in range(7)}
# customer: what the hours are called, the hours, and minutes for each clock: (any priority, urgent)
_PROMISES: dict[str, tuple[str, dict[str, Any], dict[str, tuple[int, int]]]] = {
    "Riverside Foods": (
        "Weekdays 08:00 to 18:00, bank holidays off",
        _OFFICE,
        {"response": (240, 60), "arrival": (960, 240), "restoration": (1920, 480)},
    ),
    "Harbour Hospital": ("Around the clock 全天候", _ALWAYS, {"response": (120, 30), "closing": (7 * 1440, 1440)}),
}
_WARNINGS = [
    {"percent": 80, "tell": [{"to": "assignee"}, {"to": "dispatchers"}], "repeats": 0, "repeat_minutes": None},
    {"percent": 100, "tell": [{"to": "dispatchers"}, {"to": "planners"}], "repeats": 2, "repeat_minutes": 60},
]
_SERVICE = "maintenance"
_BEFORE, _LOOK, _AFTER = ("Before", "准备"), ("Look over", "检查"), ("Afterwards", "收尾")


def _step(key: str, kind: str, section: tuple[str, str], en: str, zh: str, **more: Any) -> dict[str, Any]:
    words = {"title_en": en, "title_zh": zh, "section_en": section[0], "section_zh": section[1]}
    return {"key": key, "kind": kind} | words | more


STEPS: list[dict[str, Any]] = [
    _step("isolated", "check", _BEFORE, "Isolated, locked and tagged", "已断电、上锁、挂牌"),
    _step("seal", "choice", _LOOK, "Mechanical seal", "机械密封", choices=[
        {"value": "dry", "en": "Dry", "zh": "干燥"},
        {"value": "drips", "en": "A drop now and then", "zh": "偶有滴漏"},
        {"value": "leaks", "en": "Leaks", "zh": "泄漏", "out_of_limit": True},
    ], follow_up={"title_en": "Change the mechanical seal", "title_zh": "更换机械密封", "priority": "high"}),
    _step("seal_photo", "photo", _LOOK, "Photo of the leak", "泄漏照片",
          when=[{"step": "seal", "op": "equals", "value": "leaks"}]),
    _step("vibration", "number", _LOOK, "Vibration at the drive end", "驱动端振动", unit="mm/s", low=0, high=4.5,
          decimals=1, help_en="Radially, at full speed.", help_zh="额定转速下沿径向测量。"),
    _step("grease", "check", _LOOK, "Bearings greased", "轴承已加注润滑脂"),
    _step("remarks", "text", _AFTER, "Anything else", "其他情况", required=False),
]  # fmt: skip


_POINTS = [
    {"code": "Q1", "name_en": "Motor isolator", "name_zh": "电机隔离开关", "energy": "electrical"},
    {"code": "V1", "name_en": "Suction valve", "name_zh": "吸入阀", "energy": "hydraulic"},
    {"code": "V2", "name_en": "Discharge valve", "name_zh": "排出阀", "energy": "hydraulic"},
]
# skill, from which level on, an hour
_RATES = ((None, 1, "42"), ("PUMP", 3, "55"))
_CARE: dict[str, Any] = {
    "labour": [{"skill": "PUMP", "level": 2, "people": 1, "minutes": 60}],
    "parts": [{"number": "BRG-6308", "quantity": 1}],
    "tools": [{"number": "VIB-1", "minutes": 20}],
    "currency": "GBP",
}
_CHANGE: list[dict[str, Any]] = [
    _step("drain", "check", _BEFORE, "Casing drained, pressure gauge at zero", "泵壳已排空，压力表归零"),
    _step("old_seal", "photo", _LOOK, "Photo of the old seal faces", "旧密封面照片"),
    _step("sleeve", "choice", _LOOK, "Shaft sleeve", "轴套", choices=[
        {"value": "smooth", "en": "Smooth", "zh": "光滑"},
        {"value": "grooved", "en": "Grooved", "zh": "有沟槽", "out_of_limit": True},
    ]),
    _step("fitted", "check", _LOOK, "New seal fitted, springs compressed to the mark", "新密封已安装，弹簧压缩至标线"),
    _step("run", "number", _AFTER, "Leakage after ten minutes", "运行十分钟后泄漏量", unit="mL", low=0, high=2),
]  # fmt: skip
_SEAL: dict[str, Any] = {
    "labour": [{"skill": "PUMP", "level": 3, "people": 2, "minutes": 90}],
    "parts": [{"number": "SEAL-CP80-B", "quantity": 1}],
    "permits": [
        {"code": "LOTO-PUMP", "kind": "electrical", "name_en": "Pump isolated and locked", "name_zh": "泵隔离上锁",
         "lock_out": True, "valid_hours": 12, "points": _POINTS, "steps": ["drain", "old_seal", "sleeve", "fitted"]},
    ],
    "currency": "GBP",
}  # fmt: skip


def load_service(
    session: Session,
    operator: Organisation,
    customers: Mapping[str, Organisation],
    zones: Mapping[str, str],
    pump: AssetModel,
    now: datetime,
) -> None:
    """Promise each customer something, in hours of its own, and say how a pump is maintained.

    Promises and hours are the customers' and go with them.
    """
    for name, (hours, week, minutes) in _PROMISES.items():
        calendar = _calendar(session, customers[name], hours, week, zones[name], now)
        _policy(session, customers[name], f"{name} 服务承诺", calendar, minutes, now)
    _procedure(session, operator, pump, now)


def _calendar(
    session: Session, owner: Organisation, name: str, week: dict[str, Any], zone: str, now: datetime
) -> Calendar:
    calendar = Calendar(organisation_id=owner.id, name=name, time_zone=zone, hours=week, exceptions={})
    if week is _OFFICE:
        years = [now.year, now.year + 1]
        days = holiday_days("GB", years, subdivision="ENG")
        calendar.exceptions, calendar.day_names = as_exceptions(days, week, {})
        calendar.holidays = {"country": "GB", "subdivision": "ENG", "years": years}
    session.add(calendar)
    session.flush()
    return calendar


def _policy(
    session: Session,
    owner: Organisation,
    name: str,
    calendar: Calendar,
    minutes: Mapping[str, tuple[int, int]],
    now: datetime,
) -> None:
    policy = SlaPolicy(organisation_id=owner.id, name=name, match={}, calendar_id=calendar.id)
    policy.created_at = policy.changed_at = now
    policy.pauses = {"customer": ["restoration"]} if "restoration" in minutes else {}
    policy.warnings = _WARNINGS
    session.add(policy)
    session.flush()
    for clock, (usual, urgent) in minutes.items():
        for priority, amount in (("any", usual), ("urgent", urgent)):
            target = SlaTarget(organisation_id=owner.id, policy_id=policy.id, clock=clock, priority=priority)
            target.minutes = amount
            session.add(target)
    session.flush()
    append_event(
        session, "sla_policy.created", at=now, organisation_id=owner.id, subject_kind="sla_policy",
        subject_id=policy.id, payload={"name": name}, first=True,
    )  # fmt: skip


def _procedure(session: Session, operator: Organisation, pump: AssetModel, now: datetime) -> None:
    ensure_service_types(session, operator.id, now)
    wanted = select(ServiceType.id).where(ServiceType.organisation_id == operator.id, ServiceType.code == _SERVICE)
    kind = session.scalar(wanted)
    made = create_procedure(
        session, organisation_id=operator.id, code="DEMO-PUMP-CARE", name_en="Pump: maintenance", name_zh="泵：保养",
        description_en="Every 2000 hours, and after a seal was changed.",
        description_zh="每 2000 小时一次；更换密封后也需执行。", steps=STEPS, norms=_CARE, now=now,
    )  # fmt: skip
    made.demo = True
    for skill, level, rate in _RATES:
        row = LabourRate(organisation_id=operator.id, demo=True)
        since = date(now.year - 1, 1, 1)
        with suppress(Conflict):  # the operator's own
            set_rate(
                session, row, skill=skill, level=level, rate=Decimal(rate), currency="GBP", valid_from=since,
                valid_to=None, now=now,
            )  # fmt: skip
    publish(session, made, now)
    set_links(session, made, [(pump.id, None, kind)], now)
    seal = create_procedure(
        session, organisation_id=operator.id, code="DEMO-SEAL", name_en="Pump: change the seal", name_zh="泵：更换密封",
        description_en="The pump stands, isolated and drained.", description_zh="泵已停机、隔离并排空。",
        steps=_CHANGE, norms=_SEAL, now=now,
    )  # fmt: skip
    seal.demo = True
    publish(session, seal, now)
