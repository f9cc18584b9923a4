"""Read a recorded fleet: settings, assets, runs, incidents, events and telemetry, with errors that name the place."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ml.detectors.protocol import Floats
from ml.training_set import Asset, Event, Incident, Settings, Span

__all__ = ["Asset", "Cut", "Event", "FleetUnreadable", "Incident", "RecordedFleet", "Settings", "Span", "read_fleet"]

MAX_TELEMETRY_BYTES = 2**31  # of one asset, unpacked: beyond it something is wrong with the file


class FleetUnreadable(ValueError):
    """A file of the recorded fleet is missing or malformed; the message names file and line."""


@dataclass(frozen=True, slots=True)
class Cut:
    """An asset that is cut off before it fails; `rul_s` is None where the truth is kept from us."""

    asset: str
    t: float
    rul_s: float | None


@dataclass(frozen=True)
class RecordedFleet:
    folder: Path
    settings: Settings
    assets: dict[str, Asset]
    incidents: tuple[Incident, ...]
    events: tuple[Event, ...]
    cuts: dict[str, Cut] = field(default_factory=dict)

    def scored(self) -> list[Asset]:
        """Assets whose work orders are judged, by name."""
        return [a for n, a in sorted(self.assets.items()) if a.role == "score" and n not in self.cuts]

    def history(self) -> list[Asset]:
        return [a for _, a in sorted(self.assets.items()) if a.role == "history"]

    def blind(self, asset: str) -> RecordedFleet:
        """The fleet with this asset alone and without anybody's incidents: nobody can look at what is not there."""
        own = tuple(event for event in self.events if event.asset == asset)
        return replace(self, assets={asset: self.assets[asset]}, incidents=(), events=own, cuts={})

    def telemetry(self, asset: str) -> tuple[Floats, tuple[str, ...], pd.DataFrame]:
        """Times [n] in epoch seconds, metric names, and the frame of values; empty where there is no file."""
        path = self.folder / "telemetry" / f"{asset}.csv.gz"
        about = path.stat() if path.exists() else None
        return _kept(path, about.st_mtime_ns if about else 0, about.st_size if about else 0)


@lru_cache(maxsize=2)
def _kept(path: Path, changed_ns: int, size_bytes: int) -> tuple[Floats, tuple[str, ...], pd.DataFrame]:
    """The file read last is asked for again at once: by detectors, features and each level that is tried."""
    return read_telemetry(path)


def text(value: str) -> str:
    if not value.strip():
        raise ValueError("blank")
    return value.strip()


def plain_text(value: str) -> str:
    return value.strip()


def epoch(value: str) -> float:
    """Epoch seconds of an RFC 3339 time with its zone."""
    parsed = datetime.fromisoformat(text(value))
    if parsed.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone")
    return parsed.timestamp()


def number(value: str) -> float:
    parsed = float(text(value))
    if not math.isfinite(parsed):
        raise ValueError(f"{value!r} is not finite")
    return parsed


def maybe(convert: Callable[[str], float]) -> Callable[[str], float | None]:
    return lambda value: convert(value) if value.strip() else None


def rows(path: Path, **columns: Callable[[str], Any]) -> Iterator[dict[str, Any]]:
    """Yield converted rows of a CSV file; a missing column reads as blank, a bad cell names its line."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            first = next(iter(columns))
            if first not in (reader.fieldnames or ()):
                raise FleetUnreadable(f"{path.name}: no column {first!r}")
            for row in reader:
                yield {name: _cell(path, reader.line_num, name, row.get(name), c) for name, c in columns.items()}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise FleetUnreadable(f"{path.name}: {error}") from None


def _cell(path: Path, line: int, name: str, value: str | None, convert: Callable[[str], Any]) -> Any:
    try:
        return convert(value or "")
    except ValueError as error:
        raise FleetUnreadable(f"{path.name} line {line}: {name}: {error}") from None


def read_fleet(folder: Path) -> RecordedFleet:
    """Read everything but the telemetry. Raise FleetUnreadable naming file and line."""
    settings = _settings(folder)
    assets = _assets(folder)
    cuts = {}
    if (folder / "rul.csv").exists():
        for r in rows(folder / "rul.csv", asset=text, t=epoch, rul_s=maybe(number)):
            cuts[r["asset"]] = Cut(**r)
    incidents: list[Incident] = []
    if (folder / "incidents.csv").exists():
        moments = {name: maybe(epoch) for name in ("onset", "established", "failed", "repaired")}
        incidents = [Incident(**r) for r in rows(folder / "incidents.csv", asset=text, kind=plain_text, **moments)]
    events: list[Event] = []
    if (folder / "events.csv").exists():
        columns = {"kind": plain_text, "code": plain_text, "component": plain_text}
        events = [Event(**r) for r in rows(folder / "events.csv", asset=text, t=epoch, **columns)]
    events.sort(key=lambda e: (e.t, e.asset, e.kind, e.code, e.component))
    return RecordedFleet(folder, settings, assets, tuple(incidents), tuple(events), cuts)


def _settings(folder: Path) -> Settings:
    path = folder / "fleet.json"
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        budget = meta.get("budget_per_month")
        return Settings(
            name=str(meta.get("name") or folder.name),
            on_failure={"failure": True, "onset": False}[meta["protocol"]],
            horizon_s=float(meta["horizon_s"]),
            min_lead_s=float(meta["min_lead_s"]),
            open_s=float(meta["open_s"]),
            month_s=float(meta["month_s"]),
            persistence_hint_s=float(meta.get("persistence_hint_s") or 0.0),
            budget_per_month=None if budget is None else float(budget),
            per_kind=bool(meta.get("per_kind", False)),
            hard_kinds=tuple(meta.get("hard_kinds") or ()),
        )
    except OSError as error:
        raise FleetUnreadable(f"{path}: {error.strerror or error}: not a recorded fleet") from None
    except KeyError as error:
        raise FleetUnreadable(f"fleet.json: missing or unknown {error.args[0]!r}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise FleetUnreadable(f"fleet.json: {error}") from None


def _assets(folder: Path) -> dict[str, Asset]:
    times: dict[str, Callable[[str], Any]] = {
        "observed_from": epoch, "observed_until": epoch, "healthy_until": maybe(epoch), "score_from": maybe(epoch),
    }  # fmt: skip
    words = {"model": plain_text, "role": text, "asset_group": plain_text, "age_years": maybe(number)}
    table = list(rows(folder / "assets.csv", asset=text, **words, **times))
    runs: dict[str, list[Span]] = {}
    if (folder / "runs.csv").exists():
        for r in rows(folder / "runs.csv", asset=text, **times):
            runs.setdefault(r["asset"], []).append(_span(r))
    assets = {}
    for r in table:
        spans = sorted(runs.get(r["asset"], [_span(r)]), key=lambda s: s.start)
        assets[r["asset"]] = Asset(
            r["asset"], r["model"], r["role"], r["asset_group"], tuple(spans), age_years=r["age_years"]
        )
    return assets


def _span(r: dict[str, Any]) -> Span:
    start = r["observed_from"]
    return Span(start, r["observed_until"], r["score_from"] or start, r["healthy_until"] or 0.0)


def read_telemetry(path: Path) -> tuple[Floats, tuple[str, ...], pd.DataFrame]:
    """Times, metrics and values of one asset; rows in time order, a time that repeats counts once (the first).

    Values that are no numbers are only allowed in columns without any number (modes); else the line is named.
    """
    if not path.exists():
        return np.zeros(0), (), pd.DataFrame()
    try:
        with gzip.open(path, "rb") as file:
            raw = file.read(MAX_TELEMETRY_BYTES)
        frame = pd.read_csv(io.BytesIO(raw), dtype=str, keep_default_na=False)
    except (
        pd.errors.ParserError,
        pd.errors.EmptyDataError,
        OSError,
        EOFError,
        zlib.error,
        UnicodeDecodeError,
    ) as error:
        raise FleetUnreadable(f"{path.name}: {str(error).strip()}") from None
    if "t" not in frame.columns:
        raise FleetUnreadable(f"{path.name}: no column 't'")
    t = _times(path, frame.pop("t"))
    columns = {str(name): _column(path, str(name), frame[name]) for name in frame.columns}
    order = np.argsort(t, kind="stable")
    order = order[np.concatenate([[True], np.diff(t[order]) > 0])] if len(order) else order
    values = pd.DataFrame(columns).iloc[order].reset_index(drop=True)
    return t[order], tuple(columns), values


def _times(path: Path, column: pd.Series[str]) -> Floats:
    parsed = pd.to_datetime(column, format="ISO8601", utc=True, errors="coerce")
    bad = np.flatnonzero(parsed.isna().to_numpy() | ~column.str.contains(r"Z$|[+-]\d\d:?\d\d$").to_numpy(dtype=bool))
    if len(bad):
        raise FleetUnreadable(f"{path.name} line {bad[0] + 2}: t: {column.iloc[bad[0]]!r} is not a time with its zone")
    epochs = parsed.astype("datetime64[us, UTC]").astype("int64").to_numpy() / 1e6
    return np.asarray(epochs, dtype=float)


def _column(path: Path, name: str, column: pd.Series[str]) -> pd.Series[Any]:
    blank = column.str.strip() == ""
    numbers = pd.to_numeric(column.where(~blank), errors="coerce")
    bad = np.flatnonzero((numbers.isna() & ~blank).to_numpy())
    if len(bad) == 0:
        return numbers.astype(float)
    if numbers.notna().any():
        raise FleetUnreadable(f"{path.name} line {bad[0] + 2}: {name}: {column.iloc[bad[0]]!r} is not a number")
    return column.where(~blank, "")
