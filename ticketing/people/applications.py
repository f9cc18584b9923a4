"""Companies that ask to become partners: they write, confirm their address, and the operator decides."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from assets.base.access import Actor, Role
from assets.base.errors import Conflict, IllegalMove, Invalid, NotFound, RuleError
from assets.people import Organisation, Person, add_organisation, add_person, normal_email
from ticketing.people.logging import key, log
from ticketing.people.tables import PartnerApplication

WAITING = ("unconfirmed", "waiting")
CONFIRM_WITHIN = timedelta(days=7)
SEND_AGAIN_AFTER = timedelta(minutes=10)
PER_ADDRESS_AND_DAY = 5  # a company that mistypes, not a script
MAX_WAITING = 500  # of one operator, confirmed; a flood must not bury the ones that were there
MAX_UNCONFIRMED = 5000  # kept at most
FIELDS = {"company": 200, "contact_name": 200, "email": 320, "phone": 60, "address": 500}
MORE_FIELDS = {"regions": 500, "skills": 1000, "message": 2000}
NEEDED = ("company", "contact_name", "email")
ROLES = frozenset({Role.PARTNER, Role.TECHNICIAN, Role.ADMINISTRATOR})


class TooManyApplications(RuleError):
    """One address, or everybody together, wrote too often; params: `retry_after_s`."""

    code = "too_many_applications"


@dataclass(frozen=True, slots=True)
class Applied:
    """An application, and the code that confirms its address; None when nothing has to be confirmed."""

    application: PartnerApplication
    code: str | None


def apply(
    session: Session,
    operator: Organisation,
    fields: dict[str, str | None],
    now: datetime,
    *,
    language: str,
    address_hash: str,
    confirm: bool,
) -> Applied:
    """Take an application. `confirm`: it waits for its sender to open the link in an e-mail first.

    The same address again, while an application of it waits, changes nothing but an unconfirmed one that is some
    minutes old: nobody learns whether there was one, and nobody's mailbox is flooded. Needs the service's rights.
    Raises Invalid and TooManyApplications.
    """
    told = _check(fields)
    session.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:o, 18))"), {"o": str(operator.id)})
    _check_rate(session, operator.id, address_hash, now)
    code = secrets.token_urlsafe(24) if confirm else None
    same = select(PartnerApplication).where(
        PartnerApplication.organisation_id == operator.id,
        func.lower(PartnerApplication.email) == told["email"],
        PartnerApplication.state.in_(WAITING),
    )
    application = session.scalar(same)
    if application is not None and (application.state == "waiting" or now - application.created_at < SEND_AGAIN_AFTER):
        return Applied(application, None)
    if application is None:
        application = PartnerApplication(organisation_id=operator.id, version=1)
    for field, value in told.items():
        setattr(application, field, value)
    application.language, application.address_hash, application.created_at = language, address_hash, now
    application.state = "unconfirmed" if confirm else "waiting"
    application.confirmation_hash = hash_of(code) if code else None
    session.add(application)
    session.flush()
    kind, payload = "partner_application.received", {"company": application.company}
    log(session, kind, subject=application, word="partner_application", now=now, by=None, payload=payload)
    return Applied(application, code)


def confirm(session: Session, code: str, now: datetime) -> PartnerApplication:
    """Note that the sender reads mail of the address. Again: nothing more happens. Raises NotFound."""
    application = session.scalar(
        select(PartnerApplication).where(PartnerApplication.confirmation_hash == hash_of(code)).with_for_update()
    )
    if application is None or now - application.created_at > CONFIRM_WITHIN:
        raise NotFound("this link is not valid, or not any more", kind="partner_application")
    if application.state == "unconfirmed":
        application.state, application.confirmed_at = "waiting", now
        application.version += 1
        session.flush()
        log(session, "partner_application.confirmed", subject=application, word="partner_application", now=now, by=None)
    return application


def approve(
    session: Session,
    application: PartnerApplication,
    operator: Organisation,
    now: datetime,
    *,
    roles: frozenset[Role] = frozenset({Role.PARTNER}),
    by: Actor,
) -> tuple[Organisation, Person]:
    """Make the partner organisation and its first person.

    Raises IllegalMove for one that is decided or not confirmed, Conflict for an e-mail that somebody has already.
    """
    _check_waiting(application, "approved")
    if not roles or not roles <= ROLES:
        raise Invalid(f"roles are some of {', '.join(sorted(ROLES))}", field="roles")
    partner = add_organisation(session, kind="partner", name=application.company, now=now, parent=operator)
    try:
        with session.begin_nested():
            person = add_person(
                session,
                organisation_id=partner.id,
                name=application.contact_name,
                email=application.email,
                roles=sorted(roles),
                language=application.language,
                now=now,
            )
    except IntegrityError:  # perhaps of an organisation that the actor does not see
        raise Conflict("somebody with this e-mail is already here", field="email", reason="email_taken") from None
    person.phone = application.phone
    application.partner_organisation_id, application.person_id = partner.id, person.id
    _decided(session, application, "approved", None, now, by)
    return partner, person


def reject(
    session: Session, application: PartnerApplication, reason: str, now: datetime, *, by: Actor
) -> PartnerApplication:
    """Refuse an application, with the reason that its sender reads. Raises IllegalMove and Invalid."""
    _check_waiting(application, "rejected")
    if not reason.strip():
        raise Invalid("a rejection has a reason", field="reason")
    _decided(session, application, "rejected", reason.strip(), now, by)
    return application


def forget(session: Session, now: datetime, *, kept: timedelta) -> int:
    """Erase what names people in applications that were rejected, or never confirmed, longer ago; return how many."""
    old = (PartnerApplication.created_at < now - kept) & PartnerApplication.state.in_(("rejected", "unconfirmed"))
    gone = {"contact_name": "", "email": "", "phone": None, "address": None, "message": None, "address_hash": None}
    erased = session.execute(
        update(PartnerApplication)
        .where(old, PartnerApplication.email != "")
        .values(**gone, state="rejected", confirmation_hash=None)
        .returning(PartnerApplication.id)
    )
    return len(erased.all())


def hash_of(code: str) -> str:
    """Return what is stored of a confirmation code."""
    return hashlib.sha256(code.encode()).hexdigest()


def _check(fields: dict[str, str | None]) -> dict[str, str | None]:
    told: dict[str, str | None] = {}
    for field, most in {**FIELDS, **MORE_FIELDS}.items():
        value = (fields.get(field) or "").strip()
        if len(value) > most:
            raise Invalid(f"at most {most} characters", field=field)
        if not value and field in NEEDED:
            raise Invalid("this is needed", field=field)
        told[field] = value or None
    email = normal_email(told["email"] or "")
    name, at, host = email.partition("@")
    if not (name and at and "." in host) or any(letter.isspace() or letter == "@" for letter in name + host):
        raise Invalid("this is no e-mail address", field="email")
    return told | {"email": email}


def _check_rate(session: Session, operator_id: UUID, address_hash: str, now: datetime) -> None:
    since = now - timedelta(days=1)
    own = select(func.count()).where(
        PartnerApplication.address_hash == address_hash, PartnerApplication.created_at > since
    )
    # Who has not confirmed an address is nobody yet: such applications stand in nobody's way, and the oldest give way.
    everybody = select(func.count()).where(
        PartnerApplication.organisation_id == operator_id, PartnerApplication.state == "waiting"
    )
    _forget_unconfirmed(session, operator_id, now)
    if (session.scalar(own) or 0) >= PER_ADDRESS_AND_DAY or (session.scalar(everybody) or 0) >= MAX_WAITING:
        raise TooManyApplications("too many applications; try again tomorrow", retry_after_s=24 * 3600)


def _forget_unconfirmed(session: Session, operator_id: UUID, now: datetime) -> None:
    own = PartnerApplication.organisation_id == operator_id, PartnerApplication.state == "unconfirmed"
    session.execute(delete(PartnerApplication).where(*own, PartnerApplication.created_at < now - CONFIRM_WITHIN))
    newest = select(PartnerApplication.id).where(*own).order_by(PartnerApplication.created_at.desc())
    beyond = newest.offset(MAX_UNCONFIRMED).scalar_subquery()
    session.execute(delete(PartnerApplication).where(PartnerApplication.id.in_(beyond)))


def _check_waiting(application: PartnerApplication, to: str) -> None:
    if application.state == "waiting":
        return
    legal: list[str] = []
    raise IllegalMove(f"the application is {application.state}", state=application.state, to=to, legal=legal)


def _decided(
    session: Session, application: PartnerApplication, to: str, reason: str | None, now: datetime, by: Actor
) -> None:
    application.state, application.decision_reason = to, reason
    application.decided_at, application.decided_by_id = now, by.person_id
    application.confirmation_hash = None
    application.version += 1
    session.flush()
    payload = {"partner_organisation_id": key(application.partner_organisation_id)}
    kind = f"partner_application.{to}"
    log(session, kind, subject=application, word="partner_application", now=now, by=by, payload=payload)
