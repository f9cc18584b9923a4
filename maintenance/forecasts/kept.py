"""Weekly sums of planned work, kept: marks say what changed, a job reckons those weeks anew from their rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import delete, insert, text
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.ids import uuid7
from maintenance.forecasts.part_demand import needed, tell_stock
from maintenance.forecasts.planned import Summed, sum_up
from maintenance.forecasts.tables import PlannedHours, PlannedParts
from maintenance.forecasts.weeks import WEEK

LOCK = 36_001  # one reckoning of an organisation at a time
TOGETHER = 8  # weeks in one transaction
MAX_ROUNDS = 200

# Weeks that marks are about; of a plan, machine, procedure or round the weeks of its open work.
_WEEKS = """
SELECT DISTINCT organisation_id, week FROM (
  SELECT organisation_id, week FROM forecast_marks m WHERE week IS NOT NULL AND {mine}
  UNION ALL
  SELECT o.organisation_id, (date_trunc('week', o.due_on))::date FROM occurrences o
  WHERE o.state IN ('planned', 'released') AND o.due_on IS NOT NULL AND (
    o.plan_id IN (SELECT m.plan_id FROM forecast_marks m WHERE m.plan_id IS NOT NULL AND {mine}
      UNION SELECT p.id FROM maintenance_plans p JOIN forecast_marks m ON m.procedure_id = p.procedure_id AND {mine}
      UNION SELECT k.plan_id FROM plan_packages k JOIN forecast_marks m ON m.procedure_id = k.procedure_id AND {mine}
      UNION SELECT p.id FROM maintenance_plans p JOIN forecast_marks m ON m.round_id = p.round_id AND {mine}
      UNION SELECT p.id FROM maintenance_plans p JOIN round_stops s ON s.round_id = p.round_id
        JOIN forecast_marks m ON m.procedure_id = s.procedure_id AND {mine})
    OR o.asset_id IN (SELECT m.asset_id FROM forecast_marks m WHERE m.asset_id IS NOT NULL AND {mine}))
) w ORDER BY organisation_id, week
"""
_BROAD = text(
    "SELECT EXISTS (SELECT FROM forecast_marks WHERE week IS NULL),"
    " (SELECT count(DISTINCT (organisation_id, week)) FROM forecast_marks)"
)
_STALE = text("SELECT DISTINCT organisation_id, week FROM forecast_marks WHERE week IS NOT NULL")
_BROAD_TAKEN = text(_WEEKS.format(mine="m.id = ANY(CAST(:marks AS uuid[])) AND m.week IS NULL"))
_TAKE_BROAD = text("DELETE FROM forecast_marks WHERE week IS NULL AND id = ANY(CAST(:marks AS uuid[]))")
_BROAD_MARKS = text("SELECT id FROM forecast_marks WHERE week IS NULL LIMIT 5000")
_MARK = text(
    "INSERT INTO forecast_marks (id, organisation_id, week) SELECT gen_random_uuid(), o, w"
    " FROM unnest(CAST(:organisations AS uuid[]), CAST(:weeks AS date[])) AS n(o, w)"
)
_TAKE = text("DELETE FROM forecast_marks WHERE organisation_id = :organisation AND week = ANY(CAST(:weeks AS date[]))")


def keep(database: Database, now: datetime, rounds: int = MAX_ROUNDS) -> int:
    """Reckon anew what changed since; return how many weeks that were."""
    with database.as_service() as session:
        spread_marks(session)
    done = 0
    for _ in range(rounds):
        with database.as_service() as session:
            count = keep_some(session, now)
        if not count:
            break
        done += count
    return done


def spread_marks(session: Session) -> None:
    """Turn marks of plans, machines, procedures and rounds into marks of weeks."""
    marks = list(session.scalars(_BROAD_MARKS))
    if not marks:
        return
    found = session.execute(_BROAD_TAKEN, {"marks": marks}).all()
    if found:
        session.execute(_MARK, {"organisations": [row[0] for row in found], "weeks": [row[1] for row in found]})
    session.execute(_TAKE_BROAD, {"marks": marks})


def keep_some(session: Session, now: datetime, limit: int = TOGETHER) -> int:
    """Reckon some marked weeks of one organisation anew, the nearest first; return how many."""
    stale: dict[UUID, list[date]] = defaultdict(list)
    for organisation_id, week in session.execute(_STALE):
        stale[organisation_id].append(week)
    for organisation_id, weeks in stale.items():
        taken = session.scalar(
            text("SELECT pg_try_advisory_xact_lock(:lock, hashtext(:of))"), {"lock": LOCK, "of": str(organisation_id)}
        )
        if not taken:
            continue
        chosen = sorted(weeks, key=lambda week: (week < now.date() - WEEK, abs(week - now.date())))[:limit]
        # Marks first: what commits after this is seen below, or leaves a mark of its own.
        session.execute(_TAKE, {"organisation": organisation_id, "weeks": chosen})
        with_parts: set[date] = set()
        for span in _spans(chosen):
            made = sum_up(session, span[0], span[-1] + WEEK, [organisation_id])
            write(session, organisation_id, span, made)
            with_parts |= {key[1] for key in made.parts}
        # Last, for it locks the store.
        wanted = {week: needed(session, organisation_id, week) if week in with_parts else {} for week in chosen}
        tell_stock(session, organisation_id, wanted, now)
        return len(chosen)
    return 0


def _spans(weeks: Iterable[date]) -> list[list[date]]:
    """Return weeks that follow one another together: they are read at once."""
    found: list[list[date]] = []
    for week in sorted(weeks):
        if found and week - found[-1][-1] == WEEK:
            found[-1].append(week)
        else:
            found.append([week])
    return found


def write(session: Session, organisation_id: UUID, weeks: list[date], made: Summed) -> None:
    """Put the sums of weeks in place of what was kept."""
    for table in (PlannedHours, PlannedParts):
        session.execute(delete(table).where(table.organisation_id == organisation_id, table.week.in_(weeks)))
    hours = [
        {
            "id": uuid7(), "organisation_id": key[0], "week": key[1], "site_id": key[2], "team_id": key[3],
            "skill": key[4], "level": key[5], "minutes": cell.minutes, "jobs": cell.jobs, "unknown": cell.unknown,
        }
        for key, cell in made.hours.items()
    ]  # fmt: skip
    parts = [
        {
            "id": uuid7(), "organisation_id": key[0], "week": key[1], "site_id": key[2], "part_id": key[3],
            "quantity": quantity, "jobs": jobs,
        }
        for key, (quantity, jobs) in made.parts.items()
    ]  # fmt: skip
    if hours:
        session.execute(insert(PlannedHours), hours)
    if parts:
        session.execute(insert(PlannedParts), parts)
