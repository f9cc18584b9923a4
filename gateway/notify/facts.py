"""What is known of the thing that a notification is about: what rules ask, what templates name, who is concerned."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import any_, select
from sqlalchemy.orm import Session

from assets.people import Organisation, Person
from assets.registry import Asset, AssetModel, Customer, Site
from gateway import texts
from gateway.notify.rules import About
from gateway.wording import words as worded
from maintenance.episode_life import work_order_of
from maintenance.models import Episode
from ticketing.cases.tables import Case, ServiceType
from ticketing.dispatch.settings import rules_above
from ticketing.dispatch.tables import Appointment, AppointmentOffer
from ticketing.models import Request, Visit, WorkOrder
from ticketing.people.tables import Team

_PATHS = {
    "work_order": "/work-orders/{}",
    "visit": "/work-orders/{}",
    "appointment": "/work-orders/{}",
    "case": "/cases/{}",
    "request": "/requests",
    "episode": "/alarms/{}",
    "asset": "/assets/{}",
    "contract": "/contracts/{}",
    "warranty_card": "/warranties",
    "person_skill": "/people",
    "tool": "/tools",
    "staffing_gap": "/plans/forecast?view=gaps",
}
_SAME = ("clock", "percent", "step", "round", "of", "list", "key")  # of an event, as they are
Window = tuple[datetime, datetime]


@dataclass
class Facts:
    """One thing that happened, or a date that comes, with all that hangs on it."""

    kind: str
    subject_kind: str
    subject_id: UUID
    organisation: Organisation
    executor_id: UUID | None
    payload: dict[str, Any]
    actor_id: UUID | None = None
    asset: Asset | None = None
    model: AssetModel | None = None
    customer: Customer | None = None
    site: Site | None = None
    order: WorkOrder | None = None
    visit: Visit | None = None
    case: Case | None = None
    request: Request | None = None
    episode: Episode | None = None
    offer: AppointmentOffer | None = None
    service_type: ServiceType | None = None
    team: Team | None = None
    technician: Person | None = None
    actor: Person | None = None
    window: Window | None = None
    date_at: datetime | None = None
    above: frozenset[UUID] = field(default_factory=frozenset)

    @property
    def about(self) -> About:
        """What rules ask."""
        to = self.payload.get("to")
        severity = self.payload.get("severity") or (self.episode.severity if self.episode else None)
        row = self.order or self.case
        return About(
            kind=self.kind,
            words=(f"{self.kind}.{to}",) if isinstance(to, str) else (),
            organisation_ids=self.above,
            service_type_id=self.service_type.id if self.service_type else None,
            team_id=self.team.id if self.team else None,
            customer_id=self.customer.id if self.customer else None,
            asset_model_id=self.asset.asset_model_id if self.asset else None,
            region=(self.case.region if self.case else None) or (self.site.region if self.site else None),
            priority=row.priority if row else None,
            severity=str(severity) if severity else None,
        )

    @property
    def path(self) -> str:
        """Where it is on the desk."""
        key = self.order.id if self.order and self.subject_kind in ("visit", "appointment") else self.subject_id
        return _PATHS.get(self.subject_kind, "/").format(key)

    @property
    def thread(self) -> UUID:
        """What later news of the same replaces earlier: the order that it is about, else the thing itself."""
        return self.order.id if self.order else self.subject_id

    @property
    def zone(self) -> Any:
        """The time zone of the place."""
        return texts.zone_of(self.site.time_zone if self.site else None)


def load_facts(
    session: Session,
    *,
    kind: str,
    subject_kind: str,
    subject_id: UUID,
    organisation_id: UUID,
    executor_id: UUID | None = None,
    asset_id: UUID | None = None,
    payload: Mapping[str, Any] | None = None,
    actor_id: UUID | None = None,
) -> Facts:
    """Return what is known. Needs the service role: a notification may cross organisations."""
    facts = Facts(
        kind, subject_kind, subject_id, session.get_one(Organisation, organisation_id), executor_id,
        dict(payload or {}), actor_id,
    )  # fmt: skip
    _subject(session, facts)
    if facts.order is not None:
        facts.executor_id = facts.order.executing_organisation_id or facts.executor_id
    _case(session, facts)
    row = facts.order or facts.case or facts.request or facts.episode
    asset_id = asset_id or (row.asset_id if row is not None else None)
    if subject_kind == "asset":
        asset_id = subject_id
    facts.asset = session.get(Asset, asset_id) if asset_id else None
    _place(session, facts)
    facts.service_type = _get(session, ServiceType, facts.order, facts.case, facts.request, name="service_type_id")
    facts.team = _get(session, Team, facts.order, facts.case, name="team_id")
    _people(session, facts)
    facts.window = window_of(session, facts)
    owners = [each for each in (organisation_id, facts.executor_id) if each]
    for ancestors in session.scalars(select(Organisation.ancestors).where(Organisation.id.in_(owners))):
        facts.above |= frozenset(ancestors)
    return facts


def _get(session: Session, kind: type[Any], *rows: Any, name: str) -> Any:
    key = next((getattr(row, name) for row in rows if row is not None and getattr(row, name)), None)
    return session.get(kind, key) if key else None


def _subject(session: Session, facts: Facts) -> None:
    kind, key = facts.subject_kind, facts.subject_id
    if kind == "visit":
        facts.visit = session.get(Visit, key)
    elif kind == "case":
        facts.case = session.get(Case, key)
    elif kind == "request":
        facts.request = session.get(Request, key)
    elif kind == "episode":
        facts.episode = session.get(Episode, key)
    elif kind == "appointment":
        facts.offer = session.get(AppointmentOffer, key)
    order_id: Any = key if kind == "work_order" else facts.payload.get("work_order_id")
    if facts.visit is not None:
        order_id = facts.visit.work_order_id
    elif facts.request is not None and facts.request.work_order_id:
        order_id = facts.request.work_order_id
    if facts.episode is not None:
        facts.order = work_order_of(session, facts.episode.id)
    elif order_id:
        facts.order = session.get(WorkOrder, UUID(str(order_id)))


def _case(session: Session, facts: Facts) -> None:
    if facts.order is not None and facts.request is None:
        newest = select(Request).where(Request.work_order_id == facts.order.id).order_by(Request.id).limit(1)
        facts.request = session.scalar(newest)
    case_id = next(
        (row.case_id for row in (facts.order, facts.request) if row is not None and row.case_id is not None), None
    )
    if facts.case is None and case_id is not None:
        facts.case = session.get(Case, case_id)
    if facts.case is not None and facts.request is None:
        facts.request = session.scalar(
            select(Request).where(Request.case_id == facts.case.id).order_by(Request.id).limit(1)
        )


def _place(session: Session, facts: Facts) -> None:
    asset = facts.asset
    facts.model = session.get(AssetModel, asset.asset_model_id) if asset and asset.asset_model_id else None
    facts.site = _get(session, Site, facts.order, facts.case, asset, name="site_id")
    facts.customer = _get(session, Customer, facts.case, facts.request, asset, name="customer_id")
    if facts.customer is None and facts.payload.get("customer_id"):
        facts.customer = session.get(Customer, UUID(str(facts.payload["customer_id"])))


def _people(session: Session, facts: Facts) -> None:
    if facts.order is not None and facts.visit is None and facts.subject_kind != "visit":
        live = (
            select(Visit)
            .where(Visit.work_order_id == facts.order.id, Visit.state.in_(("scheduled", "travelling", "in_progress")))
            .order_by(Visit.planned_start.nulls_last(), Visit.id)
            .limit(1)
        )
        facts.visit = session.scalar(live)
    key = facts.visit.technician_id if facts.visit else None
    key = key or (facts.order.assignee_id if facts.order else None)
    facts.technician = session.get(Person, key) if key else None
    facts.actor = session.get(Person, facts.actor_id) if facts.actor_id else None


def window_of(session: Session, facts: Facts) -> Window | None:
    """Return when a customer may expect somebody: the appointment, else two hours from the planned beginning."""
    return arrival_window(session, facts.order, facts.visit)


def arrival_window(session: Session, order: WorkOrder | None, visit: Visit | None) -> Window | None:
    """Return the window of arrival: what was promised, else from the planned beginning on."""
    if order is None:
        return None
    promised = select(Appointment).where(Appointment.work_order_id == order.id, Appointment.state == "booked")
    appointment = session.scalar(promised)
    if appointment is not None:
        return appointment.window_from, appointment.window_until
    if visit is None or visit.planned_start is None:
        return None
    minutes = rules_above(session, order.organisation_id).window_minutes
    return visit.planned_start, visit.planned_start + timedelta(minutes=minutes)


def said_words(facts: Facts, language: str) -> dict[str, str]:
    """Return the words that templates may name, in a language; what is not known is left out."""
    return {name: value for name, value in _all_words(facts, language).items() if value}


def _all_words(facts: Facts, language: str) -> dict[str, str]:
    order, case, asset = facts.order, facts.case, facts.asset
    row, payload = order or case, facts.payload
    found = {name: str(payload[name]) for name in _SAME if payload.get(name) is not None}
    state = payload.get("to") or (row.state if row else None)
    clock = payload.get("clock")
    return found | {
        "number": str(payload.get("number") or (row.number if row else "") or ""),
        "title": _title(facts, language),
        "priority": texts.text(language, f"report.priority.{row.priority}") if row else "",
        "severity": texts.text(language, f"severity.{facts.about.severity}") if facts.about.severity else "",
        "state": texts.text(language, f"state.{state}") if state else "",
        "asset": asset.name if asset else "",
        "serial": asset.serial if asset else "",
        "model": (facts.model.name_zh if language == "zh" else facts.model.name_en) if facts.model else "",
        "customer": facts.customer.name if facts.customer else "",
        "site": facts.site.name if facts.site else "",
        "region": facts.about.region or "",
        "service_type": _named(facts.service_type, language),
        "team": facts.team.name if facts.team else "",
        "technician": facts.technician.name if facts.technician else "",
        "actor": facts.actor.name if facts.actor else "",
        "what": what_happened(facts, language),
        "planned": _planned(facts, language),
        "window": _span(facts.window, facts, language),
        "due_at": _due(facts, language),
        "date": texts.moment(language, facts.date_at, facts.zone) if facts.date_at else "",
        "clock": texts.text(language, f"clock.{clock}") if clock else "",
        "work_order": order.number if order else "",
    }


def what_happened(facts: Facts, language: str) -> str:
    """Return the sentence that the timeline says of it."""
    to = facts.payload.get("to")
    code = facts.kind
    if code.startswith("reminder."):
        known = code if texts.has(code) else "reminder.asset.custom"
        return texts.text(language, known, name=facts.payload.get("name") or "")
    if isinstance(to, str) and texts.has(f"event.{code}.{to}"):
        code = f"{code}.{to}"
    plain = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else value
        for name, value in facts.payload.items()
        if not isinstance(value, dict)
    }
    if isinstance(to, str):
        plain["to"] = texts.text(language, f"state.{to}")
    who = facts.actor.name if facts.actor else texts.text(language, "history.actor.system")
    said = worded("event.", code, plain | {"who": who})
    return (said.zh if language == "zh" else said.en).strip()


def _title(facts: Facts, language: str) -> str:
    if facts.order is not None:
        return title_of(facts.order, language)
    return facts.case.title if facts.case is not None else ""


def title_of(order: WorkOrder, language: str) -> str:
    """Return why an order was opened, in words."""
    if order.title_text:
        return order.title_text
    params, code = order.title_params, order.title_code
    if code.startswith("noticed_"):
        label = params.get(f"label_{language}") or params.get("label_en") or params.get("metric") or "–"
        return texts.text(language, "report.title.noticed", label=label)
    said = worded("report.title.", code, params)
    return said.zh if language == "zh" else said.en


def _named(row: Any, language: str) -> str:
    return "" if row is None else str(row.name_zh if language == "zh" else row.name_en)


def _planned(facts: Facts, language: str) -> str:
    visit = facts.visit
    if visit is None or visit.planned_start is None:
        return ""
    return _span((visit.planned_start, visit.planned_end or visit.planned_start), facts, language)


def _span(window: Window | None, facts: Facts, language: str) -> str:
    if window is None:
        return ""
    start, end = (each.astimezone(facts.zone) for each in window)
    last = texts.moment(language, end, facts.zone)
    if start.date() == end.date():
        last = f"{end:%H:%M}"
    return f"{texts.moment(language, start, facts.zone)} – {last}"


def _due(facts: Facts, language: str) -> str:
    told = facts.payload.get("due_at")
    if isinstance(told, str):
        return texts.moment(language, datetime.fromisoformat(told), UTC)
    due = facts.order.due_at if facts.order else None
    return texts.moment(language, due, facts.zone) if due else ""


def roots_of(session: Session, organisation_ids: frozenset[UUID]) -> list[UUID]:
    """Return the organisations among them that nobody stands above."""
    none = select(Organisation.id).where(Organisation.id.in_(organisation_ids), Organisation.parent_id.is_(None))
    return list(session.scalars(none))


def below(session: Session, organisation_id: UUID) -> Any:
    """Return the query of an organisation's and its descendants' ids."""
    return select(Organisation.id).where(any_(Organisation.ancestors) == organisation_id)
