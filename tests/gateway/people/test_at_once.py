"""Two at once: whoever comes second waits, and what may not be double is not."""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import psycopg
import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from assets.people import Person
from tests.gateway.conftest import Plant
from tests.gateway.people.helping import MONDAY
from ticketing.people.absences import AbsenceOverlap, request_absence
from ticketing.people.tables import Absence


def test_absences_asked_for_at_once_never_overlap(plant: Plant, tom: Person) -> None:
    """Whatever the order: the live ones are apart, and each asker got one or was told of the other."""
    reasons = ("vacation", "sick", "vacation", "training")
    together = Barrier(len(reasons), timeout=60)

    def ask(number: int) -> str:
        start = MONDAY + timedelta(days=number)
        together.wait()
        try:
            with plant.database.as_service() as session:
                person = session.get_one(Person, tom.id)
                request_absence(
                    session, person, datetime.now(UTC), starts_at=start, ends_at=start + timedelta(days=3),
                    reason=reasons[number],
                )  # fmt: skip
        except AbsenceOverlap as error:
            return f"refused for {len(str(error.params['overlapping']))}"
        return "kept"

    with ThreadPoolExecutor(len(reasons)) as askers:
        answers = list(askers.map(ask, range(len(reasons))))
    assert "kept" in answers
    with plant.database.as_service() as session:
        live = select(Absence).where(Absence.person_id == tom.id, Absence.state == "requested")
        rows = sorted(session.scalars(live), key=lambda each: each.starts_at)
    assert rows
    assert all(one.ends_at <= two.starts_at for one, two in itertools.pairwise(rows))


def test_the_database_itself_refuses_absences_that_overlap(plant: Plant, tom: Person) -> None:
    def absence(days: int) -> Absence:
        return Absence(
            organisation_id=plant.operator.id, person_id=tom.id, starts_at=MONDAY + timedelta(days=days),
            ends_at=MONDAY + timedelta(days=days + 2), reason="other", state="approved", created_at=MONDAY,
        )  # fmt: skip

    with pytest.raises(IntegrityError) as refused, plant.database.as_service() as session:
        session.add_all((absence(0), absence(1)))
    assert isinstance(refused.value.orig, psycopg.errors.ExclusionViolation)
    with plant.database.as_service() as session:
        session.add_all((absence(0), absence(2)))  # one ends where the other begins
    with plant.database.as_service() as session:
        assert session.scalar(select(func.count()).where(Absence.person_id == tom.id)) == 2
