"""Which events go to which endpoints: deliveries made from the event log, once each, and again on demand."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import any_, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Invalid
from assets.base.events import Event, append_event
from assets.base.ids import uuid7
from assets.people import Organisation
from gateway.notify.webhook_models import WebhookDelivery, WebhookEndpoint
from gateway.notify.webhook_rules import hears
from gateway.outside import outside
from ticketing.order_log import INSIDE_KINDS

MAX_REPLAY = 5000
TESTED = "webhook.tested"
# Names, contacts and what people wrote: whatever a kind of event may carry.
PERSONAL = frozenset(
    {"who", "by", "author", "email", "phone", "contact", "address", "text", "message", "comment", "technician"}
    | {"signed_name", "person_name", "people", "customer", "body"}
)
PEOPLE = frozenset({"person", "people", "membership", "partner_application", "thread_message", "registration"})


def queue_deliveries(session: Session, event: Event, now: datetime) -> None:
    """Write a delivery for each endpoint that hears of the event; a second call for the same event writes none."""
    if event.kind == TESTED or event.kind in INSIDE_KINDS:
        return
    for endpoint in _endpoints(session, event):
        if event.xid >= endpoint.from_xid and hears(endpoint.kinds, event.kind):
            add_delivery(session, endpoint, event, now)


def add_delivery(session: Session, endpoint: WebhookEndpoint, event: Event, now: datetime, again: int = 0) -> None:
    """Write one delivery that waits, unless it is there."""
    values = {
        "id": uuid7(),
        "organisation_id": endpoint.organisation_id,
        "endpoint_id": endpoint.id,
        "event_id": event.id,
        "kind": event.kind,
        "round": again,
        "created_at": now,
        "state": "waiting",
        "tries": 0,
        "next_try_at": now,
    }
    session.execute(insert(WebhookDelivery).values(values).on_conflict_do_nothing())


def replay(session: Session, endpoint: WebhookEndpoint, since: datetime, until: datetime, now: datetime) -> int:
    """Send again what happened in a span of time that the endpoint hears of; return how many. Needs the service role.

    Also what happened before the endpoint was made, or while it was switched off.
    """
    of = select(Organisation.id).where(any_(Organisation.ancestors) == endpoint.organisation_id)
    found = session.scalars(
        select(Event)
        .where(
            Event.at >= since,
            Event.at < until,
            Event.kind.not_in(INSIDE_KINDS | {TESTED}),
            or_(Event.organisation_id.in_(of), Event.executing_organisation_id.in_(of)),
            or_(*(_covered(kind) for kind in endpoint.kinds)),
        )
        .order_by(Event.id)
        .limit(MAX_REPLAY + 1)
    ).all()
    if len(found) > MAX_REPLAY:
        raise Invalid(f"more than {MAX_REPLAY} events; choose a shorter time", field="from")
    endpoint.rounds += 1
    for event in found:
        add_delivery(session, endpoint, event, now, endpoint.rounds)
    return len(found)


def tell_test(session: Session, endpoint: WebhookEndpoint, now: datetime, by: Actor) -> None:
    """Send an event that says nothing but that it arrived."""
    add_delivery(session, endpoint, note(session, endpoint, TESTED, now, by), now)


def note(session: Session, endpoint: WebhookEndpoint, kind: str, now: datetime, by: Actor | None = None) -> Event:
    """Append what happened to an endpoint to the log; its address may hold a key, and stays out."""
    return append_event(
        session,
        kind,
        at=now,
        organisation_id=endpoint.organisation_id,
        subject_kind="webhook",
        subject_id=endpoint.id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"name": endpoint.name},
        first=kind == "webhook.created",
    )


def cloud_event(event: Event, source: str) -> dict[str, Any]:
    """Return an event as CloudEvents 1.0: what happened to what and when, and nothing of people or inside notes."""
    said = {} if event.subject_kind in PEOPLE else outside(event.kind, event.payload)
    return {
        "specversion": "1.0",
        "id": str(event.id),
        "source": f"{source}/organisations/{event.organisation_id}",
        "type": event.kind,
        "subject": f"{event.subject_kind}/{event.subject_id}",
        "time": event.at.isoformat(),
        "datacontenttype": "application/json",
        "data": {
            "subject_kind": event.subject_kind,
            "subject_id": str(event.subject_id),
            "asset_id": str(event.asset_id) if event.asset_id else None,
            "actor_kind": event.actor_kind,
            "facts": {name: value for name, value in said.items() if name not in PERSONAL},
        },
    }


def _endpoints(session: Session, event: Event) -> Sequence[WebhookEndpoint]:
    owners = [each for each in (event.organisation_id, event.executing_organisation_id) if each]
    above = session.scalars(select(Organisation.ancestors).where(Organisation.id.in_(owners)))
    heard = {each for ancestors in above for each in ancestors}
    query = select(WebhookEndpoint).where(WebhookEndpoint.organisation_id.in_(heard), WebhookEndpoint.enabled)
    return session.scalars(query).all()


def _covered(kind: str) -> Any:
    if kind == "*":
        return Event.id > 0
    return Event.kind.startswith(kind[:-1], autoescape=True) if kind.endswith(".*") else Event.kind == kind
