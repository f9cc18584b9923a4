from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from ml.evaluation import stamp
from tests.ml.recorded import START, onset_fleet, table, telemetry
from tests.ml.replaying import Orders, evaluated, replayed


def onsets(orders: Orders) -> list[tuple[str, str]]:
    return [(asset, kind) for asset, kind, _ in orders]


def assert_same_orders(one: Orders, other: Orders) -> None:
    """The same orders, those of machines opened on the same row or the next: what an asset is forgiven fades with
    the time, of which a replay leaves out the gaps.

    How long a sensor stood still is told once per block, and blocks are cut elsewhere.
    """
    assert onsets(one) == onsets(other)
    apart = [b - a for (_, kind, a), (_, _, b) in zip(one, other, strict=True) if kind == "machine"]
    assert max(map(abs, apart), default=0.0) <= 10, (one, other)


def fleet_of_runs(folder: Path) -> Path:
    """One rig in three runs, weeks apart, each vouched for and each somewhere else; a fault in each, one frozen sensor.

    The second run is long, so that the third's gap is shorter than it once it is shortened.
    """
    onset_fleet(folder, assets=1, rows=10)
    rng = np.random.default_rng(3)
    times, values, runs, faults = [], [], [], []
    for number, (begin, rows, level) in enumerate([(0, 500, 50.0), (3e6, 1500, 80.0), (5e6, 600, 20.0)]):
        t = START + begin + 10.0 * np.arange(rows)
        x = level + rng.normal(size=(rows, 3))
        x[rows - 300 : rows - 150, number] += 30
        if number == 1:
            x[400:, 0] = x[400, 0]
        times.append(t)
        values.append(x)
        runs.append(("a0", f"r{number}", stamp(t[0]), stamp(t[-1]), stamp(t[0] + 600), stamp(t[0] + 600)))
        faults.append(("a0", stamp(t[rows - 300]), "", "", stamp(t[rows - 140]), "step"))
    telemetry(folder, "a0", np.concatenate(times), np.concatenate(values))
    table(folder / "runs.csv", "asset,run,observed_from,observed_until,healthy_until,score_from", runs)
    table(folder / "incidents.csv", "asset,onset,established,failed,repaired,kind", faults)
    return folder


@pytest.mark.parametrize("batches_per_round", [1, 100])
def test_replay_opens_the_orders_of_the_evaluation(database_url: str, tmp_path: Path, batches_per_round: int) -> None:
    folder = onset_fleet(tmp_path / "fleet")
    expected = evaluated(folder, tmp_path / "out")
    assert onsets(expected) == [("a0", "machine"), ("a1", "machine")]
    assert_same_orders(expected, replayed(database_url, folder, tmp_path / "spool", batches_per_round))


def test_a_run_after_a_shortened_gap_is_a_new_start_in_both(database_url: str, tmp_path: Path) -> None:
    folder = fleet_of_runs(tmp_path / "fleet")
    expected = evaluated(folder, tmp_path / "out")
    assert onsets(expected) == [("a0", "machine")] * 3 + [("a0", "sensor")]
    assert_same_orders(expected, replayed(database_url, folder, tmp_path / "spool"))


@pytest.mark.fleet
def test_replay_of_real_wells_opens_the_orders_of_the_evaluation(
    database_url: str, tmp_path: Path, fleets: Path
) -> None:
    folder, wells = tmp_path / "wells", {"well-11", "well-12", "well-16"}
    (folder / "telemetry").mkdir(parents=True)
    (folder / "fleet.json").write_text((fleets / "wells" / "fleet.json").read_text())
    for name in ("assets", "runs", "incidents"):
        with (fleets / "wells" / f"{name}.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        table(folder / f"{name}.csv", ",".join(header), [row for row in rows if row[0] in wells])
    for well in wells:
        (folder / "telemetry" / f"{well}.csv.gz").symlink_to(
            (fleets / "wells" / "telemetry" / f"{well}.csv.gz").resolve()
        )
    expected = evaluated(folder, tmp_path / "out")
    assert len(expected) >= 15
    assert_same_orders(expected, replayed(database_url, folder, tmp_path / "spool"))
