"""A planner's word that the normal has changed: what was learned begins anew, once, from the asset's own now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest
from sqlalchemy import select

from assets.base.errors import Conflict
from assets.base.events import Event
from assets.registry import Asset
from ml.models import ScoringState
from ml.rebaseline import approve_rebaseline
from tests.ml.stored import NOW, Machines

HOUR_S = 3600.0


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    made = Machines(database_url)
    yield made
    made.close()


def tell(machines: Machines, begin_s: float, hours: float) -> None:
    t = begin_s + np.arange(0, hours * HOUR_S, 30.0)
    luck = np.random.default_rng(int(begin_s) % 1000)
    machines.tell("P-1", t, {name: 50 + luck.normal(size=len(t)) for name in ("a", "b", "c")})


def learned(machines: Machines) -> ScoringState:
    with machines.database.as_service() as session:
        return session.scalars(select(ScoringState)).one()


def test_reference_begins_anew_after_a_planner_said_so(machines: Machines) -> None:
    machines.add("P-1", machines.add_model("pump"))
    begin = NOW.timestamp() - 20 * HOUR_S
    with machines.database.as_service() as session:
        asset = session.scalars(select(Asset)).one()
        with pytest.raises(Conflict):
            approve_rebaseline(session, asset, "nothing is known yet", NOW, by_id=None)
    tell(machines, begin, 18)
    machines.work(NOW)
    before = learned(machines)
    assert before.learning["progress"] > 0
    with machines.database.as_service() as session:
        asset = session.scalars(select(Asset)).one()
        since, again = approve_rebaseline(session, asset, "another product", NOW, by_id=None)
        assert (since, again) == (before.watermark, False), "from the asset's own now on, not from our clock's"
        assert approve_rebaseline(session, asset, "another product", NOW, by_id=None) == (since, True)
    tell(machines, begin + 18 * HOUR_S, 0.2)
    machines.work(NOW + timedelta(minutes=20))
    after = learned(machines)
    assert after.watermark > before.watermark
    assert after.learning["progress"] < before.learning["progress"], "what was learned is forgotten"
    with machines.database.as_service() as session:
        kinds = session.scalars(select(Event.kind).where(Event.kind == "asset.rebaselined")).all()
        assert kinds == ["asset.rebaselined"]
        asset = session.scalars(select(Asset)).one()
        assert approve_rebaseline(session, asset, "once more", NOW, by_id=None)[1] is False, "the first was taken up"
