"""Consumers handle every event once in effect, in order, and never lose their place."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session

from assets.base.consumers import BATCH, TRIES, Consumer, ConsumerCursor, ConsumerFailure, register, run_consumer
from assets.base.db import Database
from assets.base.events import Event, append_event
from assets.base.ids import uuid7
from assets.people import Organisation
from assets.registry import Customer
from tests.assets.conftest import NOW, Tree

KIND = "thing.happened"


def happen(session: Session, tree: Tree, number: int, kind: str = KIND) -> None:
    """Append a numbered event about a new subject."""
    append_event(
        session,
        kind,
        at=NOW,
        organisation_id=tree.operator.id,
        subject_kind="thing",
        subject_id=uuid7(),
        payload={"number": number},
    )


class Recorder:
    """A consumer that writes a row per event, so that its effect is in the transaction."""

    def __init__(self, owner: UUID) -> None:
        self.owner = owner
        self.poisoned: set[int] = set()
        self.calls = 0
        self.consumer = Consumer("test.recorder", frozenset({KIND}), self.handle)

    def handle(self, session: Session, event: Event, now: datetime) -> None:
        self.calls += 1
        number = event.payload["number"]
        session.add(Customer(organisation_id=self.owner, number=str(number), name=str(event.id)))
        session.flush()
        if number in self.poisoned:
            session.execute(text("SELECT 1/0"))

    def effects(self, database: Database) -> list[int]:
        """The numbers handled, in the order of handling."""
        with database.as_service() as session:
            return [int(c.number) for c in session.scalars(select(Customer).order_by(Customer.id))]


@pytest.fixture
def recorder(tree: Tree) -> Recorder:
    return Recorder(tree.operator.id)


def test_events_are_handled_in_order_and_once_though_run_twice(
    database: Database, tree: Tree, recorder: Recorder
) -> None:
    with database.as_service() as session:
        for number in range(5):
            happen(session, tree, number)
            happen(session, tree, 100 + number, kind="thing.else")
    assert run_consumer(database, recorder.consumer, NOW) == 5
    assert run_consumer(database, recorder.consumer, NOW) == 0
    assert recorder.effects(database) == [0, 1, 2, 3, 4]


def test_one_run_handles_one_batch_at_most(database: Database, tree: Tree) -> None:
    seen: list[int] = []
    consumer = Consumer("test.counter", frozenset({KIND}), lambda session, event, now: seen.append(event.id))
    with database.as_service() as session:
        for number in range(BATCH + 3):
            happen(session, tree, number)
    assert run_consumer(database, consumer, NOW) == BATCH
    assert run_consumer(database, consumer, NOW) == 3
    assert seen == sorted(seen)


def test_no_event_is_skipped_while_an_older_transaction_is_open(
    database: Database, tree: Tree, recorder: Recorder
) -> None:
    with database.as_service() as old:
        happen(old, tree, 1)  # the older transaction, not yet committed
        with database.as_service() as young:
            happen(young, tree, 2)
        assert run_consumer(database, recorder.consumer, NOW) == 0
    assert run_consumer(database, recorder.consumer, NOW) == 2
    assert recorder.effects(database) == [1, 2]


def test_event_of_an_older_transaction_with_a_higher_id_is_not_skipped(
    database: Database, tree: Tree, recorder: Recorder
) -> None:
    with database.as_service() as old:
        old.execute(text("SELECT pg_current_xact_id()"))
        with database.as_service() as young:
            happen(young, tree, 2)
        happen(old, tree, 1)
    assert run_consumer(database, recorder.consumer, NOW) == 2
    assert recorder.effects(database) == [1, 2]


def test_poisoned_event_is_set_aside_after_five_tries_and_the_rest_goes_on(
    database: Database, tree: Tree, recorder: Recorder
) -> None:
    with database.as_service() as session:
        for number in range(4):
            happen(session, tree, number)
    recorder.poisoned = {1}
    handled = [run_consumer(database, recorder.consumer, NOW) for _ in range(TRIES + 1)]
    assert handled == [1, 0, 0, 0, 0, 2]
    assert recorder.effects(database) == [0, 2, 3]
    with database.as_service() as session:
        [failure] = session.scalars(select(ConsumerFailure))
        assert "division by zero" in failure.error
        assert failure.consumer == "test.recorder"
        cursor = session.get(ConsumerCursor, "test.recorder")
        assert cursor is not None
        assert cursor.failures == 0


def test_event_that_fails_for_a_while_is_handled_in_its_place(
    database: Database, tree: Tree, recorder: Recorder
) -> None:
    with database.as_service() as session:
        for number in range(3):
            happen(session, tree, number)
    recorder.poisoned = {0}
    assert run_consumer(database, recorder.consumer, NOW) == 0
    recorder.poisoned = set()
    assert run_consumer(database, recorder.consumer, NOW) == 3
    assert recorder.effects(database) == [0, 1, 2]


def test_crash_between_handling_and_commit_repeats_harmlessly(
    database: Database, tree: Tree, recorder: Recorder
) -> None:
    with database.as_service() as session:
        for number in range(3):
            happen(session, tree, number)

    class Crash(BaseException):
        """The process dies: nothing is caught, nothing is committed."""

    def crash(session: Session, event: Event, now: datetime) -> None:
        recorder.handle(session, event, now)
        if event.payload["number"] == 2:
            raise Crash

    with pytest.raises(Crash):
        run_consumer(database, Consumer(recorder.consumer.name, frozenset({KIND}), crash), NOW)
    assert recorder.effects(database) == []
    assert run_consumer(database, recorder.consumer, NOW) == 3
    assert recorder.effects(database) == [0, 1, 2]
    assert recorder.calls == 6


def test_database_that_goes_away_is_no_try(database: Database, tree: Tree, recorder: Recorder) -> None:
    with database.as_service() as session:
        happen(session, tree, 1)

    def lose(session: Session, event: Event, now: datetime) -> None:
        session.execute(text("RESET ROLE"))
        session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(Exception, match="terminat"):
        run_consumer(database, Consumer(recorder.consumer.name, frozenset({KIND}), lose), NOW)
    assert run_consumer(database, recorder.consumer, NOW) == 1
    assert recorder.effects(database) == [1]


def test_consumers_keep_separate_places(database: Database, tree: Tree, recorder: Recorder) -> None:
    seen: list[int] = []
    other = Consumer("test.other", frozenset({KIND}), lambda session, event, now: seen.append(event.id))
    with database.as_service() as session:
        happen(session, tree, 1)
    assert run_consumer(database, recorder.consumer, NOW) == 1
    assert run_consumer(database, other, NOW) == 1
    assert len(seen) == 1


def test_handler_sees_every_organisation(database: Database, tree: Tree) -> None:
    names: list[str] = []

    def look(session: Session, event: Event, now: datetime) -> None:
        names.extend(session.scalars(select(Organisation.name).order_by(Organisation.name)))

    with database.as_service() as session:
        happen(session, tree, 1)
    run_consumer(database, Consumer("test.look", frozenset({KIND}), look), NOW)
    assert names == ["Customer", "Operator", "Partner", "Stranger"]


def test_on_a_system_with_a_past_who_tells_people_begins_now_and_who_derives_state_with_the_first_event(
    database: Database, tree: Tree, recorder: Recorder
) -> None:
    told: list[int] = []

    def tell(session: Session, event: Event, now: datetime) -> None:
        told.append(event.payload["number"])

    teller = Consumer("test.teller", frozenset({KIND}), tell, starts="now")
    with database.as_service() as session:
        happen(session, tree, 1)
        session.add(ConsumerCursor(name="test.older"))
    with database.as_service() as old:
        happen(old, tree, 2)  # begun before, committed after: still news
        with database.as_service() as session:
            assert register(session, [teller, recorder.consumer]) == ["test.teller", "test.recorder"]
    with database.as_service() as session:
        happen(session, tree, 3)
        assert register(session, [teller, recorder.consumer]) == []
    assert run_consumer(database, teller, NOW) == 2
    assert run_consumer(database, recorder.consumer, NOW) == 3
    assert (told, recorder.effects(database)) == ([2, 3], [1, 2, 3])


def test_on_a_new_system_everybody_begins_with_the_first_event(database: Database, tree: Tree) -> None:
    told: list[int] = []
    teller = Consumer("test.teller", frozenset({KIND}), lambda session, event, now: told.append(event.id), starts="now")
    with database.as_service() as session:
        happen(session, tree, 1)
        assert register(session, [teller]) == ["test.teller"]
    assert run_consumer(database, teller, NOW) == 1
    assert len(told) == 1


def test_those_who_send_something_begin_now() -> None:
    from gateway.wiring import CONSUMERS

    now = {consumer.name for consumer in CONSUMERS if consumer.starts == "now"}
    assert now >= {"notify.rules", "notify.webhooks", "ticketing.mail", "ticketing.reports", "ticketing.dispatch"}
    assert now.isdisjoint({"ticketing.sla", "ticketing.requests", "ticketing.cases", "ml.labels"})
