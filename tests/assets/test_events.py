"""The event log is append-only, chained per subject, erasable in what is personal, and sealed."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import ProgrammingError

from assets.base.db import Database
from assets.base.events import Event, append_event, broken_links, erase_personal
from assets.base.ids import uuid7
from assets.base.seals import EventSeal, broken_seals, seal_heads
from tests.assets.conftest import NOW, Tree, actor_in


def append(session: Any, tree: Tree, subject: UUID, **more: Any) -> Event:
    """Append an event of the operator about a subject."""
    values: dict[str, Any] = {"at": NOW, "organisation_id": tree.operator.id, "subject_kind": "thing"} | more
    return append_event(session, "thing.happened", subject_id=subject, **values)


def tamper(superuser_url: str, database_url: str, statement: str) -> None:
    """Change rows as nobody but a superuser can."""
    name = database_url.rpartition("/")[2]
    with psycopg.connect(superuser_url.rpartition("/")[0] + "/" + name, autocommit=True) as connection:
        connection.execute(statement)


def test_each_subject_has_its_own_chain(database: Database, tree: Tree) -> None:
    first, second = uuid7(), uuid7()
    with database.as_service() as session:
        for number in range(3):
            append(session, tree, first, payload={"number": number})
            append(session, tree, second, payload={"number": number})
    with database.as_service() as session:
        chain = list(session.scalars(select(Event).where(Event.subject_id == first).order_by(Event.id)))
        assert chain[0].previous_hash is None
        assert [event.previous_hash for event in chain[1:]] == [event.hash for event in chain[:-1]]
        assert broken_links(session, first) == broken_links(session, second) == []


@pytest.mark.parametrize(
    "change",
    [
        """payload = '{"number": 7}'""",
        "kind = 'thing.else'",
        "at = at + interval '1 second'",
        "actor_kind = 'person'",
        "asset_id = gen_random_uuid()",
        'personal = \'{"name": "Eve"}\'',
        'personal = \'{"name": "Eve"}\', salt = NULL',
    ],
)
def test_altered_event_is_found(
    database: Database, tree: Tree, superuser_url: str, database_url: str, change: str
) -> None:
    subject = uuid7()
    with database.as_service() as session:
        events = [append(session, tree, subject, payload={"number": n}, personal={"name": "Ann"}) for n in range(3)]
        altered = events[1].id
    tamper(superuser_url, database_url, f"UPDATE events SET {change} WHERE id = {altered}")
    with database.as_service() as session:
        assert broken_links(session, subject) == [altered]


def test_removed_event_is_found(database: Database, tree: Tree, superuser_url: str, database_url: str) -> None:
    subject = uuid7()
    with database.as_service() as session:
        events = [append(session, tree, subject, payload={"number": n}).id for n in range(3)]
    tamper(superuser_url, database_url, f"DELETE FROM events WHERE id = {events[1]}")
    with database.as_service() as session:
        assert broken_links(session, subject) == [events[2]]


def test_personal_data_can_be_erased_and_the_chain_holds(database: Database, tree: Tree) -> None:
    subject = uuid7()
    with database.as_service() as session:
        append(session, tree, subject, payload={"a": 1}, personal={"name": "Ann", "phone": "+44 1"})
        append(session, tree, subject, payload={"a": 2})
    with database.as_service() as session:
        assert erase_personal(session, subject) == 1
    with database.as_service() as session:
        rows = session.execute(text("SELECT count(*) FROM events WHERE personal IS NOT NULL OR salt IS NOT NULL"))
        assert rows.scalar() == 0
        assert broken_links(session, subject) == []


@pytest.mark.parametrize("statement", ["UPDATE events SET payload = '{}'", "DELETE FROM events"])
def test_application_role_can_only_append(database: Database, tree: Tree, statement: str) -> None:
    with database.as_actor(actor_in(tree.operator)) as session:
        append(session, tree, uuid7())
    with (
        pytest.raises(ProgrammingError, match="permission denied"),
        database.as_actor(actor_in(tree.operator)) as session,
    ):
        session.execute(text(statement))


@pytest.mark.parametrize("column", ["payload = '{}'", "hash = ''", "at = now()", "kind = ''"])
def test_service_role_cannot_rewrite_what_happened(database: Database, column: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), database.as_service() as session:
        session.execute(text(f"UPDATE events SET {column}"))


def test_executor_that_sees_only_part_of_a_chain_does_not_fork_it(database: Database, tree: Tree) -> None:
    subject = uuid7()
    with database.as_service() as session:
        append(session, tree, subject, payload={"seen": False})
    with database.as_actor(actor_in(tree.partner)) as session:
        append(session, tree, subject, executing_organisation_id=tree.partner.id)
    with database.as_service() as session:
        append(session, tree, subject, payload={"seen": False})
        assert broken_links(session, subject) == []


def test_concurrent_appends_keep_the_chain_whole(database: Database, tree: Tree) -> None:
    subject, errors = uuid7(), []

    def write(number: int) -> None:
        try:
            for _ in range(5):
                with database.as_service() as session:
                    append(session, tree, subject, payload={"writer": number})
        except Exception as error:
            errors.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(6)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(30)
    assert errors == []
    with database.as_service() as session:
        chain = list(session.scalars(select(Event).where(Event.subject_id == subject)))
        assert len(chain) == 30
        assert len({event.previous_hash for event in chain}) == 30
        assert broken_links(session, subject) == []


numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"))
values = st.recursive(
    st.none() | st.booleans() | numbers | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payload=st.dictionaries(words, values, max_size=4))
def test_every_payload_verifies_after_the_database_wrote_it_its_own_way(
    database: Database, tree: Tree, payload: dict[str, Any]
) -> None:
    subject = uuid7()
    with database.as_service() as session:
        append(session, tree, subject, payload=payload, personal={"said": payload})
    with database.as_service() as session:
        assert broken_links(session, subject) == []


def test_payload_that_is_no_json_is_refused(database: Database, tree: Tree) -> None:
    with database.as_service() as session, pytest.raises(ValueError, match="JSON compliant"):
        append(session, tree, uuid7(), payload={"value": float("nan")})


def test_seal_covers_the_heads_that_moved_and_nothing_twice(database: Database, tree: Tree) -> None:
    first, second = uuid7(), uuid7()
    with database.as_service() as session:
        for subject in (first, first, second):
            append(session, tree, subject)
    with database.as_service() as session:
        seal = seal_heads(session, NOW)
        assert seal is not None
        assert seal.heads == 2
    with database.as_service() as session:
        assert seal_heads(session, NOW) is None
        append(session, tree, first)
    with database.as_service() as session:
        again = seal_heads(session, NOW + timedelta(minutes=1))
        assert again is not None
        assert (again.heads, again.previous_id) == (1, seal.id)
        assert broken_seals(session) == []


def test_seal_leaves_no_event_out_that_commits_late(database: Database, tree: Tree) -> None:
    """An old transaction appends below the ids of younger ones and commits after a seal was made."""
    late, early = uuid7(), uuid7()
    with database.as_service() as slow:
        slow.execute(text("SELECT pg_current_xact_id()"))
        append(slow, tree, late)
        with database.as_service() as quick:
            append(quick, tree, early)
        with database.as_service() as sealer:
            assert seal_heads(sealer, NOW) is None
    with database.as_service() as session:
        seal = seal_heads(session, NOW)
        assert seal is not None
        assert seal.heads == 2


def test_seal_covers_an_event_whose_older_sibling_has_a_higher_id(database: Database, tree: Tree) -> None:
    """Ids are taken in another order than transactions begin; the seal goes by transaction."""
    first, second = uuid7(), uuid7()
    with database.as_service() as old:
        old.execute(text("SELECT pg_current_xact_id()"))
        with database.as_service() as young:
            append(young, tree, first)  # the lower id in the younger transaction
            append(old, tree, second)
            old.commit()
            with database.as_service() as sealer:
                sealed = seal_heads(sealer, NOW)
                assert sealed is not None
                assert sealed.heads == 1
    with database.as_service() as session:
        seal = seal_heads(session, NOW)
        assert seal is not None
        assert seal.heads == 1


def test_rewritten_history_with_a_matching_chain_breaks_its_seal(
    database: Database, tree: Tree, superuser_url: str, database_url: str
) -> None:
    subject = uuid7()
    with database.as_service() as session:
        append(session, tree, subject, payload={"said": "true"})
    with database.as_service() as session:
        seal_heads(session, NOW)
    tamper(superuser_url, database_url, "DELETE FROM events")
    with database.as_service() as session:
        append(session, tree, subject, payload={"said": "false"})
        assert broken_links(session, subject) == []
        assert broken_seals(session) == [session.scalar(select(EventSeal.id))]
