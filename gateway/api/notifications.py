"""One's own notifications over HTTP: what is new, what was read, what one wishes; and the log of all that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter
from pydantic import BaseModel, Field
from sqlalchemy import func, select, update

from assets.base.errors import Conflict
from assets.registry import Asset
from gateway.api.calendar_feeds import own_person
from gateway.api.deps import Context, Here
from gateway.api.edits import IfMatch, Moment, Ref, locked, person_names
from gateway.api.pages import After, Limit, cursor_of, read_cursor
from gateway.notify.hours import check_digest, check_quiet
from gateway.notify.models import PAGE, Notification
from gateway.notify.outbox import words
from gateway.notify.rule_models import NotificationChannel, NotificationPreference, NotificationRule
from maintenance.models import Episode

router = APIRouter(prefix="/api/v1", tags=["notifications"])

_SAME = (
    *("id", "state", "channel", "address", "subject_kind", "subject_id", "critical", "digest", "tries"),
    *("next_try_at", "tried_at", "sent_at", "seen_at", "read_at", "error"),
)
State = Literal["waiting", "sent", "failed", "cancelled"]
Way = Literal["page", "email", "sms", "push", "chat"]


class TextOfNotification(BaseModel):
    """What it says, as code and parameters."""

    code: str
    params: dict[str, Any]


class NotificationText(BaseModel):
    """What it says in one language."""

    subject: str
    body: str


class AssetOfNotification(BaseModel):
    """The machine it is about."""

    id: UUID
    name: str
    serial: str


class NotificationItem(BaseModel):
    """One message to one person."""

    id: UUID
    at: datetime
    state: str
    channel: str
    person: Ref | None
    text: TextOfNotification
    said: dict[str, NotificationText]
    path: str | None
    critical: bool
    subject_kind: str | None
    subject_id: UUID | None
    episode_id: UUID | None
    asset: AssetOfNotification | None
    acknowledged_at: datetime | None
    closed_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None
    error: str | None


class Notifications(BaseModel):
    """A page of notifications."""

    items: list[NotificationItem]
    next: str | None = None


class UnreadNotifications(BaseModel):
    """How many one has not read, and not even seen in a list."""

    unread: int
    unseen: int


class ReadNotifications(BaseModel):
    """Which were read: some by id, or all up to a moment."""

    ids: Annotated[list[UUID] | None, Field(max_length=500)] = None
    until: Moment | None = None


class NotificationDelivery(BaseModel):
    """One row of the log: to whom, by which way, how it went, and when it was read on a page."""

    id: UUID
    at: datetime
    state: str
    channel: str
    person: Ref | None
    address: str | None
    channel_name: str | None
    rule: Ref | None
    rule_code: str | None
    subject: dict[str, str]
    subject_kind: str | None
    subject_id: UUID | None
    path: str | None
    critical: bool
    digest: bool
    tries: int
    next_try_at: datetime | None
    tried_at: datetime | None
    sent_at: datetime | None
    seen_at: datetime | None
    read_at: datetime | None
    error: str | None


class NotificationDeliveries(BaseModel):
    """A page of the log."""

    items: list[NotificationDelivery]
    next: str | None = None


class NotificationPreferences(BaseModel):
    """What one wishes: hours of quiet, ways that are off, e-mails gathered."""

    quiet: dict[str, Any] | None = None
    muted: Annotated[list[Literal["email", "sms", "push"]], Field(max_length=3)] = []
    digest: dict[str, Any] | None = None
    version: int = 0


@router.get("/notifications", operation_id="list_notifications")
def list_notifications(
    here: Here,
    mine: bool = False,
    unread: bool = False,
    channel: Way | None = None,
    episode_id: UUID | None = None,
    limit: Limit = 100,
    after: After = None,
) -> Notifications:
    """List notifications, newest first; one's own with `mine=true`, others' for whoever may see people."""
    if not mine:
        here.require("people.read")
    query = select(Notification).where(Notification.person_id.is_not(None), Notification.state != "cancelled")
    if mine:
        query = query.where(Notification.person_id == here.actor.person_id)
    if unread:
        query = query.where(Notification.channel == PAGE, Notification.read_at.is_(None), Notification.state == "sent")
    if channel is not None:
        query = query.where(Notification.channel == channel)
    if episode_id is not None:
        query = query.where(Notification.episode_id == episode_id)
    page, following = _page(here, query, limit, after)
    return Notifications(items=_told(here, page), next=following)


@router.get("/notifications/unread", operation_id="count_unread_notifications")
def count_unread_notifications(here: Here) -> UnreadNotifications:
    """How many of one's own are unread."""
    query = select(func.count(), func.count().filter(Notification.seen_at.is_(None))).where(*_unread_of(here))
    unread, unseen = here.session.execute(query).one()
    return UnreadNotifications(unread=unread, unseen=unseen)


@router.post("/notifications/read", operation_id="read_notifications")
def read_notifications(body: ReadNotifications, here: Here) -> UnreadNotifications:
    """Mark one's own as read: those named, or all (up to a moment)."""
    chosen = update(Notification).where(*_unread_of(here))
    if body.ids is not None:
        chosen = chosen.where(Notification.id.in_(body.ids))
    if body.until is not None:
        chosen = chosen.where(Notification.created_at <= body.until)
    seen_at = func.coalesce(Notification.seen_at, here.now)
    here.session.execute(chosen.values(read_at=here.now, seen_at=seen_at).execution_options(synchronize_session=False))
    return count_unread_notifications(here)


@router.post("/notifications/seen", operation_id="see_notifications")
def see_notifications(here: Here) -> UnreadNotifications:
    """Note that one has looked at the list."""
    unseen = update(Notification).where(*_unread_of(here), Notification.seen_at.is_(None))
    here.session.execute(unseen.values(seen_at=here.now).execution_options(synchronize_session=False))
    return count_unread_notifications(here)


@router.get("/notification-deliveries", operation_id="list_notification_deliveries")
def list_notification_deliveries(
    here: Here,
    state: State | None = None,
    channel: Way | None = None,
    rule_id: UUID | None = None,
    person_id: UUID | None = None,
    channel_id: UUID | None = None,
    subject_id: UUID | None = None,
    limit: Limit = 50,
    after: After = None,
) -> NotificationDeliveries:
    """The log of all that was written, newest first; kept for a year."""
    here.require("notification.manage")
    query = select(Notification)
    asked = {"state": state, "channel": channel, "rule_id": rule_id, "person_id": person_id}
    for name, value in (asked | {"channel_id": channel_id, "subject_id": subject_id}).items():
        if value is not None:
            query = query.where(getattr(Notification, name) == value)
    page, following = _page(here, query, limit, after)
    return NotificationDeliveries(items=_logged(here, page), next=following)


@router.post("/notification-deliveries/{delivery_id}/resend", operation_id="resend_notification", status_code=202)
def resend_notification(delivery_id: UUID, here: Here) -> NotificationDelivery:
    """Send once more: what failed is tried anew, what went out goes out again as a new row."""
    here.require("notification.manage")
    row = locked(here, Notification, delivery_id, "notification")
    if row.channel == PAGE:
        raise Conflict("a page shows it already", what="on_page")
    if row.state == "sent":
        kept = {each.name: getattr(row, each.name) for each in Notification.__table__.columns}
        del kept["id"]
        fresh = {"created_at": here.now, "sent_at": None, "tried_at": None, "event_id": None, "digest": False}
        row = Notification(**kept | fresh | {"dedupe_key": f"{row.dedupe_key}:again:{uuid4()}"})
        here.session.add(row)
    elif row.state == "waiting" and row.next_try_at is not None and row.tries == 0:
        raise Conflict("it waits to be sent already", what="waiting")
    row.state, row.tries, row.next_try_at, row.error = "waiting", 0, here.now, None
    here.session.flush()
    return _logged(here, [row])[0]


@router.get("/notification-preferences", operation_id="get_notification_preferences")
def get_notification_preferences(here: Here) -> NotificationPreferences:
    """What one wishes oneself."""
    return _wishes(_preference(here))


@router.put("/notification-preferences", operation_id="replace_notification_preferences")
def replace_notification_preferences(
    body: NotificationPreferences, here: Here, if_match: IfMatch = None
) -> NotificationPreferences:
    """Say what one wishes; what is critical comes all the same."""
    person = own_person(here)
    row = _preference(here)
    if row is None:
        row = NotificationPreference(organisation_id=person.organisation_id, person_id=person.id, version=0)
        here.session.add(row)
    else:
        row = locked(here, NotificationPreference, row.id, "notification_preference", if_match)
    row.quiet, row.digest = check_quiet(body.quiet), check_digest(body.digest)
    row.muted = list(dict.fromkeys(body.muted))
    row.version += 1
    here.session.flush()
    return _wishes(row)


def _preference(here: Context) -> NotificationPreference | None:
    person = own_person(here)
    return here.session.scalar(select(NotificationPreference).where(NotificationPreference.person_id == person.id))


def _wishes(row: NotificationPreference | None) -> NotificationPreferences:
    if row is None:
        return NotificationPreferences()
    return NotificationPreferences(quiet=row.quiet, muted=row.muted, digest=row.digest, version=row.version)


def _unread_of(here: Context) -> tuple[Any, ...]:
    return (
        Notification.person_id == here.actor.person_id,
        Notification.channel == PAGE,
        Notification.state == "sent",
        Notification.read_at.is_(None),
    )


def _page(here: Context, query: Any, limit: int, after: str | None) -> tuple[list[Notification], str | None]:
    if after is not None:
        query = query.where(Notification.id < read_cursor(after, UUID)[0])
    found = list(here.session.scalars(query.order_by(Notification.id.desc()).limit(limit + 1)))
    page = found[:limit]
    return page, cursor_of(page[-1].id) if len(found) > limit else None


def _said(row: Notification) -> dict[str, NotificationText]:
    found = {}
    for language in ("en", "zh"):
        subject, body = words(row, language, "")
        found[language] = NotificationText(subject=subject, body=body)
    return found


def _told(here: Context, rows: Sequence[Notification]) -> list[NotificationItem]:
    session = here.session
    people = person_names(here, [one.person_id for one in rows])
    wanted = {one.asset_id for one in rows if one.asset_id}
    assets = {
        asset.id: AssetOfNotification(id=asset.id, name=asset.name, serial=asset.serial)
        for asset in session.scalars(select(Asset).where(Asset.id.in_(wanted)))
    }
    about = {one.episode_id for one in rows if one.episode_id}
    episodes = {episode.id: episode for episode in session.scalars(select(Episode).where(Episode.id.in_(about)))}
    items = []
    for one in rows:
        episode = episodes.get(one.episode_id) if one.episode_id else None
        items.append(
            NotificationItem(
                id=one.id,
                at=one.created_at,
                state=one.state,
                channel=one.channel,
                person=people.get(one.person_id) if one.person_id else None,
                text=TextOfNotification(code=one.code, params=one.params),
                said=_said(one),
                path=one.params.get("path") or (f"/alarms/{one.episode_id}" if one.episode_id else None),
                critical=one.critical,
                subject_kind=one.subject_kind,
                subject_id=one.subject_id,
                episode_id=episode.id if episode else None,
                asset=assets.get(one.asset_id) if one.asset_id else None,
                acknowledged_at=episode.acknowledged_at if episode else None,
                closed_at=episode.closed_at if episode else None,
                seen_at=one.seen_at,
                read_at=one.read_at,
                error=one.error,
            )
        )
    return items


def _logged(here: Context, rows: Sequence[Notification]) -> list[NotificationDelivery]:
    people = person_names(here, [one.person_id for one in rows])
    rules = _by_id(here, NotificationRule, {one.rule_id for one in rows if one.rule_id})
    channels = _by_id(here, NotificationChannel, {one.channel_id for one in rows if one.channel_id})
    items = []
    for one in rows:
        rule = rules.get(one.rule_id) if one.rule_id else None
        channel = channels.get(one.channel_id) if one.channel_id else None
        items.append(
            NotificationDelivery(
                **{name: getattr(one, name) for name in _SAME},
                at=one.created_at,
                person=people.get(one.person_id) if one.person_id else None,
                channel_name=channel.name if channel else None,
                rule=Ref(id=rule.id, name=rule.name) if rule else None,
                rule_code=rule.code if rule else None,
                subject={language: said.subject for language, said in _said(one).items()},
                path=one.params.get("path"),
            )
        )
    return items


def _by_id(here: Context, kind: type[Any], keys: set[UUID]) -> dict[UUID, Any]:
    return {row.id: row for row in here.session.scalars(select(kind).where(kind.id.in_(keys)))}
