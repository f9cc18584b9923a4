"""What planned work needs: minutes by skill and parts, from procedures' norms, else from durations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from maintenance.plans.tables import RoundStop

ANY = "any"  # the skill of work that asks for none
LOWEST = 1

# to_jsonb: a version without norms is one with none.
_NORMS = text("""
SELECT v.procedure_id, to_jsonb(v) -> 'norms' AS norms FROM procedure_versions v
JOIN procedures p ON p.id = v.procedure_id
WHERE v.procedure_id = ANY(CAST(:keys AS uuid[])) AND v.state = 'published' AND p.retired_at IS NULL
""")


@dataclass(frozen=True, slots=True)
class Norm:
    """What one procedure needs: (skill, level) -> minutes of all people, part -> quantity."""

    labour: Mapping[tuple[str, int], int] = field(default_factory=dict)
    parts: Mapping[UUID, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Stop:
    """A machine on a round: its procedure (else the plan's) and how long it takes."""

    procedure_id: UUID | None
    minutes: int | None


@dataclass(frozen=True, slots=True)
class Work:
    """What decides on the need of an occurrence. `packages`: (procedure, minutes) of each that is done."""

    skills: tuple[tuple[str, int], ...]
    duration_minutes: int | None
    procedure_id: UUID | None
    round_id: UUID | None
    packages: tuple[tuple[UUID | None, int | None], ...]


@dataclass(frozen=True, slots=True)
class Need:
    """Minutes by (skill, level) and parts; `unknown`: nobody said how long something of it takes."""

    labour: Mapping[tuple[str, int], int]
    parts: Mapping[UUID, Decimal]
    unknown: bool


def need_of(work: Work, norms: Mapping[UUID, Norm], stops: Mapping[UUID, Sequence[Stop]]) -> Need:
    """Return what a piece of planned work needs.

    Each procedure that will be attached counts with its norms; one without norms with the minutes of its package or
    stop. Where nothing says how long, the plan's own duration counts once, under the plan's strongest skill.
    """
    labour: dict[tuple[str, int], int] = defaultdict(int)
    parts: dict[UUID, Decimal] = defaultdict(Decimal)
    strongest = max(work.skills, key=lambda each: each[1]) if work.skills else (ANY, LOWEST)
    silent = 0  # pieces that nobody gave a time
    pieces = _pieces(work, stops)
    for procedure_id, minutes in pieces:
        norm = norms.get(procedure_id) if procedure_id is not None else None
        if norm is not None:
            for part, quantity in norm.parts.items():
                parts[part] += quantity
        if norm is not None and norm.labour:
            for key, spent in norm.labour.items():
                labour[key] += spent
        elif minutes:
            labour[strongest] += minutes
        else:
            silent += 1
    unknown = False
    if silent == len(pieces) and work.duration_minutes:
        labour[strongest] += work.duration_minutes
    elif silent:
        unknown = True
    if unknown and not labour:
        labour[strongest] += 0
    return Need(dict(labour), dict(parts), unknown)


def _pieces(work: Work, stops: Mapping[UUID, Sequence[Stop]]) -> list[tuple[UUID | None, int | None]]:
    if work.round_id is not None:
        found = stops.get(work.round_id, ())
        return [(each.procedure_id or work.procedure_id, each.minutes) for each in found] or [(None, None)]
    own = [each for each in work.packages if each[0] is not None or each[1]]
    if not any(procedure is not None for procedure, _ in own):
        # No package has a procedure of its own: the plan's is attached once.
        minutes = sum(spent or 0 for _, spent in own) or None
        return [(work.procedure_id, minutes)]
    # A procedure that several packages name is attached once.
    kept: dict[Any, tuple[UUID | None, int | None]] = {}
    for place, each in enumerate(own):
        kept.setdefault(each[0] or place, each)
    return list(kept.values())


def read_norm(told: Any) -> Norm:
    """Return stored norms; what cannot be read counts for nothing."""
    labour: dict[tuple[str, int], int] = defaultdict(int)
    parts: dict[UUID, Decimal] = defaultdict(Decimal)
    norms = told if isinstance(told, Mapping) else {}
    for each in norms.get("labour") or ():
        minutes = int(each.get("minutes") or 0) * int(each.get("people") or 1)
        if minutes > 0:
            labour[(each.get("skill") or ANY, int(each.get("level") or LOWEST))] += minutes
    for each in norms.get("parts") or ():
        quantity = Decimal(str(each.get("quantity") or 0))
        if quantity > 0 and each.get("part_id"):
            parts[UUID(str(each["part_id"]))] += quantity
    return Norm(dict(labour), dict(parts))


def read_work(row: Any) -> Work:
    """Return what a row of the query of planned work says."""
    skills = tuple((str(each["skill"]), int(each.get("level") or LOWEST)) for each in row.skills or ())
    packages = tuple((UUID(procedure) if procedure else None, minutes) for procedure, minutes in (row.packs or ()))
    return Work(skills, row.duration_minutes, row.procedure_id, row.round_id, packages)


@dataclass
class Rules:
    """Norms and rounds that were read, so that each is read once."""

    norms: dict[UUID, Norm] = field(default_factory=dict)
    stops: dict[UUID, list[Stop]] = field(default_factory=dict)
    _needs: dict[Work, Need] = field(default_factory=dict)
    _seen: set[UUID] = field(default_factory=set)

    def load(self, session: Session, works: Iterable[Work]) -> None:
        """Read what these pieces of work refer to."""
        held = list(works)
        rounds = {each.round_id for each in held if each.round_id is not None} - self.stops.keys()
        for stop in session.scalars(
            select(RoundStop).where(RoundStop.round_id.in_(rounds)).order_by(RoundStop.position)
        ):
            self.stops.setdefault(stop.round_id, []).append(Stop(stop.procedure_id, stop.minutes))
        wanted = {each.procedure_id for each in held} | {key for each in held for key, _ in each.packages}
        wanted |= {stop.procedure_id for each in self.stops.values() for stop in each}
        keys = {key for key in wanted if key is not None} - self._seen
        if keys:
            for key, norms in session.execute(_NORMS, {"keys": list(keys)}):
                self.norms[key] = read_norm(norms)
        self._seen |= keys

    def need(self, work: Work) -> Need:
        """Return what a piece of work needs; `load` was called with it before."""
        found = self._needs.get(work)
        if found is None:
            found = self._needs[work] = need_of(work, self.norms, self.stops)
        return found
