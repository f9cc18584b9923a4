"""Files that are made while they are sent: in a transaction of their own that ends with the answer, however it ends."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from assets.base.access import Actor
from assets.base.db import Database
from assets.base.errors import Conflict
from ingest.store.export import Format, export_csv, export_parquet, readings

MEDIA_TYPES: dict[Format, str] = {"csv": "text/csv", "parquet": "application/vnd.apache.parquet"}
AT_ONCE = 4  # each holds a connection of the pool until its client has taken everything

_places = threading.BoundedSemaphore(AT_ONCE)


class TooManyExports(Conflict):
    """Others are being made; ask again when one of them is done."""

    code = "too_many_exports"


@dataclass(frozen=True, slots=True)
class Export:
    """What is wanted: readings of an asset's metrics (none named: all) in a range."""

    asset_id: UUID
    serial: str
    metrics: tuple[str, ...]
    since: datetime
    until: datetime
    format: Format


class Download(StreamingResponse):
    """Sends an export. When the client goes away no more is read: cursor and transaction are closed."""

    def __init__(
        self, database: Database, actor: Actor, wanted: Export, media_type: str, headers: Mapping[str, str]
    ) -> None:
        if not _places.acquire(blocking=False):
            raise TooManyExports(f"{AT_ONCE} exports are being made already", at_once=AT_ONCE)
        self._pieces = _Pieces(database, actor, wanted)
        super().__init__(self._pieces, media_type=media_type, headers=headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send all, or until the client is gone."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await run_in_threadpool(self._pieces.close)


class _Pieces(Iterator[bytes]):
    """The file's pieces; the transaction begins with the first and ends with `close`."""

    def __init__(self, database: Database, actor: Actor, wanted: Export) -> None:
        self._made = _make(database, actor, wanted)
        self._is_open = True

    def __next__(self) -> bytes:
        return next(self._made)

    def __del__(self) -> None:
        self.close()  # an answer that was never sent

    def close(self) -> None:
        """End the transaction and give the place back, once."""
        if self._is_open:
            self._is_open = False
            self._made.close()
            _places.release()


def _make(database: Database, actor: Actor, wanted: Export) -> Generator[bytes, None, None]:
    with database.as_actor(actor) as session:
        found = readings(session, wanted.asset_id, wanted.metrics, wanted.since, wanted.until)
        make = export_csv if wanted.format == "csv" else export_parquet
        yield from make(found, wanted.serial)
