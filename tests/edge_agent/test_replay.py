"""Replay: spacing kept, long gaps shortened, the last sample at the end, never in the future."""

from __future__ import annotations

import gzip
import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge_agent.config import Config
from edge_agent.recording import RecordingError, find_recordings, guess_metric
from edge_agent.replay import Clock, Replay, ReplayError
from edge_agent.spool import Spool
from tests.edge_agent.conftest import DEVICE, PASSWORD, Broker, Server

START = datetime(2020, 1, 1, tzinfo=UTC).timestamp()


def stamp(seconds: float) -> str:
    return datetime.fromtimestamp(START + seconds, UTC).isoformat().replace("+00:00", "Z")


def write_asset(folder: Path, asset: str, rows: list[tuple[float, str]]) -> None:
    (folder / "telemetry").mkdir(parents=True, exist_ok=True)
    text = "t,temperature_celsius,mode\n" + "".join(f"{stamp(at)},{value}\n" for at, value in rows)
    (folder / "telemetry" / f"{asset}.csv.gz").write_bytes(gzip.compress(text.encode()))


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    folder = tmp_path / "fleet"
    write_asset(
        folder, "a-1", [(0, "1,run"), (10, "2,run"), (4000, "3,"), (4600, ",run"), (4599, "9,run"), (4610, "5,")]
    )
    write_asset(folder, "b-1", [(0, "1,run"), (5, "nan,run")])
    (folder / "assets.csv").write_text("asset,model,role,asset_group\na-1,well,score,g\nb-1,well,score,g\n")
    rows = [("a-1", -5000, "maintenance"), ("a-1", -20, "error"), ("a-1", 2005, "error"), ("a-1", 9000, "error")]
    events = "".join(f"{asset},{stamp(at)},{kind},E1,comp2\n" for asset, at, kind in rows)
    (folder / "events.csv").write_text("asset,t,kind,code,component\n" + events)
    return folder


def test_gaps_are_shortened_and_events_keep_their_place(fleet: Path) -> None:
    a, b = find_recordings([fleet])
    assert (a.asset, a.model, a.length_s, a.samples, a.skipped) == ("a-1", "well", 1220, 5, 1)
    assert (b.asset, b.length_s) == ("b-1", 5)
    moments = list(a.moments())
    assert [m.clock_s for m in moments if m.values is not None] == [0, 10, 610, 1210, 1220]
    assert [m.clock_s for m in moments if m.event is not None] == [-620, -20, pytest.approx(310), 1220]
    assert [dict(m.values) for m in b.moments() if m.values] == [
        {"temperature_celsius": 1.0, "mode": "run"},
        {"mode": "run"},
    ]


def test_vouched_stretch_begins_with_an_event_and_is_as_long_as_on_the_replays_clock(tmp_path: Path) -> None:
    rows = [(0, "1,run"), (10, "2,run"), (4000, "3,run"), (4010, "4,run"), (9000, "5,run"), (9600, "6,run")]
    write_asset(tmp_path, "a-1", rows)
    runs = "".join(f"a-1,{stamp(begin)},{stamp(until)}\n" for begin, until in [(0, 4005), (9000, 9600)])
    (tmp_path / "runs.csv").write_text("asset,observed_from,healthy_until\n" + runs)
    (recording,) = find_recordings([tmp_path])
    moments = list(recording.moments())
    told = [(at, m.clock_s, m.event["text"]) for at, m in enumerate(moments) if m.event is not None]
    assert told == [(0, 0.0, "PT615S"), (5, 1220.0, "PT600S")]
    assert [moments[at + 1].clock_s for at, _, _ in told] == [0.0, 1220.0]  # before the first sample that it speaks of


@pytest.mark.parametrize("speed", [1.0, 60.0, 10_000.0])
@pytest.mark.parametrize("length_s", [0.0, 5.0, 1220.0])
def test_times_end_at_the_end_and_are_never_in_the_future(speed: float, length_s: float) -> None:
    end = 1_763_726_400.0
    clock = Clock.beginning(end - length_s / speed, length_s, speed)
    assert clock.event_time_ms(length_s) == end * 1000
    for at in (-700.0, 0.0, length_s / 3, length_s):
        assert clock.event_time_ms(at) <= clock.send_at_s(at) * 1000 + 1
    if length_s:
        assert clock.event_time_ms(length_s) - clock.event_time_ms(0) == length_s * 1000
        assert clock.send_at_s(length_s) - clock.send_at_s(0) == pytest.approx(length_s / speed, abs=1e-5)


def test_whole_fleet_arrives_as_its_devices_would_send_it(
    fleet: Path, tmp_path: Path, broker: Broker, server: Server
) -> None:
    path = tmp_path / "replay.spool"
    config = Config(DEVICE, "fleet", f"mqtt://127.0.0.1:{broker.port}", DEVICE, PASSWORD, path)
    begin = time.time() * 1000
    figures = Replay(config, [fleet], 600.0).run()
    end = time.time() * 1000
    assert figures | {"seconds": 0} == {
        "assets": 2,
        "samples": 7,
        "events": 4,
        "skipped_rows": 1,
        "unacknowledged": 0,
        "seconds": 0,
        "complete": True,
    }
    assert {batch["lane"] for batch in server.batches.values()} == {"replay"}
    samples = sorted((sample["asset"], sample["t"], sample["values"]) for sample in server.samples())
    a = [(t, values) for asset, t, values in samples if asset == "a-1"]
    assert [t - a[0][0] for t, _ in a] == pytest.approx([0, 10_000, 610_000, 1_210_000, 1_220_000], abs=2)
    assert a[2][1] == {"temperature_celsius": 3.0}
    last = max(t for _, t, _ in samples)
    assert begin < last <= end
    assert abs(last - (begin + 1_220_000 / 600)) < 500
    events = [event for batch in server.batches.values() for event in batch.get("events", [])]
    assert sorted(event["severity"] for event in events) == ["info", "warning", "warning", "warning"]
    described = server.seen("describe")[0]["assets"]
    assert [each["serial"] for each in described] == ["a-1", "b-1"]
    assert described[0]["metrics"][0] == {"name": "temperature_celsius", "unit": "Cel", "kind": "gauge"}


def test_deep_spool_holds_the_replay_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = "".join(f"{START + n},{n}\n" for n in range(3000))
    file = tmp_path / "pump.csv"
    file.write_text("t,x\n" + rows)
    monkeypatch.setattr("edge_agent.replay.MAX_WAITING_RECORDS", 1000)
    config = Config(DEVICE, "m", "mqtt://127.0.0.1:1", DEVICE, "p", tmp_path / "r.spool")
    replay = Replay(config, [file], 100_000.0)
    give_up = time.time() + 1.0
    monkeypatch.setattr(replay, "_is_over", lambda: replay.samples >= 1000 and time.time() > give_up)
    figures = replay.run()
    assert figures["complete"] is False
    assert figures["samples"] == figures["unacknowledged"] <= 1500
    spool = Spool(tmp_path / "r.spool", 8 << 20)
    [batch] = spool.form(background=True)
    assert json.loads(spool.encode(batch, 0))["samples"][0]["asset"] == "pump"
    spool.close()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x,y\n1,2\n", "no column t"),
        ("t,x\nyesterday,2\n", "line 2: t is 'yesterday', expected a time"),
        ("t,x\n", "nothing to replay"),
        ("", "no column t"),
    ],
)
def test_unreadable_recordings_are_named(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "bad.csv"
    file.write_text(content)
    with pytest.raises(RecordingError, match=words):
        find_recordings([file])


def test_broken_gzip_missing_folder_and_absurd_speed_are_named(tmp_path: Path) -> None:
    rows = b"".join(b"%d,2\n" % n for n in range(5000))
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"t,x\n" + rows)[:-20])
    with pytest.raises(RecordingError, match="cannot be read"):
        find_recordings([tmp_path / "a.csv.gz"])
    with pytest.raises(RecordingError, match="no such file"):
        find_recordings([tmp_path / "none"])
    config = Config(DEVICE, "m", "mqtt://127.0.0.1:1", DEVICE, "p", tmp_path / "r.spool")
    with pytest.raises(ReplayError, match="--speed"):
        Replay(config, [tmp_path], 0.5)


def test_units_are_told_by_the_ends_of_names() -> None:
    assert guess_metric("pressure_pdg_pa").unit == "Pa"
    assert guess_metric("gas_lift_flow_m3_s").unit == "m3/s"
    assert guess_metric("value").unit == "1"
