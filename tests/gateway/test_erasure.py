"""After an erasure nothing in the database names the person or customer; what was done stays, and the chain holds."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import JSON, URL, Table, Text, create_engine, make_url, select, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from assets.base.access import Role
from assets.base.db import Base, sqlalchemy_url
from assets.base.events import Event, append_event, broken_links
from assets.people import add_person
from assets.registry import Customer
from gateway.erasure.everywhere import CATALOGUE, texts_of, writable_columns
from gateway.erasure.words import words_of
from gateway.migrations.roles import HIDDEN_FROM_READER
from tests.conftest import AnyCluster
from tests.gateway.conftest import Plant

NAME, EMAIL, PHONE = "Zoë Quillfeather", "zoe@quillfeather.example", "+86 138 1234 5678"
LEAST_TABLES = 120  # so that the search below cannot become empty unseen


@pytest.mark.parametrize(
    ("said", "becomes"),
    [
        ("Zoë Quillfeather called", "X called"),
        ("zoë  quillfeather", "zoë  quillfeather"),  # the name as it is written, with any blanks
        ("Zoë\n Quillfeather", "X"),
        ("Zoë Quillfeathers", "Zoë Quillfeathers"),
        ("由Zoë Quillfeather签收", "由X签收"),
        ("Write to ZOE@quillfeather.example.", "Write to X."),
        ("not-zoe@quillfeather.example", "not-zoe@quillfeather.example"),
        ("ring +86 138-1234-5678 or 13812345678", "ring X or X"),
        ("serial 9138123456781", "serial 9138123456781"),
        ({"Zoë Quillfeather": ["x", {"by": "Zoë Quillfeather"}], "n": 13812345678}, None),
    ],
)
def test_words_are_told_from_others(said: Any, becomes: Any) -> None:
    words = words_of([NAME, "closed"], [EMAIL], [PHONE], "X")
    if isinstance(said, dict):
        becomes = {NAME: ["x", {"by": "X"}], "n": 13812345678}  # keys are the shape of a row, numbers are amounts
    assert words.clean(said) == becomes
    assert words.clean("the order is closed") == "the order is closed"


def test_chinese_names_have_no_blanks_around_them() -> None:
    assert words_of(["张伟"], [], [], "X").clean("请联系张伟处理") == "请联系X处理"


_OF_TYPE = (
    ("uuid", lambda: uuid4()),
    ("bool", lambda: False),
    ("timestamp", lambda: datetime.now(UTC)),
    ("date", lambda: datetime.now(UTC).date()),
    ("time", lambda: datetime.now(UTC).time()),
    ("bytea", lambda: b"x"),
    ("blob", lambda: b"x"),
    ("[]", lambda: []),
    ("range", lambda: []),
    ("array", lambda: []),
    ("", lambda: 1),  # numbers
)


def row_with_words(table: Table, said: str, plant: Plant, writable: set[tuple[str, str]]) -> dict[str, Any]:
    """A row with the words in every text and JSON column that the service may change, whatever it is for."""
    texts = {column.name for column in texts_of(table) if (table.name, column.name) in writable}
    texts -= (
        {"template", "subject_kind", "mail_state", "content_hash", "signature_file"}
        if table.name == "reports"
        else set()
    )
    row: dict[str, Any] = {}
    for column in table.columns:
        refers = {key.column.table.name for key in column.foreign_keys}
        if column.identity is not None or column.computed is not None:
            continue
        if column.name in texts or (isinstance(column.type, Text | JSON) and not column.nullable):
            words = said if column.name in texts else "code"
            row[column.name] = {"note": [words]} if isinstance(column.type, JSON) else words
        elif column.name in ("organisation_id", "executing_organisation_id") or "organisations" in refers:
            row[column.name] = plant.operator.id
        elif "people" in refers:
            row[column.name] = plant.ada.id
        elif not column.nullable or column.name.endswith("_to"):
            kind = column.type.compile(dialect=postgresql.dialect()).lower()
            row[column.name] = next(make() for name, make in _OF_TYPE if name in kind)
    return row


def plant_everywhere(url: URL, said: str, contact: str, plant: Plant) -> int:
    """Give every table such a row, past its checks and triggers, which are about other things; return how many."""
    apart = {"people", "organisations", "memberships", "events", "signatures", "credentials", "customers", *CATALOGUE}
    tables = [each for each in Base.metadata.sorted_tables if each.name not in apart and texts_of(each)]
    with plant.database.as_service() as session:
        writable = writable_columns(session)
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text("SET session_replication_role = replica"))
        checks = "SELECT conrelid::regclass::text, conname FROM pg_constraint WHERE contype IN ('c', 'x')"
        for owner, name in connection.execute(text(f"{checks} AND conrelid <> 0 AND NOT conislocal = false")).all():
            connection.execute(text(f'ALTER TABLE {owner} DROP CONSTRAINT "{name}"'))
        for table in tables:
            words = said if {"organisation_id", "executing_organisation_id"} & set(table.columns.keys()) else contact
            connection.execute(table.insert().values(row_with_words(table, words, plant, writable)))
    engine.dispose()
    return len(tables)


def holding(session: Session, words: tuple[str, ...]) -> dict[str, int]:
    """Count, in every table, the rows in whose text one of the words is."""
    found = {}
    for table in Base.metadata.sorted_tables:
        looks = " OR ".join(f"strpos(t::text, :w{number}) > 0" for number in range(len(words)))
        params = {f"w{number}": word for number, word in enumerate(words)}
        count = session.scalar(text(f"SELECT count(*) FROM {table.name} t WHERE {looks}"), params)
        if count:
            found[table.name] = int(count)
    return found


def test_no_table_names_a_person_after_the_erasure(plant: Plant, cluster: AnyCluster, database_url: str) -> None:
    # A unique name in every text and JSON column that takes one, then the erasure, then a search through all tables.
    now, admin = datetime.now(UTC), plant.administrator()
    said = f"{NAME}, {EMAIL}, {PHONE}"
    with plant.database.as_service() as session:
        zoe = add_person(
            session, organisation_id=plant.operator.id, name=NAME, email=EMAIL, roles=[Role.TECHNICIAN], now=now
        )
        zoe.phone = PHONE
        session.flush()
        key, subject = zoe.id, plant.operator.id
        append_event(
            session, "person.told", at=now, organisation_id=plant.operator.id, subject_kind="organisation",
            subject_id=subject, payload={"n": 1}, personal={"who": NAME},
        )  # fmt: skip
    above = make_url(sqlalchemy_url(cluster.superuser_url)).set(database=make_url(database_url).database)
    planted = plant_everywhere(above, said, f"{EMAIL} {PHONE}", plant)
    assert planted > LEAST_TABLES
    with plant.database.as_service() as session:
        assert len(holding(session, (EMAIL,))) > LEAST_TABLES
    shown = admin.get(f"/api/v1/people/{key}/erasure").json()
    assert {each["place"] for each in shown["changed"]} >= {"people", "events", "sites", "work_orders"}
    assert admin.post(f"/api/v1/people/{key}/erasure", json={"reason": "asked", "confirm": "Zoe"}).status_code == 422
    done = admin.post(f"/api/v1/people/{key}/erasure", json={"reason": f"asked by {NAME}", "confirm": NAME})
    assert done.status_code == 200, done.text
    assert done.json()["kept"] == []
    with plant.database.as_service() as session:
        assert holding(session, (NAME, EMAIL, "138 1234 5678", "Quillfeather")) == {}
        assert broken_links(session, subject) == []
        assert broken_links(session, key) == []
        erased = session.scalars(select(Event).where(Event.kind == "person.erased")).one()
        assert erased.personal == {"reason": f"asked by {done.json()['pseudonym']}"}
    gone = admin.get(f"/api/v1/people/{key}").json()
    assert (gone["name"], gone["email"], gone["roles"]) == (done.json()["pseudonym"], None, [])
    again = admin.post(f"/api/v1/people/{key}/erasure", json={"reason": "x", "confirm": gone["name"]})
    assert (again.status_code, again.json()["params"]["reason"]) == (409, "erased")


def test_every_field_hidden_from_analysts_is_looked_at_or_no_words() -> None:
    numbers = ("latitude_deg", "longitude_deg", "accuracy_m", "hash", "salt", "digest", "content", "until")
    for name, columns in HIDDEN_FROM_READER.items():
        known = {column.name for column in texts_of(Base.metadata.tables[name])}
        assert {each for each in columns - known if not each.endswith(numbers)} == set(), name


def test_a_customer_is_erased_with_what_was_merged_and_sent(plant: Plant) -> None:
    admin = plant.administrator()
    kept = admin.post("/api/v1/customers", json={"name": NAME, "phone": PHONE}).json()["id"]
    other = admin.post("/api/v1/customers", json={"name": "Z. Quillfeather", "email": EMAIL}).json()["id"]
    merged = admin.post(f"/api/v1/customers/{other}/merge", json={"into_id": kept, "reason": f"both are {NAME}"})
    assert merged.status_code in (200, 201), merged.text
    site = admin.post("/api/v1/sites", json={"name": f"{NAME}'s house", "address": "1 Elm Road", "customer_id": kept})
    asset = {"serial": "H-1", "name": "Heat pump", "customer_id": kept, "site_id": site.json()["id"]}
    machine = admin.post("/api/v1/assets", json=asset).json()["id"]
    body = {"asset_id": machine, "text": f"{NAME} hears a noise, {PHONE}", "contact": {"name": NAME, "email": EMAIL}}
    asked = admin.post("/api/v1/requests", json=body)
    assert asked.status_code == 201, asked.text
    table = f"name,phone\n{NAME},{PHONE}\n".encode()
    admin.post("/api/v1/imports", files={"file": ("customers.csv", io.BytesIO(table))}, data={"kind": "customers"})
    body = {"reason": "Art. 17", "confirm": NAME}
    done = admin.post(f"/api/v1/customers/{kept}/erasure", json=body)
    assert done.status_code == 200, done.text
    with plant.database.as_service() as session:
        # The name that somebody gave a site too: no chained fact says it.
        assert holding(session, (NAME, EMAIL, "Quillfeather", "1 Elm Road", "138 1234 5678", "13812345678")) == {}
        assert done.json()["kept"] == []
        assert {each.name for each in session.scalars(select(Customer))} == {done.json()["pseudonym"]}
        for key in (kept, other, machine):
            assert broken_links(session, UUID(key)) == []
    assert json.dumps(admin.get(f"/api/v1/assets/{machine}/timeline").json()).count("Quillfeather") == 0


def test_who_may_not_erase_and_what_is_not_erased(plant: Plant) -> None:
    admin = plant.administrator()
    tom = admin.post("/api/v1/people", json={"name": "Tom Reed", "roles": ["technician"]}).json()["id"]
    admin.post("/api/v1/people", json={"name": "Tom Reed", "roles": ["planner"]})
    path, body = f"/api/v1/people/{tom}/erasure", {"reason": "asked", "confirm": "Tom Reed"}
    for role in sorted(set(Role) - {Role.ADMINISTRATOR}):
        client = plant.client(plant.token(role=role))
        assert client.get(path).status_code == client.post(path, json=body).status_code == 403
    stranger = plant.client(plant.token(plant.stranger, Role.ADMINISTRATOR))
    assert stranger.get(path).status_code == stranger.post(path, json=body).status_code == 404
    last = admin.post(f"/api/v1/people/{plant.ada.id}/erasure", json={"reason": "x", "confirm": "Ada"})
    assert last.json()["params"]["reason"] == "last_administrator"
    stale = admin.post(path, json=body, headers={"If-Match": "77"})
    assert stale.status_code == 412
    asset = admin.post("/api/v1/assets", json={"serial": "S-1", "name": "Saw of Tom Reed"}).json()["id"]
    admin.post(f"/api/v1/assets/{asset}/moves", json={"person_id": tom})
    assert {"place": "assets", "rows": 1} in admin.get(path).json()["holds"]
    assert admin.post(path, json=body).json()["code"] == "still_holds"
    admin.post(f"/api/v1/assets/{asset}/moves", json={"place": "store"})
    shown = admin.get(path).json()
    assert shown["shared_name"] is True  # two of one name: words alone do not say which
    assert admin.post(path, json=body).status_code == 200
    assert admin.get(f"/api/v1/assets/{asset}").json()["name"] == "Saw of Tom Reed"
    assert sorted(each["name"] for each in admin.get("/api/v1/people?q=Tom").json()["items"]) == ["Tom Reed"]
