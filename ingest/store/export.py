"""Every reading of an asset within a range, as CSV or Parquet in pieces: memory stays the same however long it is."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy.orm import Session

from ingest.store.read import QUALITIES, Source, samples_table, sources_of, value_of

Format = Literal["csv", "parquet"]

FETCH_ROWS = 2000  # rows of the store per round trip; each has a value for every metric
GROUP_VALUES = 100_000  # values per row group of Parquet: some 10 MB while it is made
COLUMNS = ("asset_serial", "metric", "unit", "measured_at", "received_at", "value", "text", "quality")
SCHEMA = pa.schema(
    [
        ("asset_serial", pa.dictionary(pa.int32(), pa.string())),
        ("metric", pa.dictionary(pa.int32(), pa.string())),
        ("unit", pa.dictionary(pa.int32(), pa.string())),
        ("measured_at", pa.timestamp("us", tz="UTC")),
        ("received_at", pa.timestamp("us", tz="UTC")),
        ("value", pa.float64()),
        ("text", pa.string()),
        ("quality", pa.dictionary(pa.int32(), pa.string())),
    ]
)
_OLDEST, _NEWEST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

# By key: in the order of time without sorting, so that the first rows come at once.
_ROWS = """
SELECT measured_at, received_at, quality, values FROM {table}
WHERE stream_id = %(stream)s AND measured_at >= %(since)s AND measured_at < %(until)s ORDER BY measured_at
"""


class Reading(NamedTuple):
    """One value: a number (booleans 1 and 0) or a text."""

    metric: str
    unit: str | None
    measured_at: datetime
    received_at: datetime
    value: float | None
    text: str | None
    quality: str


def readings(
    session: Session, asset_id: UUID, metrics: Sequence[str], since: datetime, until: datetime
) -> Iterator[list[Reading]]:
    """Yield all readings of these metrics (none named: of all), in pieces; in time order within each stream.

    The transaction must stay open meanwhile: a cursor of the server holds the place.
    """
    by_range: dict[tuple[int, datetime | None, datetime | None], list[Source]] = {}
    for source in sources_of(session, asset_id, None):
        if not metrics or source.metric in metrics:
            by_range.setdefault((source.stream_id, source.since, source.until), []).append(source)
    statement = _ROWS.format(table=samples_table(session))
    driver: Any = session.connection().connection.driver_connection
    for number, ((stream, begin, end), sources) in enumerate(by_range.items()):
        values = {
            "stream": stream,
            "since": max(since, begin or _OLDEST),
            "until": min(until, end or _NEWEST),
        }
        with closing(driver.cursor(f"export_{number}", binary=True)) as cursor:
            cursor.execute(statement, values)
            while rows := cursor.fetchmany(FETCH_ROWS):
                yield [reading for row in rows for reading in _readings_of(row, sources)]


def export_csv(pieces: Iterator[list[Reading]], serial: str) -> Iterator[bytes]:
    """Yield CSV (UTF-8, a header line, times in RFC 3339 UTC)."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for piece in pieces:
        for reading in piece:
            value = "" if reading.value is None else f"{reading.value:.17g}"
            times = (_rfc3339(reading.measured_at), _rfc3339(reading.received_at))
            cells = (_plain(serial), _plain(reading.metric), reading.unit, *times, value)
            writer.writerow((*cells, _plain(reading.text or ""), reading.quality))
        yield _taken(buffer)
    if buffer.tell():
        yield _taken(buffer)


def export_parquet(pieces: Iterator[list[Reading]], serial: str) -> Iterator[bytes]:
    """Yield a Parquet file with the same columns, a row group at a time."""
    sink = _Sink()
    waiting: list[Reading] = []
    with pq.ParquetWriter(pa.PythonFile(sink, mode="w"), SCHEMA, compression="zstd") as writer:
        for piece in pieces:
            waiting += piece
            if len(waiting) >= GROUP_VALUES:
                writer.write_table(_table(waiting, serial))
                waiting = []
                yield sink.take()
        if waiting:
            writer.write_table(_table(waiting, serial))
    yield sink.take()


class _Sink(io.RawIOBase):
    """Takes what is written until somebody fetches it."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        taken = bytes(data)
        self._parts.append(taken)
        self._position += len(taken)
        return len(taken)

    def tell(self) -> int:
        return self._position

    def take(self) -> bytes:
        whole, self._parts = b"".join(self._parts), []
        return whole


def _readings_of(row: tuple[Any, ...], sources: Sequence[Source]) -> Iterator[Reading]:
    measured_at, received_at, quality, values = row
    for source in sources:
        at = source.slot - 1
        stored = values[at] if at < len(values) else None
        if stored is None:
            continue
        word = QUALITIES[(quality[at] or 0) if quality is not None and at < len(quality) else 0]
        is_text = source.kind == "text"
        number = None if is_text else float(stored)
        state = str(value_of("text", source.states, stored)) if is_text else None
        yield Reading(source.metric, source.unit, measured_at, received_at, number, state, word)


def _table(waiting: Sequence[Reading], serial: str) -> pa.Table:
    metric, unit, measured, received, value, state, quality = zip(*waiting, strict=True)
    columns = ([serial] * len(waiting), metric, unit, measured, received, value, state, quality)
    return pa.table(
        {
            field.name: pa.array(column, type=field.type)
            for field, column in zip(SCHEMA, map(list, columns), strict=True)
        },
        schema=SCHEMA,
    )


def _plain(cell: str) -> str:
    """A spreadsheet would run a text that begins like a formula; a quote before it shows it as text."""
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _taken(buffer: io.StringIO) -> bytes:
    whole = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return whole
