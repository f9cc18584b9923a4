"""One person's visits as a calendar to subscribe to: what the board shows of them, and what was called off."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from icalendar import Calendar, Event, vGeo
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from assets.base.access import may
from assets.base.events import Event as LoggedEvent
from assets.people import Person, actor_of
from assets.registry import Asset, Customer, Site
from gateway import texts
from gateway.notify.facts import below, title_of
from gateway.notify.rule_models import CalendarFeed
from maintenance.plans.library import named
from maintenance.plans.tables import MaintenancePlan, Occurrence
from ticketing.models import Visit, WorkOrder
from ticketing.order_states import LIVE_VISITS

BACK, AHEAD = timedelta(days=30), timedelta(days=92)
MAX_VISITS = 1_000
ON_THE_BOARD = (*LIVE_VISITS, "completed", "partially_completed", "cannot_complete")
READ_EVERY = timedelta(hours=1)  # how exactly it is known when the address was last read


def new_feed(session: Session, person: Person, language: str, now: datetime) -> str:
    """Make a person's address, or a new one in place of the one before; return its token, which is told this once."""
    token = secrets.token_urlsafe(32)
    row = session.scalar(select(CalendarFeed).where(CalendarFeed.person_id == person.id).with_for_update())
    if row is None:
        row = CalendarFeed(organisation_id=person.organisation_id, person_id=person.id)
        session.add(row)
    row.token_hash, row.language, row.created_at, row.read_at = token_hash(token), language, now, None
    session.flush()
    return token


def token_hash(token: str) -> str:
    """Return what is kept of a token."""
    return hashlib.sha256(token.encode()).hexdigest()


def feed_of(session: Session, token: str, now: datetime) -> tuple[CalendarFeed, Person] | None:
    """Return whose address that is; None for one that nobody has, or of somebody who has left."""
    if not 20 <= len(token) <= 100:
        return None
    row = session.scalar(select(CalendarFeed).where(CalendarFeed.token_hash == token_hash(token)))
    person = session.get(Person, row.person_id) if row else None
    if row is None or person is None or person.disabled_at is not None:
        return None
    if row.read_at is None or now - row.read_at >= READ_EVERY:
        row.read_at = now
    return row, person


def calendar_of_person(session: Session, person: Person, language: str, base_url: str, now: datetime) -> bytes:
    """Return the calendar from a month ago to three months ahead; the same visits make the same bytes."""
    made = Calendar()
    made.add("prodid", "-//Forewarn//Visits//EN")
    made.add("version", "2.0")
    made.add("calscale", "GREGORIAN")
    made.add("method", "PUBLISH")
    made.add("x-wr-calname", texts.text(language, "feed.name", name=person.name))
    made.add("x-published-ttl", "PT15M")
    rows = visits_of(session, person.id, now - BACK, now + AHEAD)
    changed = _changed(session, [visit.id for visit, *_ in rows])
    for visit, order, asset, site, customer in rows:
        made.add_component(_event(visit, order, asset, site, customer, language, base_url, changed))
    for occurrence, plan, asset in planned_of(session, person, (now - BACK).date(), (now + AHEAD).date()):
        made.add_component(_planned_event(occurrence, plan, asset, language, base_url))
    return bytes(made.to_ical())


Planned = tuple[Occurrence, MaintenancePlan, Asset]


def planned_of(session: Session, person: Person, since: date, until: date) -> Sequence[Planned]:
    """Return the planned work of whoever plans, by day; what is an order already stands there as its visits."""
    actor = actor_of(session, person)
    if actor.bound is not None or not may(actor, "occurrence.decide"):
        return []
    found = session.execute(
        select(Occurrence, MaintenancePlan, Asset)
        .join(MaintenancePlan, MaintenancePlan.id == Occurrence.plan_id)
        .join(Asset, Asset.id == Occurrence.asset_id)
        .where(
            Occurrence.organisation_id.in_(below(session, person.organisation_id)),
            Occurrence.state == "planned",
            Occurrence.due_on.between(since, until),
        )
        .order_by(Occurrence.due_on, Occurrence.id)
        .limit(MAX_VISITS)
    )
    return [(occurrence, plan, asset) for occurrence, plan, asset in found]


def _planned_event(occurrence: Occurrence, plan: MaintenancePlan, asset: Asset, language: str, base_url: str) -> Event:
    at = plan.changed_at.astimezone(UTC).replace(microsecond=0)
    name = named(plan)["name_zh" if language == "zh" else "name_en"]
    event = Event()
    event.add("uid", f"{occurrence.id}@forewarn")
    event.add("dtstamp", at)
    event.add("last-modified", at)
    event.add("dtstart", occurrence.due_on)  # a day of the machine's site, whole
    event.add("status", "TENTATIVE")
    event.add("transp", "TRANSPARENT")
    packages = "+".join(str(each.get("code")) for each in occurrence.packages)
    event.add("summary", f"{texts.text(language, 'feed.planned')}: {name} · {asset.name}")
    event.add("description", f"{name} ({packages})\n{asset.name} ({asset.serial})\n{base_url}/plans/{plan.id}")
    event.add("url", f"{base_url}/plans/{plan.id}")
    return event


Row = tuple[Visit, WorkOrder, Asset, Site | None, Customer | None]


def visits_of(session: Session, person_id: UUID, since: datetime, until: datetime) -> Sequence[Row]:
    """Return a person's planned visits in a span, with those that were called off. Needs the service role."""
    found = session.execute(
        select(Visit, WorkOrder, Asset, Site, Customer)
        .join(WorkOrder, WorkOrder.id == Visit.work_order_id)
        .join(Asset, Asset.id == WorkOrder.asset_id)
        .outerjoin(Site, Site.id == func.coalesce(WorkOrder.site_id, Asset.site_id))
        .outerjoin(Customer, Customer.id == Asset.customer_id)
        .where(
            Visit.technician_id == person_id,
            Visit.state.in_((*ON_THE_BOARD, "cancelled")),
            Visit.planned_start < until,
            Visit.planned_end > since,
        )
        .order_by(Visit.planned_start, Visit.id)
        .limit(MAX_VISITS)
    )
    return [(visit, order, asset, site, customer) for visit, order, asset, site, customer in found]


def _changed(session: Session, keys: Sequence[UUID]) -> Mapping[UUID, datetime]:
    latest = (
        select(LoggedEvent.subject_id, func.max(LoggedEvent.at))
        .where(LoggedEvent.subject_id.in_(keys))
        .group_by(LoggedEvent.subject_id)
    )
    return {key: at for key, at in session.execute(latest)}


def _event(
    visit: Visit, order: WorkOrder, asset: Asset, site: Site | None, customer: Customer | None, language: str,
    base_url: str, changed: Mapping[UUID, datetime],
) -> Event:  # fmt: skip
    assert visit.planned_start is not None
    assert visit.planned_end is not None
    at = changed.get(visit.id, visit.planned_start).astimezone(UTC).replace(microsecond=0)
    url = f"{base_url}/m/work/{order.id}"
    event = Event()
    event.add("uid", f"visit-{visit.id}@forewarn")
    event.add("dtstamp", at)
    event.add("last-modified", at)
    event.add("dtstart", visit.planned_start.astimezone(UTC))
    event.add("dtend", visit.planned_end.astimezone(UTC))
    event.add("sequence", visit.version)
    event.add("status", "CANCELLED" if visit.state == "cancelled" else "CONFIRMED")
    event.add("summary", f"{order.number} · {asset.name}")
    place = ", ".join(each for each in (site.name, site.address) if each) if site else ""
    if place:
        event.add("location", place)
    latitude = asset.latitude_deg if asset.latitude_deg is not None else site.latitude_deg if site else None
    longitude = asset.longitude_deg if asset.longitude_deg is not None else site.longitude_deg if site else None
    if latitude is not None and longitude is not None:
        event.add("geo", vGeo((latitude, longitude)))
    event.add("description", _described(order, asset, customer, language, url))
    event.add("url", url)
    return event


def _described(order: WorkOrder, asset: Asset, customer: Customer | None, language: str, url: str) -> str:
    lines = [
        title_of(order, language),
        f"{texts.text(language, 'feed.machine')}: {asset.name} ({asset.serial})",
        f"{texts.text(language, 'feed.customer')}: {customer.name}" if customer else "",
        f"{texts.text(language, 'feed.priority')}: {texts.text(language, f'report.priority.{order.priority}')}",
        url,
    ]
    return "\n".join(line for line in lines if line)
