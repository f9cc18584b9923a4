"""The demo's people at work: skills, homes, shifts, a team and its territories, so that there is something to plan."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.people import Organisation, Person
from assets.stock.places import StockLocation
from ticketing.people.profiles import set_profile, set_skill
from ticketing.people.shifts import assign, keep_shift
from ticketing.people.tables import Shift, Skill, Team, TechnicianProfile, Territory, WorkCentre
from ticketing.people.teams import add_team, join
from ticketing.people.territories import keep_territory, set_area

ZONE = "Europe/London"
_SKILLS = (
    ("PUMP", "Pumps and seals", "泵与密封", "mechanics"),
    ("COMP", "Compressed air", "压缩空气", "mechanics"),
    ("COLD", "Refrigeration", "制冷", "refrigeration"),
    ("FAN", "Fans and drives", "风机与传动", "mechanics"),
    ("ELEC", "Electrical work up to 1 kV", "1 kV 以下电工", "electrics"),
)
# name: home (address, latitude, longitude), van, cost an hour, skills with their levels
_TECHNICIANS: dict[str, tuple[tuple[str, float, float], str, str, dict[str, int]]] = {
    "Tom Technician": (("Bedminster, Bristol", 51.4400, -2.6030), "VAN-TOM", "38", {"PUMP": 4, "COMP": 4, "FAN": 3}),
    "Li Wei 李伟": (
        ("Caversham, Reading", 51.4670, -0.9730),
        "VAN-LI",
        "41",
        {"COLD": 5, "FAN": 4, "ELEC": 3, "PUMP": 2},
    ),
}
_RENEWED = ("COLD", 45)  # days until it expires, so that a warning is there to be seen
# One of the two is there each day, near enough to either customer for a day's work.
_DAY, _LONG = [["08:00", "17:00"]], [["08:00", "18:00"]]
_SHIFTS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "Weekdays 工作日": ({str(day): _LONG for day in range(5)}, ("Tom Technician",)),
    "Wednesday to Sunday 周三至周日": ({str(day): _DAY for day in range(2, 7)}, ("Li Wei 李伟",)),
}
_TERRITORIES: dict[str, list[list[float]]] = {
    "West": [[-3.3, 51.0], [-1.6, 51.0], [-1.6, 51.95], [-3.3, 51.95]],
    "London": [[-0.6, 51.25], [0.35, 51.25], [0.35, 51.72], [-0.6, 51.72]],
}


def load_people(session: Session, operator: Organisation, people: Mapping[str, Person], now: datetime) -> None:
    """Say what the demo's technicians can do, where from, when, and which area is theirs."""
    centre = WorkCentre(
        organisation_id=operator.id, code="DEMO", name="Demo service centre", address="Temple Quay, Bristol",
        latitude_deg=51.4497, longitude_deg=-2.5813, demo=True,
    )  # fmt: skip
    session.add(centre)
    session.flush()
    skills = {code: _skill(session, operator, code, en, zh, trade) for code, en, zh, trade in _SKILLS}
    for name, (home, van, cost, levels) in _TECHNICIANS.items():
        _technician(session, people[name], centre, home, van, cost, now)
        for code, level in levels.items():
            until = now.date() + timedelta(days=_RENEWED[1]) if code == _RENEWED[0] else None
            set_skill(session, people[name], skills[code], now, level=level, valid_until=until)
    for name, (week, who) in _SHIFTS.items():
        shift = Shift(
            organisation_id=operator.id, name=name, time_zone=ZONE, weeks=[week], lunch_minutes=45,
            lunch_from=time(11, 30), lunch_until=time(13, 30), overtime_minutes=60, demo=True,
        )  # fmt: skip
        keep_shift(session, shift, now, word="added", by=None)
        for each in who:
            assign(session, shift, people[each], now, valid_from=now.date() - timedelta(days=60))
    _team(session, operator, people, centre, now)


def _skill(session: Session, operator: Organisation, code: str, en: str, zh: str, trade: str) -> Skill:
    known = session.scalar(select(Skill).where(Skill.organisation_id == operator.id, Skill.code == code))
    if known is not None:  # the operator's own
        return known
    made = Skill(organisation_id=operator.id, code=code, name_en=en, name_zh=zh, trade=trade, demo=True)
    session.add(made)
    session.flush()
    return made


def _technician(
    session: Session,
    person: Person,
    centre: WorkCentre,
    home: tuple[str, float, float],
    van: str,
    cost: str,
    now: datetime,
) -> None:
    address, latitude, longitude = home
    location = session.scalar(select(StockLocation.id).where(StockLocation.code == van).limit(1))
    profile = TechnicianProfile(
        organisation_id=person.organisation_id, person_id=person.id, time_zone=ZONE, home_address=address,
        home_latitude_deg=latitude, home_longitude_deg=longitude, work_centre_id=centre.id, van_location_id=location,
        vehicle="van", cost_per_hour=Decimal(cost), overtime_cost_per_hour=Decimal(cost) * Decimal("1.5"),
        currency="GBP",
    )  # fmt: skip
    set_profile(session, profile, now, changed=["home"], by=None)


def _team(
    session: Session, operator: Organisation, people: Mapping[str, Person], centre: WorkCentre, now: datetime
) -> None:
    team = Team(name="Demo field service", kind="internal", work_centre_id=centre.id, demo=True)
    add_team(session, team, operator, now)
    for number, name in enumerate(_TECHNICIANS):
        join(session, team, people[name], now, valid_from=now - timedelta(days=60), leads=number == 0)
    for name, corners in _TERRITORIES.items():
        territory = Territory(organisation_id=operator.id, name=f"Demo {name}", rank=0, demo=True)
        territory.regions, territory.service_types = [], []
        set_area(territory, {"type": "Polygon", "coordinates": [corners]})
        keep_territory(session, territory, now, word="added", by=None, team_ids=[team.id])
