"""Values in the unit of their series: what comes in another unit is converted, what cannot be is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any

from assets.base.conversion import is_known
from assets.base.units import conversion, series_unit, unit_code, unit_of_metric
from ingest.formats.decoded import Reason, Sample, Value
from ingest.store.base import Connection
from ingest.store.catalog import Declared, SeriesRef, StreamRef, add_series, kind_of, load_series

Told = Mapping[str, str]


def in_series_units(
    connection: Connection, stream: StreamRef, sample: Sample, message_units: Told | None
) -> tuple[Sample, Sequence[tuple[Reason, str]]]:
    """Return the sample with its values in the units of their series, and the metrics that have to be left out.

    A unit is told by the sample, else by the message, else by what the device declared. A series that has none takes
    the first that is told.
    """
    told: dict[str, str] = {**(message_units or {}), **(sample.units or {})}
    new = {name: Declared(kind_of(sample.values[name]), told.get(name)) for name in sample.values if name in told}
    if any(name not in stream.series for name in new) and not stream.is_full:
        add_series(connection, stream, {name: each for name, each in new.items() if name not in stream.series})
    values: dict[str, Value] = {}
    refused: list[tuple[Reason, str]] = []
    for name, value in sample.values.items():
        series = stream.series.get(name)
        unit = told.get(name) or (series.sent_unit if series else None)
        if series is None or unit is None or unit == series.unit or isinstance(value, (bool, str)):
            values[name] = value
            continue
        if series.unit is None:
            _adopt_unit(connection, stream, series, name, unit)
            series = stream.series[name]
        convert = conversion(unit, series.unit) if series.unit else None
        if convert is None:
            refused.append((Reason.WRONG_UNIT, f"{name}: {unit} cannot become {series.unit}"))
        elif not isfinite(converted := convert(float(value))):
            refused.append((Reason.NOT_FINITE, name))
        else:
            values[name] = converted
    return sample._replace(values=values), refused


def _adopt_unit(connection: Connection, stream: StreamRef, series: SeriesRef, name: str, unit: str) -> None:
    """Another writer may have told one just now: the database decides."""
    connection.execute("UPDATE series SET unit = %s WHERE id = %s AND unit IS NULL", [unit, series.id])
    load_series(connection, stream)


def declare_units(connection: Connection, stream: StreamRef, declared: Mapping[str, str | None]) -> bool:
    """Note in which unit a device says that it sends its metrics; return whether that is another one than before.

    The series keeps the unit it has: its earlier values stay what they are, the coming ones are converted. Only a unit
    that nobody could convert gives way.
    """
    changes: list[tuple[int, str | None, str | None]] = []
    for name, text in declared.items():
        series, told = stream.series.get(name), declared_unit(name, text)
        if series is None or told is None:
            continue
        unit = series.unit
        if unit is None or (unit != told and conversion(told, unit) is None and _says_nothing(unit)):
            unit = series_unit(name, told)
        sent = told if told != unit else None
        if (unit, sent) != (series.unit, series.sent_unit):
            changes.append((series.id, unit, sent))
    if changes:
        columns: list[Any] = [list(column) for column in zip(*changes, strict=True)]
        connection.execute(
            "UPDATE series s SET unit = v.unit, sent_unit = v.sent"
            " FROM unnest(%s::int[], %s::text[], %s::text[]) AS v(id, unit, sent) WHERE s.id = v.id",
            columns,
        )
    return bool(changes)


def declared_unit(name: str, text: str | None) -> str | None:
    """Return the UCUM code of a declared unit. A device that declares none says `1`: then the name's ending counts."""
    told = unit_code(text) if text else None
    return unit_of_metric(name) or told if told == "1" else told


def _says_nothing(unit: str) -> bool:
    return unit == "1" or not is_known(unit)
