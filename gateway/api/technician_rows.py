"""Technicians as lists and pages show them: what they can do, when they work, how busy they are."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from uuid import UUID

from pydantic import BaseModel
from sqlalchemy import select

from assets.base.access import may
from assets.people import Organisation, Person
from assets.stock.places import StockLocation
from gateway.api.deps import Context
from gateway.api.edits import Ref
from gateway.api.skills import HeldItem, held_by
from ticketing.fitness import PlannedVisit
from ticketing.people.availability import availability
from ticketing.people.profiles import profiles_of, speed_of
from ticketing.people.tables import Absence, Team, TechnicianProfile, WorkCentre
from ticketing.people.teams import teams_of
from ticketing.people.working import WorkSpan
from ticketing.technicians import open_orders, planned_minutes

AHEAD = timedelta(days=7)  # what 'load' looks at


class LunchItem(BaseModel):
    """A break of so many minutes somewhere between two moments."""

    opens: datetime
    closes: datetime
    minutes: int


class SpanItem(BaseModel):
    """Somebody can work from `start` to `end`, and until `overtime_end` as overtime."""

    start: datetime
    end: datetime
    overtime_end: datetime
    lunch: LunchItem | None
    shift_id: UUID


class TechnicianItem(BaseModel):
    """Somebody who can be sent; `id` is the person's. Minutes of the next seven days; `missing`: lacks of a plan."""

    id: UUID
    person_id: UUID
    name: str
    organisation: Ref | None
    open_work_orders: int
    teams: list[Ref]
    work_centre: Ref | None
    skills: list[HeldItem]
    home_known: bool
    vehicle: str | None
    works_now: bool
    absent: bool
    next_span: SpanItem | None
    visits_planned: int
    planned_minutes: float
    available_minutes: float
    load: float | None
    missing: list[str]


class Technicians(BaseModel):
    """A page of technicians."""

    items: list[TechnicianItem]
    next: str | None = None


class ProfileItem(BaseModel):
    """What planning knows of somebody; the home and the costs are for the desk and the person alone."""

    time_zone: str
    home_address: str | None
    home_latitude_deg: float | None
    home_longitude_deg: float | None
    work_centre_id: UUID | None
    van_location_id: UUID | None
    van: Ref | None
    vehicle: str
    speed_kmh: float | None
    speed_used_kmh: float
    cost_per_hour: Decimal | None
    overtime_cost_per_hour: Decimal | None
    currency: str
    overtime_minutes: int | None
    version: int


class VisitMeanwhile(BaseModel):
    """A planned visit that a change is in the way of."""

    visit_id: UUID
    work_order_id: UUID
    number: str
    state: str
    planned_start: datetime
    planned_end: datetime | None


class TechnicianDetail(TechnicianItem):
    """A technician with the profile."""

    profile: ProfileItem | None


def span_item(span: WorkSpan) -> SpanItem:
    """Return a working span as people read it."""
    lunch = span.lunch
    return SpanItem(
        start=span.start,
        end=span.end,
        overtime_end=span.overtime_end,
        lunch=LunchItem(opens=lunch.opens, closes=lunch.closes, minutes=lunch.minutes) if lunch else None,
        shift_id=span.shift_id,
    )


def meanwhile(visits: list[PlannedVisit]) -> list[VisitMeanwhile]:
    """Return visits as a change names them."""
    return [
        VisitMeanwhile(
            visit_id=each.visit_id,
            work_order_id=each.work_order_id,
            number=each.number,
            state=each.state,
            planned_start=each.planned_start,
            planned_end=each.planned_end,
        )
        for each in visits
    ]


def items_of(here: Context, people: list[Person]) -> list[TechnicianItem]:
    """Return people as the list shows them; one query for each kind of fact."""
    keys = [person.id for person in people]
    until = here.now + AHEAD
    profiles, held = profiles_of(here.session, keys), held_by(here, keys)
    busy, planned = open_orders(here.session, keys), planned_minutes(here.session, keys, here.now, until)
    teams = teams_of(here.session, keys, here.now)
    spans: dict[UUID, list[WorkSpan]] = defaultdict(list)
    for span in availability(here.session, keys, here.now, until):
        spans[span.person_id].append(span)
    team_names = _names(here, Team, {key for each in teams.values() for key in each})
    centres = _names(here, WorkCentre, {each.work_centre_id for each in profiles.values() if each.work_centre_id})
    owners = _names(here, Organisation, {person.organisation_id for person in people})
    away = _away(here, keys)
    made = []
    for person in people:
        profile, working = profiles.get(person.id), spans[person.id]
        count, minutes = planned.get(person.id, (0, 0.0))
        free = sum(span.minutes for span in working)
        centre = profile.work_centre_id if profile else None
        made.append(
            TechnicianItem(
                id=person.id,
                person_id=person.id,
                name=person.name,
                organisation=owners.get(person.organisation_id),
                open_work_orders=busy.get(person.id, 0),
                teams=[team_names[key] for key in teams[person.id] if key in team_names],
                work_centre=centres.get(centre) if centre else None,
                skills=held[person.id],
                home_known=profile is not None and profile.home_latitude_deg is not None,
                vehicle=profile.vehicle if profile else None,
                works_now=bool(working) and working[0].start <= here.now,
                absent=person.id in away,
                next_span=span_item(working[0]) if working else None,
                visits_planned=count,
                planned_minutes=round(minutes, 1),
                available_minutes=round(free, 1),
                load=round(minutes / free, 3) if free else None,
                missing=_missing(profile, working, held[person.id]),
            )
        )
    return made


def detail_of(here: Context, person: Person) -> TechnicianDetail:
    """Return a person with the profile, which only the desk and they themselves read."""
    profile = profiles_of(here.session, [person.id]).get(person.id)
    own = may(here.actor, "technician.manage") or here.actor.person_id == person.id
    shown = profile_item(here, profile) if profile and own else None
    return TechnicianDetail(**items_of(here, [person])[0].model_dump(), profile=shown)


def profile_item(here: Context, profile: TechnicianProfile) -> ProfileItem:
    """Return a profile as people read it."""
    van = here.session.get(StockLocation, profile.van_location_id) if profile.van_location_id else None
    return ProfileItem(
        time_zone=profile.time_zone,
        home_address=profile.home_address,
        home_latitude_deg=profile.home_latitude_deg,
        home_longitude_deg=profile.home_longitude_deg,
        work_centre_id=profile.work_centre_id,
        van_location_id=profile.van_location_id,
        van=Ref(id=van.id, name=van.name) if van else None,
        vehicle=profile.vehicle,
        speed_kmh=profile.speed_kmh,
        speed_used_kmh=speed_of(profile),
        cost_per_hour=profile.cost_per_hour,
        overtime_cost_per_hour=profile.overtime_cost_per_hour,
        currency=profile.currency,
        overtime_minutes=profile.overtime_minutes,
        version=profile.version,
    )


def _missing(profile: TechnicianProfile | None, spans: list[WorkSpan], held: list[HeldItem]) -> list[str]:
    found = []
    if profile is None or profile.home_latitude_deg is None:
        found.append("no_home")
    if not spans:
        found.append("no_shift")
    if not held:
        found.append("no_skill")
    if any(each.validity in ("expires", "expired", "no_certificate") for each in held):
        found.append("certificate")
    return found


def _away(here: Context, people: list[UUID]) -> set[UUID]:
    now = here.now
    query = select(Absence.person_id).where(
        Absence.person_id.in_(people), Absence.state == "approved", Absence.starts_at <= now, Absence.ends_at > now
    )
    return set(here.session.scalars(query))


def _names(here: Context, kind: type[Team] | type[WorkCentre] | type[Organisation], keys: set[UUID]) -> dict[UUID, Ref]:
    rows = here.session.execute(select(kind.id, kind.name).where(kind.id.in_(keys)))
    return {key: Ref(id=key, name=name) for key, name in rows}
