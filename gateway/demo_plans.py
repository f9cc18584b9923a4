"""The demo's planned work, and a past of unplanned work made up for it: so that forecasts have something to show."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.people import Organisation
from assets.registry import Asset
from maintenance.plans.library import Package, make_plan, move_plan
from ticketing.models import WorkOrder
from ticketing.procedures.models import Procedure

WEEKS = 92  # of the past
SEED = 7
_CARE = "DEMO-PUMP-CARE"


def _every(months: int) -> dict[str, Any]:
    return {"kind": "calendar", "rrule": f"FREQ=MONTHLY;INTERVAL={months}"}


_Packages = tuple[tuple[str, Any, int, int], ...]
# code: names, kinds of machines, skill and level, packages (code, trigger, hierarchy, minutes), procedure
_PLANS: dict[str, tuple[str, str, tuple[str, ...], tuple[str, int], _Packages, str | None]] = {
    "DEMO-PUMPS": (
        "Pumps: care", "泵：保养", ("PUMP",), ("PUMP", 2), (("3M", _every(3), 1, 60),), _CARE,
    ),
    "DEMO-AIR": (
        "Compressor: service", "压缩机：维护", ("COMP",), ("COMP", 3),
        (("1M", _every(1), 1, 90), ("6M", _every(6), 2, 360)), None,
    ),
    "DEMO-COLD": ("Chiller: inspection", "冷水机组：检查", ("CHIL",), ("COLD", 3), (("1M", _every(1), 1, 240),), None),
    "DEMO-FANS": ("Fan: filters, belts", "风机：滤网与皮带", ("FAN",), ("FAN", 2), (("1M", _every(1), 1, 75),), None),
    # Nobody of the demo may do it: a staffing gap to be seen.
    "DEMO-ELEC": (
        "Electrical inspection", "电气检验", ("PUMP", "COMP", "CHIL", "FAN"), ("ELEC", 4),
        (("12M", _every(12), 1, 240),), None,
    ),
}  # fmt: skip
# Kind of machine: skill, level, orders a week, how much more of them in summer, minutes
_PAST: dict[str, tuple[str, int, float, float, int]] = {
    "PUMP": ("PUMP", 2, 0.35, 0.1, 95),
    "COMP": ("COMP", 2, 0.45, 0.2, 120),
    "CHIL": ("COLD", 3, 0.55, 0.7, 150),
    "FAN": ("FAN", 2, 0.3, 0.0, 60),
}


def load_plans(session: Session, operator: Organisation, assets: Mapping[str, Asset], now: datetime) -> None:
    """Activate the demo's plans, and write its past: closed orders that say that they are of the demo."""
    procedures = {
        row.code: row.id for row in session.scalars(select(Procedure).where(Procedure.organisation_id == operator.id))
    }
    for place, (code, (en, zh, kinds, skill, packages, procedure)) in enumerate(_PLANS.items()):
        values = {
            "code": code, "name": {"en": en, "zh": zh}, "effectivity": {}, "priority": "normal",
            "skills": [{"skill": skill[0], "level": skill[1]}], "duration_minutes": packages[0][3], "lead_days": 7,
            "horizon_days": 400, "tolerance_before": {"days": 5}, "tolerance_after": {"days": 7}, "scheduling": "fixed",
            "shift": {}, "when_closed": "keep", "seasons": [], "blackouts": [], "near_days": 0, "when_missed": "close",
            "starts": "on", "starts_on": (now + timedelta(days=10 + 4 * place)).date(), "at_minute": 540,
            "procedure_id": procedures.get(procedure or ""),
        }  # fmt: skip
        mine = [asset.id for serial, asset in assets.items() if _kind(serial) in kinds]
        spelled = [Package(name, told, hierarchy=rank, duration_minutes=spent) for name, told, rank, spent in packages]
        move_plan(session, make_plan(session, operator.id, values, spelled, now, asset_ids=mine), "active", now)
    _past(session, operator, assets, now)


def _kind(serial: str) -> str:
    return serial.split("-")[1]


def _past(session: Session, operator: Organisation, assets: Mapping[str, Asset], now: datetime) -> None:
    chance = random.Random(SEED)
    count = 0
    for serial, asset in assets.items():
        skill, level, rate, swing, minutes = _PAST[_kind(serial)]
        for back in range(WEEKS, 0, -1):
            opened = (now - timedelta(weeks=back)).astimezone(UTC)
            if asset.installed_at is None or opened < asset.installed_at:
                continue
            summer = 1 - swing * math.cos(2 * math.pi * (opened.timetuple().tm_yday - 15) / 365)
            for _ in range(_poisson(chance, rate * summer)):
                count += 1
                begins = opened + timedelta(minutes=chance.randrange(5 * 24 * 60))
                session.add(
                    _order(operator, asset, count, begins, skill, level, chance.randrange(minutes // 2, 2 * minutes))
                )
    session.flush()


def _order(
    operator: Organisation, asset: Asset, count: int, opened: datetime, skill: str, level: int, minutes: int
) -> WorkOrder:
    done = opened + timedelta(hours=3, minutes=minutes)
    return WorkOrder(
        organisation_id=asset.organisation_id,
        executing_organisation_id=operator.id,
        number=f"DEMO-{count:05}",
        asset_id=asset.id,
        site_id=asset.site_id,
        origin="manual",
        kind="machine",
        title_code="manual",
        title_text=f"Demo · {asset.name}",
        priority="normal",
        state="closed",
        opened_at=opened,
        started_at=opened + timedelta(hours=3),
        work_done_at=done,
        documented_at=done,
        closed_at=done,
        required_skills=[{"skill": skill, "level": level}],
        duration_minutes=minutes,
        demo=True,
    )


def _poisson(chance: random.Random, rate: float) -> int:
    limit, product, count = math.exp(-rate), chance.random(), 0
    while product > limit:
        product *= chance.random()
        count += 1
    return count
