"""Codes of printed labels: signed, so that a made-up one is known without looking it up; bound, revoked, renewed."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.db import service_rights
from assets.base.errors import Conflict, Invalid
from assets.base.events import append_event
from assets.base.ids import CODE_ALPHABET, new_code
from assets.labels.models import Label, LabelKey
from assets.registry import Asset

CODE = 10  # characters of the code itself
SIGNED = 4  # characters of its signature: one made-up code in 920,000 gets as far as the database
MAX_LABELS = 500  # at once: some twenty sheets
MAX_KEYS = 10


def signed_codes(session: Session, labels: Sequence[Label], now: datetime) -> list[str]:
    """Return what is printed of each label: its code and signature."""
    key = _keys(session, now)[0]
    return [label.code + _signature(key, label.code) for label in labels]


def typed_code(typed: str) -> str:
    """Return the code in what was scanned or typed: an address, or the code with blanks and small letters."""
    last = typed.strip().partition("?")[0].partition("#")[0].rstrip("/").rpartition("/")[2]
    return "".join(each for each in last.upper() if each.isalnum() and each.isascii())[:40]


def find_label(session: Session, typed: str, now: datetime | None = None) -> Label | None:
    """Return the label of a signed code; None for an unknown or made-up one. Revoked ones are found too."""
    code = typed_code(typed)
    if len(code) != CODE + SIGNED:
        return None
    plain, signature = code[:CODE], code[CODE:]
    if not any(hmac.compare_digest(_signature(key, plain), signature) for key in _keys(session, now)):
        return None
    return session.scalar(select(Label).where(Label.code == plain))


def labelled_asset(session: Session, typed: str) -> Asset | None:
    """Return the asset that a code leads to: its own code, or a label that is bound and not revoked."""
    code = typed_code(typed)
    own = session.scalar(select(Asset).where(Asset.code == code))
    if own is not None:
        return own
    label = find_label(session, code)
    if label is None or label.asset_id is None or label.revoked_at is not None:
        return None
    return session.get(Asset, label.asset_id)


def print_labels(
    session: Session, actor: Actor, now: datetime, *, count: int = 0, assets: Sequence[Asset] = ()
) -> list[Label]:
    """Make labels: so many free ones, or one for each asset. Raises Invalid."""
    if not 0 < (len(assets) or count) <= MAX_LABELS:
        raise Invalid(f"1 to {MAX_LABELS} labels at once", field="count", limit=MAX_LABELS)
    made = [
        Label(
            organisation_id=asset.organisation_id if asset else actor.organisation_id,
            code=new_code(CODE),
            asset_id=asset.id if asset else None,
            created_at=now,
            created_by_id=actor.person_id,
            bound_at=now if asset else None,
            bound_by_id=actor.person_id if asset else None,
        )
        for asset in (list[Asset | None](assets) or [None] * count)
    ]
    session.add_all(made)
    session.flush()
    return made


def bind(session: Session, label: Label, asset: Asset, actor: Actor, now: datetime) -> None:
    """Attach a free label to an asset; again to the same asset changes nothing. Raises Conflict."""
    if label.revoked_at is not None:
        raise Conflict("this label was revoked", state="revoked")
    if label.asset_id == asset.id:
        return
    if label.asset_id is not None:
        raise Conflict("this label is on another asset", state="bound")
    label.asset_id, label.bound_at, label.bound_by_id = asset.id, now, actor.person_id
    label.organisation_id = asset.organisation_id
    session.flush()
    _tell(session, asset, "tag.bound", actor, now, code=label.code)


def revoke(session: Session, label: Label, reason: str, actor: Actor, now: datetime) -> None:
    """Make a label lead nowhere from now on. Raises Conflict when it was revoked before."""
    if label.revoked_at is not None:
        raise Conflict("this label was revoked before", state="revoked")
    label.revoked_at, label.revoked_reason = now, reason.strip()
    session.flush()
    asset = session.get(Asset, label.asset_id) if label.asset_id else None
    if asset is not None:
        _tell(session, asset, "tag.revoked", actor, now, code=label.code, reason=reason.strip())


def renew_code(session: Session, asset: Asset, reason: str, actor: Actor, now: datetime) -> None:
    """Give an asset another code of its own; what carries the old one leads nowhere from now on."""
    asset.code = new_code()
    asset.version += 1
    session.flush()
    _tell(session, asset, "tag.renewed", actor, now, reason=reason.strip())


def _keys(session: Session, now: datetime | None) -> list[bytes]:
    """Return the secrets, the newest first; the first of all is made when something is to be signed."""
    with service_rights(session):
        found = select(LabelKey.secret).order_by(LabelKey.created_at.desc(), LabelKey.id.desc()).limit(MAX_KEYS)
        keys = list(session.scalars(found))
        if not keys and now is not None:
            session.add(LabelKey(secret=secrets.token_bytes(32), created_at=now))
            session.flush()
            keys = list(session.scalars(found))
    return keys


def _signature(key: bytes, code: str) -> str:
    number = int.from_bytes(hmac.digest(key, code.encode(), hashlib.sha256)[:8], "big")
    letters = []
    for _ in range(SIGNED):
        number, rest = divmod(number, len(CODE_ALPHABET))
        letters.append(CODE_ALPHABET[rest])
    return "".join(letters)


def _tell(session: Session, asset: Asset, kind: str, actor: Actor, now: datetime, **payload: str) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=asset.organisation_id,
        subject_kind="asset",
        subject_id=asset.id,
        asset_id=asset.id,
        actor_kind="person" if actor.person_id else "system",
        actor_id=actor.person_id,
        payload=payload,
    )
