"""A Sparkplug message as readings: names, times, units and quality of what its metrics say."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from assets.base.units import unit_code
from ingest.formats.decoded import FLAG_BACKFILL, FLAG_LATE, LATE_AFTER_US, Decoded, ProblemList, Reason, Sample, Value
from ingest.formats.values import BadTime, read_time
from ingest.sparkplug.births import Unresolved
from ingest.sparkplug.names import another_name, metric_name
from ingest.sparkplug.outcomes import Store
from ingest.sparkplug.payload import BD_SEQ, Metric
from ingest.sparkplug.values import Part, Trouble, parts_of, quality_of

MAX_NAMES = 600  # of one channel; a stream holds 512 metrics
# Orders to a node and its state as a node: no measurements.
_CONTROL = ("Node Control/", "Device Control/")
_code_of = lru_cache(4096)(unit_code)  # units are few, values many


@dataclass(slots=True)
class Names:
    """What one channel's metrics are called here; a name that was given stays."""

    given: dict[str, str] = field(default_factory=dict)  # original -> ours
    is_new: bool = False  # something was added since it was stored

    def of(self, original: str) -> str | None:
        """Return our name of a metric; None when the channel has too many."""
        known = self.given.get(original)
        if known is not None:
            return known
        if len(self.given) >= MAX_NAMES:
            return None
        name = metric_name(original)
        if name in self.given.values():
            name = another_name(original)
        self.given[original] = name
        self.is_new = True
        return name


@dataclass(slots=True)
class _Moment:
    """Values of one time, on their way into a sample."""

    values: dict[str, Value] = field(default_factory=dict)
    quality: dict[str, int] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    position: int = 0


class Reader:
    """Takes one message apart."""

    def __init__(self, store: Store, names: Names) -> None:
        self._store = store
        self._names = names
        self._received_us = store.arrival.message.received_us
        self._problems = ProblemList()
        self._moments: dict[tuple[int, int], list[_Moment]] = {}
        self._lost = 0

    def read(self) -> Decoded:
        """Return the readings of all metrics, and what is wrong with the others."""
        payload = self._store.arrival.payload()
        for position, metric in enumerate(payload.metrics):
            found = self._store.lookup.find(metric)
            if isinstance(found, Unresolved):
                self._refuse(Reason.UNKNOWN_ALIAS, f"alias {metric.alias}: {found.value}", position, metric)
            elif not (metric.is_transient or found.name == BD_SEQ or found.name.startswith(_CONTROL)):
                sent = metric.timestamp if metric.timestamp is not None else payload.timestamp
                datatype = metric.datatype if metric.datatype is not None else found.datatype
                for part in parts_of(found.name, datatype, metric):
                    self._take(part, sent, metric.unit or found.unit, position, metric)
        return self._decoded()

    def _take(self, part: Part | Trouble, sent_ms: int | None, unit: str | None, position: int, metric: Metric) -> None:
        if isinstance(part, Trouble):
            self._refuse(part.reason, part.detail, position, metric)
            return
        name = self._names.of(part.name)
        if name is None:
            self._refuse(Reason.TOO_MANY_METRICS, f"more than {MAX_NAMES} names in one channel", position, metric)
            return
        member = part.metric
        ms = member.timestamp if member.timestamp is not None else sent_ms
        try:
            t_us, flags = read_time(ms, self._received_us, None) if ms is not None else (self._received_us, 0)
        except BadTime as error:
            self._refuse(error.reason, error.detail, position, metric)
            return
        if metric.is_historical or member.is_historical:
            flags |= FLAG_BACKFILL
        if self._received_us - t_us > LATE_AFTER_US:
            flags |= FLAG_LATE
        moment = self._moment(t_us, flags, name, position)
        moment.values[name] = part.value
        quality = quality_of(member.quality if member.quality is not None else metric.quality)
        if quality:
            moment.quality[name] = quality
        told = member.unit or unit
        if told:
            code = _code_of(told)
            if code is not None:
                moment.units[name] = code

    def _moment(self, t_us: int, flags: int, name: str, position: int) -> _Moment:
        """Return where a value goes: the same metric twice at one time makes two samples, of which the first stays."""
        moments = self._moments.setdefault((t_us, flags), [])
        if not moments or name in moments[-1].values:
            moments.append(_Moment(position=position))
        return moments[-1]

    def _refuse(self, reason: Reason, detail: str, position: int, metric: Metric) -> None:
        self._lost += 1
        what = {"name": metric.name, "alias": metric.alias, "datatype": metric.datatype}
        self._problems.add(reason, detail, position, what)

    def _decoded(self) -> Decoded:
        channel = self._store.arrival.topic.device
        samples = [
            Sample(channel, t_us, moment.values, moment.quality or None, flags, moment.position, moment.units or None)
            for (t_us, flags), moments in self._moments.items()
            for moment in moments
        ]
        is_past = bool(samples) and all(sample.flags & FLAG_BACKFILL for sample in samples)
        lost = 1 if self._lost and not samples else 0
        return Decoded(
            n=len(samples) + lost,
            lane="backfill" if is_past else "live",
            samples=samples,
            problems=self._problems.all(),
            lost_samples=lost,
        )
