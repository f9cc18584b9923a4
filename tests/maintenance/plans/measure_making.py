"""Not run with the tests: `pytest -s tests/maintenance/plans/measure_making.py` tells how long making ahead takes."""

from __future__ import annotations

import os
import time

from sqlalchemy import text

from maintenance.plans.library import Package
from maintenance.plans.making import make_all
from tests.maintenance.plans.workshop import QUARTERLY, Workshop, at

MACHINES = int(os.environ.get("MACHINES", "5000"))

_FLEET = """
INSERT INTO assets (id, organisation_id, serial, name, asset_model_id, site_id, code, lifecycle, operation,
  created_at, custom, demo, version)
SELECT gen_random_uuid(), organisation_id, 'S' || n, 'Pump ' || n, asset_model_id, site_id, 'C' || n, 'in_service',
  'up', created_at - make_interval(days => n % 700), '{}', false, 1
FROM assets, generate_series(1, :n) AS n WHERE id = :pump
"""


def test_measure(workshop: Workshop) -> None:
    with workshop.database.as_service() as session:
        session.execute(text(_FLEET), {"n": MACHINES, "pump": workshop.world.pump})
        session.execute(text("UPDATE assets SET lifecycle_since = created_at"))
    began = time.monotonic()
    workshop.plan(
        at(12, 1),
        Package("3M", QUARTERLY),
        asset_model_id=workshop.world.model,
        starts="installed",
        starts_on=None,
    )
    held = time.monotonic()
    made = make_all(workshop.database, at(12, 1))
    done = time.monotonic()
    make_all(workshop.database, at(12, 1, 13))
    tick = time.monotonic()
    with workshop.database.as_service() as session:
        session.execute(text("UPDATE plan_assets SET dirty = true"))
    anew = time.monotonic()
    make_all(workshop.database, at(12, 2))
    again = time.monotonic()
    print(
        f"{made.machines} machines, {made.total('made')} occurrences: held in {held - began:.1f} s, made in"
        f" {done - held:.1f} s, idle tick {tick - done:.2f} s, again {again - anew:.1f} s"
    )
