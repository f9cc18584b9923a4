"""What a birth certificate defines, and what a metric sent by its alias alone means."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from ingest.sparkplug.payload import Metric, Payload


class Definition(NamedTuple):
    """A metric as its birth describes it."""

    name: str
    datatype: int | None
    unit: str | None


class Birth(NamedTuple):
    """One channel's metrics: the node's own, or those of one of its devices."""

    by_alias: dict[int, Definition]
    by_name: dict[str, Definition]


NOTHING = Birth({}, {})


def read_birth(payload: Payload, known: Birth | None = None) -> Birth:
    """Return what a birth defines; the known one when it says the same, so that repeated births take no memory."""
    by_alias: dict[int, Definition] = {}
    by_name: dict[str, Definition] = {}
    for metric in payload.metrics:
        if metric.name:
            definition = Definition(metric.name, metric.datatype, metric.unit)
            by_name[metric.name] = definition
            if metric.alias is not None:
                by_alias[metric.alias] = definition
    birth = Birth(by_alias, by_name)
    return known if known == birth else birth


class Unresolved(Enum):
    """Why a metric cannot be told."""

    UNKNOWN = "no birth defines the alias"
    AMBIGUOUS = "the births before and after disagree on the alias"
    NAMELESS = "neither name nor alias"


class Lookup(NamedTuple):
    """The births that explain a message.

    A message that waited for its birth came under `before` (None: not known) or already under one that was lost. A
    node may number its metrics anew in each birth, so an alias counts only where both say the same of it.
    """

    before: Birth | None
    after: Birth | None

    def find(self, metric: Metric) -> Definition | Unresolved:
        """Return what a metric is."""
        if self.before is None and self.after is not None and not metric.name and metric.alias is not None:
            return self.after.by_alias.get(metric.alias, Unresolved.UNKNOWN)  # the usual message
        births = [birth for birth in (self.after, self.before) if birth is not None]
        if metric.name:
            found = [birth.by_name[metric.name] for birth in births if metric.name in birth.by_name]
            return found[0] if found else Definition(metric.name, None, None)
        if metric.alias is None:
            return Unresolved.NAMELESS
        found = [birth.by_alias[metric.alias] for birth in births if metric.alias in birth.by_alias]
        if not found:
            return Unresolved.UNKNOWN
        if any(each.name != found[0].name for each in found):
            return Unresolved.AMBIGUOUS
        return found[0]
