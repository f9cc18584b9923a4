"""The commands `forewarn model …`: list, show, verify, roll back, train, and making a finding again."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from assets.base.db import Database
    from gateway.settings import Settings
    from ml.store.tables import StoredModel

Answer = tuple[dict[str, Any], str, int]


def add_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `model` with its own commands."""
    model = commands.add_parser("model", help="trained models: cards, hashes, going back, training")
    own = model.add_subparsers(dest="model_command", required=True, metavar="COMMAND")

    def add(name: str, text: str) -> argparse.ArgumentParser:
        command = own.add_parser(name, help=text)
        command.add_argument("--data", type=Path)
        command.add_argument("--json", action="store_true")
        return command

    add("list", "all versions that are known, newest first")
    add("show", "the card of one version").add_argument("model", help="id, or name for the version that serves")
    verify = add("verify", "check hash and readability of stored contents; exit code 1 when one is not right")
    verify.add_argument("model", nargs="?", help="id or name; all that are stored when left out")
    back = add("rollback", "make an earlier version serve again")
    back.add_argument("model", help="name (back to the version before), or id of the version to go back to")
    back.add_argument("--to", type=int, metavar="VERSION", help="the version to go back to")
    back.add_argument("--reason", default="")
    train = add("train", "learn from what the store holds, now")
    train.add_argument("--jobs", type=int, default=1, help="processes on this machine (-1: one for each core)")
    train.add_argument("--cluster", help="address of a Dask scheduler, such as tcp://HOST:8786")
    add("reproduce", "make a finding again from its snapshot; exit code 1 when it comes out otherwise").add_argument(
        "finding", type=UUID
    )


def run(options: argparse.Namespace, settings: Settings, database_url: Callable[[Settings], str]) -> int:
    """Carry out one command; return its exit code."""
    from assets.base.db import Database
    from assets.base.errors import RuleError

    database = Database(database_url(settings), pool_size=2)
    try:
        if options.model_command == "train":
            body, text, code = _train(database, options)
        else:
            with database.as_service() as session:
                body, text, code = _COMMANDS[options.model_command](session, options)
    except RuleError as error:
        print(f"forewarn: {error}", file=sys.stderr)
        return 1
    finally:
        database.dispose()
    print(json.dumps(body, ensure_ascii=False, default=str) if options.json else text)
    return code


def _list(session: Session, options: argparse.Namespace) -> Answer:
    from sqlalchemy import select

    from ml.store.tables import ModelContent, StoredModel

    stored = set(session.scalars(select(ModelContent.model_id)))
    items = [
        _row(model) | {"content": "stored" if model.id in stored else "forgotten"}
        for model in session.scalars(select(StoredModel).order_by(StoredModel.name, StoredModel.version.desc()))
    ]
    lines = [
        f"{each['name']:32} v{each['version']:<3} {each['state']:10} {each['created_at']:%Y-%m-%d %H:%M}"
        f" {each['digest'][:12]} {each['size_bytes']:>9} bytes"
        + ("" if each["content"] == "stored" else " (content forgotten)")
        for each in items
    ]
    return {"items": items}, "\n".join(lines) or "No model has been trained yet.", 0


def _show(session: Session, options: argparse.Namespace) -> Answer:
    model = _find(session, options.model)
    body = _row(model) | {"card": model.card}
    return body, json.dumps(body, indent=2, ensure_ascii=False, default=str), 0


def _verify(session: Session, options: argparse.Namespace) -> Answer:
    from sqlalchemy import select

    from ml.store.tables import ModelContent, StoredModel
    from ml.store.versions import verify

    kept = select(StoredModel).join(ModelContent, ModelContent.model_id == StoredModel.id)
    models = (
        [_find(session, options.model)] if options.model else session.scalars(kept.order_by(StoredModel.name)).all()
    )
    items, lines = [], []
    for model in models:
        verdict = verify(session, model)
        items.append(
            {"id": model.id, "name": model.name, "version": model.version, "ok": verdict.ok, "problem": verdict.problem}
        )
        lines.append(f"{model.name:32} v{model.version:<3} {'ok' if verdict.ok else verdict.problem}")
    ok = all(each["ok"] for each in items)
    return {"items": items, "ok": ok}, "\n".join(lines) or "Nothing is stored.", 0 if ok else 1


def _rollback(session: Session, options: argparse.Namespace) -> Answer:
    from sqlalchemy import select

    from assets.base.errors import NotFound
    from ml.store.tables import StoredModel
    from ml.store.versions import previous_champion, roll_back

    named = _find(session, options.model)
    target = named
    if options.to is not None:
        found = session.scalar(
            select(StoredModel).where(
                StoredModel.organisation_id == named.organisation_id,
                StoredModel.name == named.name,
                StoredModel.version == options.to,
            )
        )
        if found is None:
            raise NotFound(f"{named.name} has no version {options.to}", kind="model")
        target = found
    elif named.name == options.model:
        target = previous_champion(session, named.organisation_id, named.name)
    model = roll_back(session, target, options.reason, datetime.now(UTC))
    return _row(model), f"{model.name} version {model.version} serves again.", 0


def _reproduce(session: Session, options: argparse.Namespace) -> Answer:
    from assets.base.errors import NotFound
    from gateway.wording import words
    from maintenance.models import Finding
    from ml.reproduction import reproduce

    finding = session.get(Finding, options.finding)
    if finding is None:
        raise NotFound("no such finding", kind="finding")
    outcome = reproduce(session, finding)
    said = words("reproduce.", outcome.code)
    body = {
        "finding_id": finding.id,
        "reproduced": outcome.reproduced,
        "code": outcome.code,
        "differences": [
            {"field": each.field, "stored": each.stored, "recomputed": each.recomputed} for each in outcome.differences
        ],
        "versions": {"stored": dict(outcome.versions_stored), "here": dict(outcome.versions_here)},
    }
    lines = [said.en, *(f"{d.field}: stored {d.stored}, now {d.recomputed}" for d in outcome.differences)]
    return body, "\n".join(lines), 0 if outcome.reproduced else 1


def _train(database: Database, options: argparse.Namespace) -> Answer:
    from sqlalchemy import select

    from gateway.wording import words
    from ml.spread import ClusterUnreachable, Spread
    from ml.store.tables import TrainingRun
    from ml.training import train_models

    try:
        ids = train_models(database, datetime.now(UTC), Spread(options.jobs, options.cluster))
    except ClusterUnreachable as error:
        return {"error": str(error)}, f"forewarn: {error}", 2
    with database.as_service() as session:
        runs = session.scalars(select(TrainingRun).where(TrainingRun.id.in_(ids))).all()
        outcomes = [each for run in runs for each in run.outcomes]
    lines = [f"{each['what']}: {words('training.', each['code'], each['params']).en}" for each in outcomes]
    body = {"runs": ids, "outcomes": outcomes}
    return body, "\n".join(lines) or "There is nothing to learn from.", 0


def _find(session: Session, wanted: str) -> StoredModel:
    """By id, by the short name in findings, or by name: the version that serves, else the newest."""
    from sqlalchemy import select

    from assets.base.errors import NotFound
    from ml.store.tables import CHAMPION, StoredModel
    from ml.store.versions import get_model

    try:
        return get_model(session, UUID(wanted))
    except ValueError:
        pass
    either = (StoredModel.name == wanted) | (StoredModel.code == wanted)
    found = session.scalars(
        select(StoredModel).where(either).order_by(StoredModel.state != CHAMPION, StoredModel.version.desc()).limit(1)
    ).first()
    if found is None:
        raise NotFound(f"no model {wanted!r}", kind="model")
    return found


def _row(model: StoredModel) -> dict[str, Any]:
    names = ("id", "name", "version", "kind", "code", "state", "state_since", "digest", "size_bytes", "created_at")
    return {name: getattr(model, name) for name in names}


_COMMANDS: dict[str, Callable[[Session, argparse.Namespace], Answer]] = {
    "list": _list,
    "show": _show,
    "verify": _verify,
    "rollback": _rollback,
    "reproduce": _reproduce,
}
