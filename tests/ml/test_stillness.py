"""A sensor that is alone in its device and freezes under fresh times is called stale, and hardly any other ever."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import psycopg
import pytest

from assets.base.db import Database
from ingest.messages import Message
from ingest.roll_call import update_presence
from ingest.writer import Writer, prepare
from ml.presence import mark_frozen
from ml.recorded_fleet import read_telemetry
from ml.standing import HISTORY, LEAST_RUN, standing_since
from ml.still_together import MOST_NUMBERS, all_standing_since
from ml.stillness import Stillness
from tests.ingest.support import add_device

_CHANCE = np.random.default_rng(34)
NOISE = (20 + _CHANCE.normal(0, 1, 400)).round(3).tolist()
COARSE = np.repeat((20 + _CHANCE.normal(0, 0.4, 300)).round(1), 6).tolist()  # a step of 0.1, six readings each
SLOPE = [*np.linspace(20, 40, 300).round(4).tolist(), *np.linspace(39.9, 20.1, 300).round(4).tolist()]
DUTY = [*(NOISE[:150]), *([0.02] * 200), *(NOISE[150:300])]


@pytest.mark.parametrize(
    ("values", "begin"),
    [
        ([*NOISE, *[20.5] * 60], 400),
        ([*NOISE, *[20.5] * (LEAST_RUN - 1)], None),
        (NOISE, None),
        ([*NOISE[:40], *[20.5] * 60], None),  # nothing known of it yet
        ([20.5] * 1000, None),
        ([], None),
        ([*[0.0, 1.0] * 5, *[1.0] * 500], None),  # a switch
        ([*([50.0] * 200), *([60.0] * 200), *([55.0] * 900)], None),  # a setpoint
        ([*COARSE, *[20.05] * 60], None),  # repeats itself always
        ([*COARSE, *[20.05] * 600], 1800),
        ([*NOISE, *[0.0] * 500], None),  # switched off
        ([*NOISE, *[0.02] * 500], None),
        ([*DUTY, *[0.02] * 300], None),  # switched off again
        ([*DUTY, *[20.5] * 300], None),  # for no longer than it was off before
        ([*NOISE, *[max(NOISE) + 1] * 500], None),  # at the end of its range
        ([*SLOPE, *[SLOPE[-1]] * 60], 599),
        ([*SLOPE, *[30.03] * 60], None),  # it leapt to where it stands, as what is switched does
        ([*np.cumsum(np.abs(NOISE)), *[sum(np.abs(NOISE))] * 500], None),  # a counter of a machine that stopped
    ],
)
def test_what_stands_still_against_its_habit_is_frozen_and_what_rests_is_not(
    values: list[float], begin: int | None
) -> None:
    assert standing_since(values) == begin


class _Lone:
    """A device with one sensor, whose readings a test sends."""

    def __init__(self, url: str, connection: psycopg.Connection) -> None:
        self.device_id = add_device(url, "L-1")
        self.connection, self.database = connection, Database(url)
        self.at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self.seq = 0
        self.stillness = Stillness()

    def send(self, values: list[float]) -> None:
        self.send_rows([{"a_celsius": value, "running": True} for value in values])

    def send_rows(self, rows: Sequence[Mapping[str, float | bool]]) -> None:
        samples = []
        for row in rows:
            self.at += timedelta(seconds=1)
            samples.append({"t": int(self.at.timestamp() * 1000), "values": dict(row)})
        body = {"boot": "b", "seq": self.seq, "n": len(samples), "samples": samples}
        self.seq += 1
        message = Message("forewarn/v1/L-1/telemetry", json.dumps(body).encode(), int(self.at.timestamp() * 1e6))
        Writer().write(self.connection, [prepare(message)])

    def look(self, stillness: Stillness | None = None) -> tuple[str, str]:
        """What the job does, and then the device's presence and its reason."""
        with self.database.as_service() as session:
            mark_frozen(session)
            (stillness or self.stillness).mark(session, self.at)
            update_presence(session, self.at)
        row = self.connection.execute("SELECT presence, presence_reason->>'code' FROM devices").fetchone()
        assert row is not None
        return row[0], row[1]


@pytest.fixture
def lone(database_url: str) -> Iterator[_Lone]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        made = _Lone(database_url, connection)
        yield made
        made.database.dispose()


def test_lone_frozen_sensor_is_stale_until_it_moves_also_over_a_restart(lone: _Lone) -> None:
    chance = random.Random(7)

    def noise(count: int) -> list[float]:
        return [round(20 + chance.gauss(0, 1), 3) for _ in range(count)]

    lone.send(noise(200))
    assert lone.look() == ("online", "reporting")
    lone.send([20.25] * 25)
    assert lone.look() == ("online", "reporting")
    for _ in range(3):
        lone.send([20.25] * 25)
        lone.look()
    assert lone.look() == ("stale", "frozen")
    (since,) = lone.connection.execute("SELECT frozen_since FROM series WHERE frozen_since IS NOT NULL").fetchall()
    assert (lone.at - since[0]) == timedelta(seconds=99)
    restarted = Stillness()
    lone.send([20.25] * 25)
    assert lone.look(restarted) == ("stale", "frozen")
    lone.send(noise(25))
    assert lone.look(restarted) == ("online", "reporting")


def test_device_that_rests_at_nothing_is_not_called_frozen(lone: _Lone) -> None:
    lone.send(NOISE)
    for _ in range(6):
        lone.send([0.0] * 30)
        assert lone.look() == ("online", "reporting")


class _Gateway(_Lone):
    """Its device has several sensors, a switch and a counter."""

    def rows(self, count: int, chance: np.random.Generator) -> list[dict[str, float | bool]]:
        return [
            {"a_celsius": round(20 + chance.normal(), 2), "b_bar": round(5 + chance.normal() / 9, 3), "set": 50.0,
             "c_mm_s": round(2 + chance.normal() / 5, 3), "starts": 12.0, "running": True}
            for _ in range(count)
        ]  # fmt: skip


@pytest.fixture
def gateway(database_url: str) -> Iterator[_Gateway]:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        made = _Gateway(database_url, connection)
        yield made
        made.database.dispose()


def test_device_all_of_whose_sensors_freeze_at_once_is_stale_until_one_moves(gateway: _Gateway) -> None:
    chance = np.random.default_rng(3)
    gateway.send_rows(gateway.rows(200, chance))
    assert gateway.look() == ("online", "reporting")
    [last] = gateway.rows(1, chance)
    for _ in range(4):
        gateway.send_rows([last] * 25)
        gateway.look()
    assert gateway.look() == ("stale", "frozen")
    assert gateway.look() == ("stale", "frozen"), "nothing takes the mark back"
    restarted = Stillness()
    gateway.send_rows([last] * 25)
    assert gateway.look(restarted) == ("stale", "frozen")
    gateway.send_rows([last | {"b_bar": 5.111}])
    gateway.send_rows(gateway.rows(25, chance))
    assert gateway.look(restarted) == ("online", "reporting")
    count = gateway.connection.execute("SELECT count(*) FROM series WHERE frozen_since IS NOT NULL").fetchone()
    assert count == (0,)


@pytest.mark.parametrize(
    "off",
    [
        {"a_celsius": 0.0, "b_bar": 0.0, "c_mm_s": 0.0},
        {"a_celsius": 20.05, "b_bar": 5.05, "c_mm_s": 0.0},
        {"running": False},
    ],
)
def test_machine_that_was_switched_off_is_not_called_frozen(gateway: _Gateway, off: dict[str, float]) -> None:
    chance = np.random.default_rng(4)
    gateway.send_rows(gateway.rows(200, chance))
    last = gateway.rows(1, chance)[0] | off
    for _ in range(6):
        gateway.send_rows([last] * 30)
        assert gateway.look() == ("online", "reporting")


_TWO = np.column_stack([NOISE, np.random.default_rng(5).normal(3, 1, 400).round(3)])
_THREE = np.column_stack([_TWO, np.linspace(1, 3, 400) + np.tile([0.0, 0.01], 200)])
_STILL = np.tile([20.5, 3.25], (90, 1))


@pytest.mark.parametrize(
    ("numbers", "modes", "begin"),
    [
        (np.vstack([_TWO, _STILL]), None, 400),
        (np.vstack([_TWO, _STILL[:20]]), None, None),
        (_TWO, None, None),
        (np.vstack([_TWO, np.column_stack([np.full(90, 20.5), _TWO[:90, 1]])]), None, None),  # one moves
        (np.vstack([_TWO, np.column_stack([np.full(90, 20.5), [*_TWO[:40, 1], *[3.25] * 50]])]), None, None),
        (np.vstack([_TWO, _STILL * [1, 0]]), None, None),  # one is at nothing
        (np.vstack([_TWO, _STILL * [1, 9]]), None, None),  # or beyond its range
        (np.vstack([_TWO, _STILL]), [1.0] * 490, 400),
        (np.vstack([_TWO, _STILL]), [*[1.0] * 399, *[0.0] * 91], None),  # it rests in this mode
        (np.vstack([_TWO, _STILL]), [*[0.0] * 200, *[1.0] * 290], 400),  # in which it moved
        (np.vstack([_TWO, _STILL]), [*[1.0] * 450, *[0.0] * 40], None),  # something is told
        (np.vstack([_THREE, np.tile([20.5, 3.25, _THREE[-1, 2]], (90, 1))]), None, 400),  # one stopped at its highest
        (np.vstack([_TWO, np.tile([20.5, max(_TWO[:, 1]) + 0.01], (90, 1))]), None, None),  # so did one of two
        (np.vstack([_TWO, _STILL])[:, :1], None, None),  # of one number: see above
    ],
)
def test_all_stand_still_against_their_habit_from_one_moment(
    numbers: np.ndarray, modes: list[float] | None, begin: int | None
) -> None:
    others = np.zeros((len(numbers), 0)) if modes is None else np.array(modes)[:, None]
    assert all_standing_since(numbers, others) == begin


@pytest.mark.fleet
@pytest.mark.parametrize(
    ("fleet", "frozen"),
    [
        ("nab", {"art_daily_flatmiddle"}),  # which is what its label says
        ("machine_temperature", set()),
        ("skab", set()),
        ("wells", {"well-05"}),  # hours of 64.69 °C beside sensors that move
        ("bearings_ims", set()),
        ("bearings_femto", set()),
    ],
)
def test_hardly_any_recorded_sensor_would_be_called_frozen_if_it_were_alone(
    fleets: Path, fleet: str, frozen: set[str]
) -> None:
    called = set()
    for file in sorted((fleets / fleet / "telemetry").glob("*.csv.gz")):
        _, _, table = read_telemetry(file)
        for column in table.columns:
            values = table[column].to_numpy(dtype=float, na_value=np.nan)
            values = values[np.isfinite(values)]
            ends = np.append(np.flatnonzero(np.diff(values) != 0), len(values) - 1) + 1
            begins = np.append(0, ends[:-1])
            for end in ends[ends - begins >= LEAST_RUN]:
                if standing_since(values[max(0, end - HISTORY) : end]) is not None:
                    called.add(file.name.partition(".")[0])
    assert called <= frozen


@pytest.mark.fleet
@pytest.mark.parametrize("fleet", ["skab", "wells", "bearings_femto"])
def test_no_recorded_machine_would_be_called_frozen_as_a_whole(fleets: Path, fleet: str) -> None:
    """Neither with all its sensors nor with any two of them."""
    for file in sorted((fleets / fleet / "telemetry").glob("*.csv.gz")):
        _, _, table = read_telemetry(file)
        values = table.select_dtypes("number").to_numpy(dtype=float, na_value=np.nan)
        many = values.shape[1]
        for chosen in ([*range(min(many, MOST_NUMBERS))], *([i, j] for i in range(many) for j in range(i))):
            rows = values[:, chosen]
            rows = rows[np.isfinite(rows).all(axis=1)]
            ends = np.append(np.flatnonzero((np.diff(rows, axis=0) != 0).any(axis=1)), len(rows) - 1) + 1
            begins = np.append(0, ends[:-1])
            for end in ends[ends - begins >= LEAST_RUN]:
                part = rows[max(0, end - HISTORY) : end]
                assert all_standing_since(part, np.zeros((len(part), 0))) is None, (file.name, chosen, end)
