"""Read recorded fleets: one asset's samples and events in time order, on a clock without long gaps."""

from __future__ import annotations

import bisect
import csv
import gzip
import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from edge_agent import wire

MAX_GAP_S = 600.0  # longer gaps are shortened to exactly this
_UNREADABLE = (csv.Error, UnicodeDecodeError, EOFError, OSError, zlib.error)
_SUFFIX_UNITS = {
    "celsius": "Cel",
    "kelvin": "K",
    "rankine": "[degR]",
    "pa": "Pa",
    "bar": "bar",
    "mbar": "mbar",
    "psi": "[psi]",
    "psia": "[psi]",
    "percent": "%",
    "ampere": "A",
    "volt": "V",
    "rpm": "/min",
    "mm_s": "mm/s",
    "m3_h": "m3/h",
    "m3_s": "m3/s",
    "l_min": "L/min",
    "hz": "Hz",
    "kw": "kW",
    "g": "[g]",
}


class RecordingError(Exception):
    """A recording cannot be read; the text names the file, the line where it is known, and what was expected."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A sample or an event of one asset at `clock_s` seconds on its clock without long gaps."""

    clock_s: float
    values: Mapping[str, wire.Value] | None = None
    event: Mapping[str, str] | None = None


@dataclass(slots=True)
class Recording:
    """One asset's record. `length_s` is its clock at the last sample, `skipped` its rows out of time order."""

    asset: str
    path: Path | None
    model: str = ""
    events: Sequence[tuple[float, Mapping[str, str]]] = ()
    metrics: tuple[str, ...] = ()
    start_s: float = 0.0
    length_s: float = 0.0
    samples: int = 0
    skipped: int = 0
    vouched: Sequence[tuple[float, float]] = ()  # stretches that somebody called healthy, as recorded
    about: dict[str, Any] = field(default_factory=dict)

    def survey(self) -> None:
        """Go through the times once, to know the length and how long the vouched stretches are on the clock.

        Raise RecordingError. For once: each stretch becomes an event.
        """
        self.samples = self.skipped = 0
        clock, last = 0.0, None
        wanted = sorted({moment for stretch in self.vouched for moment in stretch}, reverse=True)
        at_clock: dict[float, float] = {}
        for t_s, _values in self._rows() if self.path is not None else ():
            if last is not None and t_s <= last:
                self.skipped += 1
                continue
            step = 0.0 if last is None else min(t_s - last, MAX_GAP_S)
            while wanted and wanted[-1] <= t_s:
                moment = wanted.pop()
                if last is None:
                    at_clock[moment] = -min(t_s - moment, MAX_GAP_S)
                else:
                    at_clock[moment] = clock + step * (moment - last) / (t_s - last)
            clock += step
            last = t_s
            self.samples += 1
        at_clock |= dict.fromkeys(wanted, clock + MAX_GAP_S)  # later than all samples
        self.length_s = clock if self.samples else self._chain_length(self.events)
        told = [(begin, _known_healthy(at_clock[until] - at_clock[begin])) for begin, until in self.vouched]
        self.events = sorted([*self.events, *told], key=lambda each: each[0])

    def moments(self) -> Iterator[Moment]:
        """Yield samples and events in the order of their clock; events before the first sample come first.

        An event between two samples keeps its share of the way between them, also where the gap is shortened. One at
        the very time of a sample comes before it: what it says holds for the sample.
        """
        times = [t for t, _ in self.events]
        if not self.samples:
            yield from self._chain(self.events, 0.0)
            return
        clock, last, told = 0.0, None, 0
        for t_s, values in self._rows():
            if last is None:
                told = bisect.bisect_right(times, t_s)
                before = self.events[:told]
                if before:
                    lead = min(t_s - before[-1][0], MAX_GAP_S)
                    yield from self._chain(before, -lead - self._chain_length(before))
            elif t_s <= last:
                continue
            else:
                step = min(t_s - last, MAX_GAP_S)
                until = bisect.bisect_right(times, t_s)
                for at, event in self.events[told:until]:
                    yield Moment(clock + step * (at - last) / (t_s - last), event=event)
                clock, told = clock + step, until
            last = t_s
            if values:
                yield Moment(clock, values=values)
        for _at, event in self.events[told:]:
            yield Moment(clock, event=event)  # later than all samples: the replay ends with the last sample

    @staticmethod
    def _chain_length(events: Sequence[tuple[float, Mapping[str, str]]]) -> float:
        return sum(min(later[0] - earlier[0], MAX_GAP_S) for earlier, later in pairwise(events))

    @staticmethod
    def _chain(events: Sequence[tuple[float, Mapping[str, str]]], clock: float) -> Iterator[Moment]:
        last: float | None = None
        for at, event in events:
            clock += 0.0 if last is None else min(at - last, MAX_GAP_S)
            last = at
            yield Moment(clock, event=event)

    def _rows(self) -> Iterator[tuple[float, dict[str, wire.Value]]]:
        assert self.path is not None
        with _open_text(self.path) as text:
            reader = csv.reader(text)
            try:
                header = next(reader, [])
                if "t" not in header:
                    raise RecordingError(
                        f"{self.path}: no column t in its header; expected t and one column per metric"
                    )
                where = header.index("t")
                self.metrics = tuple(name for name in header if name and name != "t")
                for line, row in enumerate(reader, 2):
                    if not row:
                        continue
                    if len(row) <= where:
                        raise RecordingError(f"{self.path} line {line}: no value for t")
                    named = zip(header, row, strict=False)
                    values = {name: parse_value(cell) for name, cell in named if cell and name and name != "t"}
                    clean = {name: value for name, value in values.items() if value is not None}
                    yield parse_time(row[where], f"{self.path} line {line}"), clean
            except _UNREADABLE as error:
                raise RecordingError(f"{self.path}: cannot be read ({error}); expected CSV, plain or gzip") from error


def _open_text(path: Path) -> io.TextIOWrapper:
    try:
        if path.suffix == ".gz":
            return io.TextIOWrapper(gzip.open(path, "rb"), encoding="utf-8-sig", newline="")
        return open(path, encoding="utf-8-sig", newline="")
    except OSError as error:
        raise RecordingError(f"{path}: {error.strerror}") from error


def parse_value(cell: str) -> wire.Value | None:
    """Return a number, a boolean or the text itself; None for not-a-number."""
    try:
        number = float(cell)
    except ValueError:
        return {"true": True, "false": False}.get(cell.lower(), cell)
    return number if math.isfinite(number) else None


def parse_time(text: str, where: str) -> float:
    """Return epoch seconds of RFC 3339 text or of a number (seconds, or milliseconds above 1e11)."""
    try:
        number = float(text)
    except ValueError:
        pass
    else:
        if math.isfinite(number):
            return number / 1000 if abs(number) > 1e11 else number
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise RecordingError(f"{where}: t is {text!r}, expected a time such as 2024-01-01T00:00:00Z") from error
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def guess_metric(name: str) -> wire.Metric:
    """Return the metric with the unit that the end of its name tells."""
    for suffix in sorted(_SUFFIX_UNITS, key=len, reverse=True):
        if name.endswith("_" + suffix):
            return wire.Metric(name, _SUFFIX_UNITS[suffix])
    return wire.Metric(name)


def find_recordings(paths: Sequence[Path]) -> list[Recording]:
    """Return the assets of fleets (folders) and of plain CSV files, surveyed. Raise RecordingError."""
    found: dict[str, Recording] = {}
    for path in paths:
        for each in _in_folder(path) if path.is_dir() else [_in_file(path)]:
            if each.asset in found:
                raise RecordingError(f"{path}: the asset {each.asset} is there twice")
            if not wire.is_valid_serial(each.asset):
                raise RecordingError(f"{path}: {each.asset!r} cannot be a serial; expected no / + # in the file's name")
            found[each.asset] = each
    for each in found.values():
        each.survey()
    empty = [each.asset for each in found.values() if not each.samples and not each.events]
    if not found or len(empty) == len(found):
        raise RecordingError(f"{', '.join(map(str, paths))}: nothing to replay there")
    return [each for each in found.values() if each.asset not in empty]


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def _in_file(path: Path) -> Recording:
    if not path.is_file():
        raise RecordingError(f"{path}: no such file or folder")
    return Recording(_stem(path), path, "recorded")


def _in_folder(folder: Path) -> list[Recording]:
    telemetry = folder / "telemetry" if (folder / "telemetry").is_dir() else folder
    files = sorted([*telemetry.glob("*.csv.gz"), *telemetry.glob("*.csv")])
    if telemetry == folder:
        files = [path for path in files if _stem(path) not in ("assets", "incidents", "runs", "events", "rul")]
    recordings = {_stem(path): Recording(_stem(path), path, "recorded") for path in files}
    events: dict[str, list[tuple[float, Mapping[str, str]]]] = {}
    for row in _table(folder / "events.csv"):
        name = row.get("asset") or ""
        at = parse_time(row.get("t") or "", f"{folder / 'events.csv'} asset {name}")
        events.setdefault(name, []).append((at, row))
    for name, rows in events.items():
        recording = recordings.setdefault(name, Recording(name, None, "recorded"))
        recording.events = sorted(rows, key=lambda each: each[0])
    assets = list(_table(folder / "assets.csv"))
    for row in assets:
        if (row.get("asset") or "") in recordings:
            recording = recordings[row["asset"]]
            recording.model = row.get("model") or "recorded"
            recording.about = {"fleet": folder.name, "group": row.get("asset_group") or ""}
    _add_commissioning(folder, assets, recordings)
    return list(recordings.values())


def _add_commissioning(folder: Path, assets: Sequence[Mapping[str, str]], recordings: Mapping[str, Recording]) -> None:
    """Note the stretches that somebody vouched for: each will begin with an event that says for how long."""
    runs = list(_table(folder / "runs.csv"))
    in_runs = {row.get("asset") for row in runs}
    for row in runs + [row for row in assets if row.get("asset") not in in_runs]:
        recording = recordings.get(row.get("asset") or "")
        begin, until = row.get("observed_from"), row.get("healthy_until")
        if recording is None or not begin or not until:
            continue
        where = f"{folder / 'runs.csv'} asset {recording.asset}"
        begin_s, until_s = parse_time(begin, where), parse_time(until, where)
        if until_s > begin_s:
            recording.vouched = [*recording.vouched, (begin_s, until_s)]


def _known_healthy(duration_s: float) -> Mapping[str, str]:
    text = f"PT{duration_s:.3f}".rstrip("0").rstrip(".") + "S"
    return {"kind": "commissioning", "code": wire.KNOWN_HEALTHY, "text": text}


def _table(path: Path) -> Iterator[dict[str, str]]:
    if not path.exists():
        return
    with _open_text(path) as text:
        try:
            for row in csv.DictReader(text):
                yield {key: value or "" for key, value in row.items() if isinstance(key, str)}
        except _UNREADABLE as error:
            raise RecordingError(f"{path}: cannot be read ({error}); expected CSV") from error
