"""A burst of a fast sensor becomes readings, and a bearing that is struck becomes a finding."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select, text

from assets.base.events import Event
from gateway.jobs import forget_old_bursts
from ingest.burst_models import READ, REFUSED, WAITING, Burst
from ingest.bursts import KEEP_CONTENT, forget_bursts, receive_burst
from ingest.models import Device
from ml.bursts import features_by_metric, read_bursts
from ml.detectors import plain
from ml.models import ScoringState
from ml.worker import Scorer
from tests.ml.stored import NOW, Machines
from tests.ml.test_vibration import BEARING, HZ

SPEED = 25.0
N = 2048
STEP_S = 600.0
GEOMETRY = {
    "elements": 16,
    "element_diameter": 8.4,
    "pitch_diameter": 71.5,
    "contact_angle_degrees": 15.17,
}
OUTER_HZ = BEARING.rates()["outer_race"] * SPEED


@pytest.fixture
def machines(database_url: str) -> Iterator[Machines]:
    machines = Machines(database_url)
    yield machines
    machines.close()


def shaken(strength: float, seed: int) -> np.ndarray:
    """Noise and the shaft's own turn; a resonance at 6 kHz that the outer race strikes, with lots of slip."""
    lots = np.random.default_rng(seed)
    t = np.arange(N) / HZ
    x = 0.05 * lots.normal(size=N) + 0.03 * np.sin(2 * np.pi * SPEED * t + lots.uniform(0, 6))
    since = (t + lots.uniform(0, 1)) % (1 / OUTER_HZ)
    return np.asarray(x + strength * np.exp(-since * 1500) * np.sin(2 * np.pi * 6000 * since))


def burst(t: float, x: np.ndarray, **more: Any) -> bytes:
    counts = np.round(x / 0.001).astype("<i2")
    body = {"t": round(t * 1000), "hz": HZ, "unit": "g", "point": "drive_end", "type": "int16", "scale": 0.001}
    return json.dumps(body | {"data": base64.b64encode(counts.tobytes()).decode()} | more).encode()


def send(machines: Machines, serial: str, *payloads: bytes, at: Any = NOW) -> list[Any]:
    with machines.database.as_service() as session:
        device = session.scalars(select(Device).where(Device.serial == serial)).one()
        return [receive_burst(session, device, each, int(at.timestamp() * 1e6)).problems for each in payloads]


def read(machines: Machines) -> int:
    total = 0
    while True:
        with machines.database.as_service() as session:
            done = read_bursts(session, NOW)
        if not done:
            return total
        total += done


def values(machines: Machines, metric: str) -> list[float]:
    with machines.database.as_service() as session:
        found = text(
            "SELECT s.values[e.slot] FROM samples s JOIN series e ON e.stream_id = s.stream_id"
            " WHERE e.metric = :m ORDER BY s.measured_at"
        )
        return [row[0] for row in session.execute(found, {"m": metric})]


def test_a_struck_bearing_is_found_from_its_bursts_alone(machines: Machines) -> None:
    """000-21: nobody set a limit; learned from healthy bursts, then the outer race begins to be struck."""
    model = machines.add_model("motor", {"drive_end": {"bearing": GEOMETRY, "speed_hz": SPEED}})
    machines.add("M-1", model)
    machines.add("M-2", model)
    healthy, ill = 70, 8
    begin = NOW.timestamp() - (healthy + ill) * STEP_S
    for serial, grows in (("M-1", 0.06), ("M-2", 0.0)):
        seeds = range(healthy + ill)
        strength = [max(0, i - healthy + 1) * grows for i in seeds]
        first = 1000 if grows else 2000
        waves = [burst(begin + i * STEP_S, shaken(strength[i], first + i)) for i in seeds]
        assert not any(send(machines, serial, *waves))
    assert read(machines) == 2 * (healthy + ill)
    machines.work(NOW)
    machines.work(NOW + timedelta(minutes=3))
    found = [each for each in machines.findings() if each.kind == "machine"]
    assert {each.asset_id for each in found} == {machines.ids["M-1"]}
    assert min(each.first_at for each in found).timestamp() >= begin + healthy * STEP_S
    named = {share["metric"] for each in found for share in each.contributions}
    assert all(name.startswith("drive_end_") for name in named)
    assert {order.asset_id for order in machines.orders()} == {machines.ids["M-1"]}


@pytest.mark.parametrize("crashes", [False, True])
def test_a_struck_bearing_is_found_beside_readings_each_second(machines: Machines, crashes: bool) -> None:
    """000-21: bursts come behind the machine's ordinary readings and in few of its rows; each is scored once, also
    where the scorer dies between them and begins again with what it stored."""
    model = machines.add_model("motor", {"drive_end": {"bearing": GEOMETRY, "speed_hz": SPEED}})
    machines.add("M-1", model)
    healthy, ill, every = 70, 4, 12.0
    begin = NOW.timestamp() - (healthy + ill) * every
    lots = np.random.default_rng(4)
    told = 0

    def tell(bursts: int) -> None:
        """Readings each second up to the end of these bursts, then, some seconds late, the bursts themselves."""
        nonlocal told
        t = begin + np.arange(int(told * every), int((told + bursts) * every), dtype=float)
        columns = {"power_kw": 5 + 0.1 * lots.normal(size=len(t)), "speed_rpm": 1500 + lots.normal(size=len(t))}
        machines.tell("M-1", t, columns)
        at = NOW + timedelta(seconds=(told + bursts - healthy - ill) * every)
        machines.work(at)
        strength = [max(0, i - healthy + 1) * 0.2 for i in range(told, told + bursts)]
        waves = [
            burst(begin + (told + i) * every + 1.4, shaken(own, 3000 + told + i)) for i, own in enumerate(strength)
        ]
        assert not any(send(machines, "M-1", *waves, at=at))
        assert read(machines) == bursts
        machines.work(at)
        if crashes:
            machines.scorer = Scorer(machines.database)
        told += bursts

    for bursts in (14, 14, 14, 14, 14, *[1] * ill):
        tell(bursts)
    machines.work(NOW + timedelta(minutes=1))
    machines.work(NOW + timedelta(minutes=3))
    found = [each for each in machines.findings() if each.kind == "machine"]
    assert found
    assert min(each.first_at for each in found).timestamp() >= begin + healthy * every
    named = {share["metric"] for each in found for share in each.contributions}
    assert all(name.startswith("drive_end_") for name in named)
    assert [order.asset_id for order in machines.orders()] == [machines.ids["M-1"]]
    told += 1
    machines.tell("M-1", np.array([begin + told * every]), {"power_kw": np.array([5.0])})
    machines.work(NOW + timedelta(minutes=4))
    with machines.database.as_service() as session:
        state = plain.unpack(session.scalars(select(ScoringState.state)).one())
    [part] = state["parts"]
    assert part["rows"] == healthy + ill
    assert all(name.startswith("drive_end_") for name in part["metrics"])


def test_features_stand_at_the_bursts_time_and_a_repeat_changes_nothing(machines: Machines) -> None:
    model = machines.add_model("motor", {"drive_end": {"bearing": GEOMETRY, "speed_metric": "speed_rpm"}})
    machines.add("M-1", model)
    t = NOW.timestamp() - 60
    machines.tell("M-1", np.array([t - 5]), {"speed_rpm": np.array([SPEED * 60])})
    one = burst(t, shaken(0.4, 1))
    assert send(machines, "M-1", one, one) == [[], []]
    assert read(machines) == 1
    assert values(machines, "drive_end_speed_hz")[-1] == pytest.approx(SPEED)
    assert values(machines, "drive_end_defect_outer_race")[-1] > 2 * values(machines, "drive_end_defect_inner_race")[-1]
    send(machines, "M-1", one)
    with machines.database.as_service() as session:  # as after a crash between the readings and the mark
        session.execute(text("UPDATE bursts SET state = 'waiting'"))
    assert read(machines) == 1
    with machines.database.as_service() as session:
        assert session.scalars(select(Burst.state)).all() == [READ]
        row = session.execute(
            text("SELECT count(*), max(s.measured_at) FROM samples s JOIN streams t ON t.id = s.stream_id")
        ).one()
        assert row[0] == 2
        assert row[1].timestamp() == pytest.approx(round(t * 1000) / 1000)
        unit = session.scalar(text("SELECT unit FROM series WHERE metric = 'drive_end_rms_g'"))
        assert unit == "[g]"


def test_what_was_read_is_forgotten_in_time_and_its_features_stay(
    machines: Machines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.bursts.FORGET_AT_ONCE", 1)  # however many there are, in rounds
    machines.add("M-1", machines.add_model("motor"))
    send(machines, "M-1", burst(NOW.timestamp() - 60, shaken(0.0, 1)), burst(NOW.timestamp() - 30, shaken(0.0, 2)))
    later = NOW + KEEP_CONTENT + timedelta(days=1)
    with machines.database.as_service() as session:
        assert forget_bursts(session, later) == 0  # they wait
    read(machines)
    forget_old_bursts(machines.database, later)
    with machines.database.as_service() as session:
        assert session.scalars(select(Burst.content)).all() == [None, None]
    assert len(values(machines, "drive_end_rms_g")) == 2


def test_what_cannot_be_read_says_why_and_the_next_one_is_read(machines: Machines) -> None:
    machines.add("M-1", machines.add_model("motor"))
    send(machines, "M-1", burst(NOW.timestamp() - 60, shaken(0.0, 1)), burst(NOW.timestamp() - 30, shaken(0.0, 2)))
    with machines.database.as_service() as session:
        session.execute(
            text("UPDATE bursts SET content = NULL WHERE id = (SELECT id FROM bursts ORDER BY started_at LIMIT 1)")
        )
    assert read(machines) == 2
    with machines.database.as_service() as session:
        states = session.execute(select(Burst.state, Burst.reason).order_by(Burst.started_at)).all()
        assert states == [(REFUSED, {"code": "content_gone", "params": {}}), (READ, None)]
        told = session.scalars(select(Event).where(Event.kind == "burst.refused")).one()
        assert told.payload["reason"] == "content_gone"
        assert session.scalar(select(Burst.id).where(Burst.state == WAITING)) is None


def test_other_signals_keep_their_unit_and_a_dead_sensor_has_no_shape() -> None:
    from ingest.formats.waveform import read_waveform

    t = NOW.timestamp()
    body = {"t": t * 1000, "hz": 5000, "unit": "A", "point": "phase_a", "samples": [0.0, 1.0] * 200}
    found, units = features_by_metric(read_waveform(json.dumps(body).encode(), "D", int(t * 1e6)), None, None)
    assert found["phase_a_rms"] == pytest.approx(0.5)
    assert units["phase_a_rms"] == "A"
    body |= {"samples": [3.0] * 300, "unit": "m/s²"}
    found, _ = features_by_metric(read_waveform(json.dumps(body).encode(), "D", int(t * 1e6)), None, None)
    assert found["phase_a_rms_g"] == pytest.approx(0.0)
    assert "phase_a_kurtosis" not in found
