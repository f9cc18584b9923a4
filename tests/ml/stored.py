"""A database with machines whose readings are written as ingest would and scored as the worker would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from sqlalchemy import select, text

from assets.base.db import Database
from assets.instrumentation import bind
from assets.people import add_organisation
from assets.registry import Asset, AssetModel, add_asset
from ingest.devices import register_device
from ingest.messages import Message
from ingest.rollups import run_rollups
from ingest.store.base import Connection
from ingest.writer import Writer, prepare
from maintenance.episodes import decide_pending
from maintenance.models import Finding
from ml.worker import Scorer
from ticketing.models import WorkOrder

NOW = datetime.now(UTC).replace(microsecond=0)
SAMPLES = 400  # per message


class Machines:
    """One organisation's machines, each with a device of its own of the same serial."""

    def __init__(self, url: str, owner: UUID | None = None) -> None:
        self.database = Database(url)
        with self.database.as_service() as session:
            self.owner = owner or add_organisation(session, kind="operator", name="Operator", now=NOW).id
        self.connection: Connection = psycopg.connect(url, autocommit=True)
        self.connection.execute("SET ROLE forewarn_service")
        self.writer = Writer()
        self.scorer = Scorer(self.database)
        self.ids: dict[str, UUID] = {}
        self._seq: dict[str, int] = {}

    def add_model(self, code: str, metrics: Mapping[str, Any] | None = None, **more: Any) -> UUID:
        with self.database.as_service() as session:
            model = AssetModel(
                organisation_id=self.owner, code=code, name_en=code, name_zh=code, metrics=dict(metrics or {}), **more
            )
            session.add(model)
            session.flush()
            return model.id

    def add(self, serial: str, model_id: UUID | None, created_at: datetime = NOW) -> UUID:
        with self.database.as_service() as session:
            device, _ = register_device(session, serial, "test", self.owner, NOW)
            asset = Asset(
                organisation_id=self.owner, serial=serial, name=serial, created_at=created_at, asset_model_id=model_id
            )
            add_asset(session, asset, created_at)
            bind(session, organisation_id=self.owner, device_id=device.id, channel="", asset_id=asset.id, at=None)
            self.ids[serial] = asset.id
        return self.ids[serial]

    def tell(
        self,
        serial: str,
        t: np.ndarray,
        values: Mapping[str, np.ndarray],
        events: Sequence[tuple[float, str]] = (),
        lane: str = "live",
    ) -> None:
        """Send readings (epoch seconds, one column per metric) and events (epoch seconds, code)."""
        for begin in range(0, max(len(t), 1), SAMPLES):
            rows = range(begin, min(begin + SAMPLES, len(t)))
            samples = [
                {"t": round(t[i] * 1000), "values": {n: float(c[i]) for n, c in values.items() if np.isfinite(c[i])}}
                for i in rows
            ]
            told = [
                {"t": round(at * 1000), "code": code, "severity": "warning", "text": "", "active": True}
                for at, code in (events if begin == 0 else ())
            ]
            seq = self._seq[serial] = self._seq.get(serial, -1) + 1
            body = {"boot": "b", "seq": seq, "n": len(samples), "lane": lane, "samples": samples, "events": told}
            topic = f"forewarn/v1/{serial}/telemetry"
            message = Message(topic, json.dumps(body).encode(), int(NOW.timestamp() * 1e6))
            self.writer.write(self.connection, [prepare(message)])

    def roll_up(self, now: datetime = NOW) -> None:
        """Make the rollups of all that was told."""
        while run_rollups(self.database, now).pieces:
            pass

    def work(self, now: datetime = NOW) -> None:
        """Score and decide."""
        self.scorer.run(now)
        with self.database.as_service() as session:
            while decide_pending(session, now):
                pass

    def skip(self) -> None:
        """Let the scorer pass over all that was told until now."""
        with self.database.as_service() as session:
            session.execute(text("DELETE FROM scoring_cursors WHERE name = 'scoring'"))
            session.execute(
                text(
                    "INSERT INTO scoring_cursors (name, xid, batch_id)"
                    " VALUES ('scoring', pg_current_xact_id()::text::bigint, 0)"
                )
            )

    def findings(self) -> list[Finding]:
        with self.database.as_service() as session:
            return list(session.scalars(select(Finding).order_by(Finding.first_at)))

    def orders(self) -> list[WorkOrder]:
        with self.database.as_service() as session:
            return list(session.scalars(select(WorkOrder).order_by(WorkOrder.opened_at)))

    def close(self) -> None:
        self.connection.close()
        self.database.dispose()
