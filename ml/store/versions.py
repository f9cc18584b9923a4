"""Versions of models: added once, loaded after their hash was checked, moved between champion and retired."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.access import Actor
from assets.base.errors import Conflict, IllegalMove, NotFound
from assets.base.events import append_event
from assets.base.ids import uuid7
from ml.detectors.protocol import State
from ml.store.artefacts import ModelDamaged, ModelUnreadable, digest_of, seal, unseal
from ml.store.tables import CHALLENGER, CHAMPION, REJECTED, RETIRED, ModelContent, StoredModel

SUBJECT = "model"
ROLLED_BACK, HELD = "rolled_back", "held_by_rollback"  # reasons
HOLD = timedelta(days=90)  # so long a person's roll-back stands against what is learned anew


class ContentForgotten(NotFound):
    """Retention has removed the content of this version; its card is still there."""

    code = "content_forgotten"


class ModelUnusable(Conflict):
    """The content of this version is damaged, or of a format that is not read here: it cannot serve."""

    code = "model_unusable"


@dataclass(frozen=True, slots=True)
class Reason:
    """Why, as a code with parameters."""

    code: str
    params: Mapping[str, object] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        return {"code": self.code, "params": dict(self.params)}


@dataclass(frozen=True, slots=True)
class Draft:
    """A trained model before it is stored: `code` is the short name by which its findings refer to it."""

    name: str
    kind: str
    code: str
    state: State
    card: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What checking a model's content found; `problem` is a code, None when all is well."""

    ok: bool
    digest: str
    found_digest: str | None
    problem: str | None


def add_model(session: Session, organisation_id: UUID, draft: Draft, now: datetime) -> StoredModel:
    """Store a version: champion when it is the first of its name, else challenger in place of the present one.

    When the champion or the newest version has this very content, that one is returned as it is.
    """
    _lock(session, organisation_id, draft.name)
    sealed = seal(draft.state)
    named = (StoredModel.organisation_id == organisation_id, StoredModel.name == draft.name)
    newest = session.scalars(select(StoredModel).where(*named).order_by(StoredModel.version.desc()).limit(1)).first()
    champion, challenger = (_standing(session, organisation_id, draft.name, state) for state in (CHAMPION, CHALLENGER))
    for known in (champion, newest):
        if known is not None and known.digest == sealed.digest:
            return known
    if challenger is not None:
        _move(session, challenger, REJECTED, Reason("superseded"), now, None)
    model = StoredModel(
        id=uuid7(),
        organisation_id=organisation_id,
        name=draft.name,
        version=newest.version + 1 if newest else 1,
        kind=draft.kind,
        code=draft.code,
        digest=sealed.digest,
        size_bytes=len(sealed.content),
        card=dict(draft.card) | {"parent": str(champion.id) if champion else None},
        parent_id=champion.id if champion else None,
        created_at=now,
        state=CHALLENGER if champion else CHAMPION,
        state_since=now,
        state_reason=Reason("shadow_scoring" if champion else "first_of_its_name").plain(),
    )
    session.add(model)
    session.flush()
    session.add(ModelContent(model_id=model.id, organisation_id=organisation_id, content=sealed.content))
    session.flush()
    _log(session, model, "model.stored", now, None, model.state_reason, {"digest": model.digest})
    return model


def on_trial(session: Session, organisation_id: UUID, name: str) -> StoredModel | None:
    """Return the challenger of this name, if one is being tried."""
    return _standing(session, organisation_id, name, CHALLENGER)


def serving_of(session: Session, organisation_id: UUID, name: str) -> StoredModel | None:
    """Return the champion of this name, if there is one."""
    return _standing(session, organisation_id, name, CHAMPION)


def get_model(session: Session, model_id: UUID) -> StoredModel:
    """Return the version. Raise NotFound."""
    model = session.get(StoredModel, model_id)
    if model is None:
        raise NotFound("no such model", kind="model")
    return model


def serving(session: Session, kinds: Sequence[str]) -> list[StoredModel]:
    """Return the versions of these kinds that score: champions first."""
    found = select(StoredModel).where(StoredModel.state.in_((CHAMPION, CHALLENGER)), StoredModel.kind.in_(kinds))
    return list(session.scalars(found.order_by(StoredModel.state, StoredModel.name)))


def content_of(session: Session, model: StoredModel) -> bytes:
    """Return the stored bytes, unread. Raise ContentForgotten."""
    content = session.scalar(select(ModelContent.content).where(ModelContent.model_id == model.id))
    if content is None:
        raise ContentForgotten(
            f"the content of {model.name} version {model.version} is no longer kept", name=model.name
        )
    return content


def load_state(session: Session, model: StoredModel) -> State:
    """Return the model's state. Raise ContentForgotten, ModelDamaged or ModelUnreadable."""
    return unseal(content_of(session, model), model.digest)


def tell_unusable(session: Session, model: StoredModel, error: Exception, now: datetime) -> None:
    """Put on record that a version that should serve cannot be read."""
    append_event(
        session,
        "model.unusable",
        at=now,
        organisation_id=model.organisation_id,
        subject_kind=SUBJECT,
        subject_id=model.id,
        payload={"name": model.name, "version": model.version, "reason": type(error).__name__},
    )


def verify(session: Session, model: StoredModel) -> Verdict:
    """Check hash and readability of the stored content; nothing that it says is carried out."""
    try:
        content = content_of(session, model)
    except ContentForgotten:
        return Verdict(False, model.digest, None, "content_forgotten")
    try:
        unseal(content, model.digest)
    except ModelDamaged:
        return Verdict(False, model.digest, digest_of(content), "wrong_hash")
    except ModelUnreadable:
        return Verdict(False, model.digest, model.digest, "unreadable")
    return Verdict(True, model.digest, model.digest, None)


def roll_back(session: Session, model: StoredModel, reason: str, now: datetime, by: Actor | None = None) -> StoredModel:
    """Make a retired version the champion again, the present one retired. Twice changes nothing. The same lets a
    challenger serve that waits because of an earlier roll-back.

    Raise IllegalMove unless it is one of these, ContentForgotten or ModelUnusable when it cannot serve.
    """
    _lock(session, model.organisation_id, model.name)
    session.refresh(model)
    if model.state == CHAMPION:
        return model
    held = is_held(model)
    if model.state != RETIRED and not held:
        raise IllegalMove(
            f"{model.name} version {model.version} is {model.state}; only a version that was champion comes back",
            state=model.state,
            to=CHAMPION,
            legal=[],
        )
    try:
        load_state(session, model)  # a version that cannot be read must not take over
    except (ModelDamaged, ModelUnreadable) as error:
        raise ModelUnusable(f"{model.name} version {model.version} cannot serve: {error}", name=model.name) from error
    _take_over(session, model, Reason("released" if held else ROLLED_BACK, {"reason": reason}), now, by)
    return model


def is_held(model: StoredModel) -> bool:
    """Does this challenger wait because a person went back to an older version?"""
    return model.state == CHALLENGER and model.state_reason["code"] == HELD


def promote_unless_held(session: Session, challenger: StoredModel, reason: Reason, now: datetime) -> None:
    """Make the challenger the champion, but where the champion stands by a person's roll-back: for 90 days from then
    it waits, and says so, until a person lets it serve."""
    _lock(session, challenger.organisation_id, challenger.name)
    session.refresh(challenger)
    champion = _standing(session, challenger.organisation_id, challenger.name, CHAMPION)
    if challenger.state != CHALLENGER or champion is None or not went_back(session, champion, now):
        promote(session, challenger, reason, now)
    elif not is_held(challenger):
        params = {"version": champion.version, "until": (champion.state_since + HOLD).date().isoformat()}
        _move(session, challenger, CHALLENGER, Reason(HELD, params), now, None)


def went_back(session: Session, champion: StoredModel | None, now: datetime) -> bool:
    """Does the champion stand by a person's roll-back that still holds?

    Who goes back and then forward again to the newest that served holds nothing up.
    """
    if champion is None or champion.state_reason["code"] != ROLLED_BACK or now - champion.state_since >= HOLD:
        return False
    newer = select(StoredModel.id).where(
        StoredModel.organisation_id == champion.organisation_id,
        StoredModel.name == champion.name,
        StoredModel.state == RETIRED,
        StoredModel.version > champion.version,
    )
    return session.scalar(newer.limit(1)) is not None


def previous_champion(session: Session, organisation_id: UUID, name: str) -> StoredModel:
    """Return the version to go back to: the newest retired one below the present champion. Raise NotFound."""
    champion = _standing(session, organisation_id, name, CHAMPION)
    if champion is None:
        raise NotFound(f"no model named {name!r}", kind="model", name=name)
    before = select(StoredModel).where(
        StoredModel.organisation_id == organisation_id,
        StoredModel.name == name,
        StoredModel.state == RETIRED,
        StoredModel.version < champion.version,
    )
    found = session.scalars(before.order_by(StoredModel.version.desc()).limit(1)).first()
    if found is None:
        raise NotFound(f"{name!r} has no earlier version to go back to", kind="model", name=name)
    return found


def promote(session: Session, challenger: StoredModel, reason: Reason, now: datetime) -> None:
    """Make the challenger the champion. Failure models: only `ml.store.shadow` asks for this, by figures alone."""
    _lock(session, challenger.organisation_id, challenger.name)
    session.refresh(challenger)
    if challenger.state == CHALLENGER:
        _take_over(session, challenger, reason, now, None)


def reject(session: Session, challenger: StoredModel, reason: Reason, now: datetime) -> None:
    """End a challenger's trial."""
    _lock(session, challenger.organisation_id, challenger.name)
    session.refresh(challenger)
    if challenger.state == CHALLENGER:
        _move(session, challenger, REJECTED, reason, now, None)


def _take_over(session: Session, model: StoredModel, reason: Reason, now: datetime, by: Actor | None) -> None:
    champion = _standing(session, model.organisation_id, model.name, CHAMPION)
    if champion is not None:
        _move(session, champion, RETIRED, Reason("replaced", {"by_version": model.version}), now, by)
    _move(session, model, CHAMPION, reason, now, by)


def _move(session: Session, model: StoredModel, state: str, reason: Reason, now: datetime, by: Actor | None) -> None:
    before = model.state
    model.state, model.state_since, model.state_reason = state, now, reason.plain()
    session.flush()
    _log(session, model, "model.state_changed", now, by, reason.plain(), {"from": before, "to": state})


def _standing(session: Session, organisation_id: UUID, name: str, state: str) -> StoredModel | None:
    return session.scalar(
        select(StoredModel).where(
            StoredModel.organisation_id == organisation_id, StoredModel.name == name, StoredModel.state == state
        )
    )


def _lock(session: Session, organisation_id: UUID, name: str) -> None:
    """One writer per name: versions are counted, and there is one champion."""
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:key, 9))"), {"key": f"{organisation_id}/{name}"}
    )


def _log(
    session: Session,
    model: StoredModel,
    kind: str,
    now: datetime,
    by: Actor | None,
    reason: Mapping[str, Any],
    facts: Mapping[str, Any],
) -> None:
    append_event(
        session,
        kind,
        at=now,
        organisation_id=model.organisation_id,
        subject_kind=SUBJECT,
        subject_id=model.id,
        actor_kind=by.kind if by else "system",
        actor_id=by.person_id if by else None,
        payload={"name": model.name, "version": model.version, "state": model.state, "reason": dict(reason), **facts},
    )
