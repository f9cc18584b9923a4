"""Many findings decided together: the same outcome, and no reading that grows with their number while they last."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.orm import Session

from assets.registry import Asset, add_asset
from maintenance.episodes import decide_pending
from maintenance.findings import save_findings
from maintenance.models import Episode, Finding
from maintenance.troubles import trouble_of
from tests.maintenance.evidence import hot_bearing
from tests.ticketing.world import NOW, World
from ticketing.models import WorkOrder


@pytest.fixture
def many(world: World) -> list[UUID]:
    """Thirty machines of the pump's kind."""
    with world.database.as_service() as session:
        pump = world.asset(session)
        made = [
            Asset(organisation_id=pump.organisation_id, serial=f"S-{n}", name=f"S-{n}", created_at=NOW,
                  asset_model_id=pump.asset_model_id, lifecycle="in_service")
            for n in range(30)
        ]  # fmt: skip
        for asset in made:
            add_asset(session, asset, NOW)
        return [asset.id for asset in made]


def save(world: World, assets: list[UUID], after_s: float) -> None:
    with world.database.as_service() as session:
        owner = world.asset(session).organisation_id
        last_at = NOW + timedelta(seconds=after_s)
        save_findings(session, owner, [hot_bearing(a, last_at=last_at) for a in assets], replayed=False, now=last_at)


def decided(world: World, after_s: float) -> tuple[int, int]:
    """How many were decided, and how many rows were asked for to do so."""
    reads: list[str] = []

    def note(conn: object, cursor: object, statement: str, *_: object) -> None:
        if statement.lstrip().startswith("SELECT"):
            reads.append(statement)

    event.listen(world.database.engine, "before_cursor_execute", note)
    try:
        with world.database.as_service() as session:
            return decide_pending(session, NOW + timedelta(seconds=after_s)), len(reads)
    finally:
        event.remove(world.database.engine, "before_cursor_execute", note)


def test_lasting_evidence_of_many_machines_is_refreshed_with_as_few_reads_as_that_of_a_few(
    world: World, many: list[UUID]
) -> None:
    save(world, many, 0)
    assert decided(world, 0)[0] == 30
    save(world, many[:3], 1)
    few = decided(world, 1)
    save(world, many, 2)
    all_of_them = decided(world, 2)
    assert (few[0], all_of_them[0]) == (3, 30)
    assert all_of_them[1] == few[1]
    with world.database.as_service() as session:
        assert session.scalar(select(func.count()).select_from(WorkOrder)) == 30
        seen = set(session.scalars(select(Episode.last_seen_at)))
        assert seen == {NOW + timedelta(seconds=2)}
        assert set(session.scalars(select(Episode.count))) == {1}


def test_one_that_cannot_be_decided_leaves_the_others_their_orders(
    world: World, many: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    def poisoned(session: Session, asset: Asset, finding: Finding) -> object:
        if asset.id == many[7]:
            raise RuntimeError("poison")
        return trouble_of(session, asset, finding)

    monkeypatch.setattr("maintenance.episodes.trouble_of", poisoned)
    save(world, many, 0)
    assert decided(world, 0)[0] == 30
    with world.database.as_service() as session:
        without = set(many) - set(session.scalars(select(WorkOrder.asset_id)))
        assert without == {many[7]}
        finding = session.scalars(select(Finding).where(Finding.asset_id == many[7])).one()
        assert (finding.decision, finding.decision_reason) == ("failed", "error")
