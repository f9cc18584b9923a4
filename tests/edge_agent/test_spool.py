"""The spool: what a call stored survives anything; what it could not store it says."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from edge_agent import wire
from edge_agent.spool import (
    MIN_MAX_BYTES,
    FormedBatch,
    Spool,
    SpoolCorrupt,
    SpoolInUse,
    SpoolUnavailable,
    SpoolWriteFailed,
    peek,
)

T0 = 1_763_726_400_000


def samples(count: int, start: int = 0, pad: str = "") -> list[wire.Sample]:
    return [wire.Sample(T0 + n, {"x": n, "pad": pad} if pad else {"x": n}) for n in range(start, start + count)]


def content(spool: Spool, batch: FormedBatch) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(spool.encode(batch, 1, None))
    return body


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "agent.spool"


@pytest.fixture
def spool(path: Path) -> Iterator[Spool]:
    spool = Spool(path, 8 << 20)
    yield spool
    spool.close()


def test_batch_carries_what_was_appended_in_order(spool: Spool) -> None:
    spool.append(samples(3), [wire.DeviceEvent(T0, "E41", "warning", "hot", asset="P-7")])
    [batch] = spool.form(background=False)
    body = content(spool, batch)
    assert (body["boot"], body["seq"], body["first"], body["n"], body["lane"]) == (spool.boot, 1, 0, 3, "live")
    assert [sample["values"]["x"] for sample in body["samples"]] == [0, 1, 2]
    assert body["events"][0]["code"] == "E41"
    assert "dropped" not in body


def test_trap_08_only_the_acknowledged_batch_is_deleted(spool: Spool) -> None:
    spool.append(samples(1200))
    batches = spool.form(background=False, count=8)
    assert [(batch.seq, batch.first, batch.n) for batch in batches] == [(1, 0, 500), (2, 500, 500), (3, 1000, 200)]
    assert spool.acknowledge([(spool.boot, 2), (spool.boot, 99), ("other", 1)]) == 1
    assert [batch.seq for batch in spool.formed()] == [1, 3]
    assert spool.records == 700
    assert spool.acknowledge([(spool.boot, 2)]) == 0


def test_batch_sent_again_after_a_restart_has_the_same_key_and_content(path: Path) -> None:
    spool = Spool(path, 8 << 20)
    spool.append(samples(700))
    before = [content(spool, batch) for batch in spool.form(background=False, count=4)]
    spool.append(samples(5, 700))
    spool.close()
    spool = Spool(path, 8 << 20)
    assert [content(spool, batch) for batch in spool.formed()] == before
    assert spool.boot != before[0]["boot"]
    spool.append(samples(2, 900))
    late, new = spool.form(background=False, count=4)
    assert (late.boot, late.seq, late.first, late.n) == (before[0]["boot"], 3, 700, 5)
    assert (new.boot, new.seq, new.first, new.n) == (spool.boot, 1, 0, 2)
    spool.close()


def test_lanes_share_one_running_count_and_batches_are_unbroken(spool: Spool) -> None:
    spool.append(samples(2))
    spool.append(samples(3), lane="backfill")
    spool.append(samples(2))
    live = spool.form(background=False, count=8)
    assert [(batch.first, batch.n, batch.lane) for batch in live] == [(0, 2, "live"), (5, 2, "live")]
    assert [(batch.first, batch.n, batch.lane) for batch in spool.form(background=True)] == [(2, 3, "backfill")]


def test_batches_stay_below_their_size(path: Path) -> None:
    spool = Spool(path, 8 << 20, batch_bytes=20_000)
    spool.append(samples(100, pad="y" * 1000))
    batches = spool.form(background=False, count=20)
    assert sum(batch.n for batch in batches) == 100
    assert all(len(spool.encode(batch, T0)) < 20_500 for batch in batches)
    spool.close()


def test_trap_07_full_spool_drops_the_oldest_background_first_and_reports_it(path: Path) -> None:
    spool = Spool(path, MIN_MAX_BYTES)
    pad = "z" * 1000
    for start in range(0, 2000, 500):
        spool.append(samples(500, start, pad), lane="backfill")
    for start in range(0, 8000, 500):
        spool.append(samples(500, start, pad))
        assert spool.bytes <= spool.max_bytes
    assert spool.status().dropped_samples > 4000
    seen, dropped = [], []
    while batches := spool.form(background=False, count=8) + spool.form(background=True, count=8):
        for batch in batches:
            body = content(spool, batch)
            seen += list(range(body["first"], body["first"] + body["n"]))
            dropped += body.get("dropped", [])
        spool.acknowledge([batch.key for batch in batches])
    gone = [n for each in dropped for n in range(each["first"], each["first"] + each["n"])]
    assert sorted(seen + gone) == list(range(10_000))
    assert gone[:2000] == list(range(2000)), "the backfill goes first"
    assert {each["reason"] for each in dropped} == {"spool full"}
    assert len(dropped) < 20, "neighbouring reports are joined"
    assert (spool.records, spool.bytes) == (0, 0)
    spool.close()


def test_formed_batches_are_never_dropped(path: Path) -> None:
    spool = Spool(path, MIN_MAX_BYTES)
    spool.append(samples(500, pad="a" * 100))
    [batch] = spool.form(background=False)
    before = content(spool, batch)
    for start in range(500, 9000, 500):
        spool.append(samples(500, start, "z" * 1000))
    assert content(spool, batch) == before
    spool.close()


APPENDER = """
import sys
from pathlib import Path
from edge_agent import wire
from edge_agent.spool import Spool
spool = Spool(Path(sys.argv[1]), 64 << 20)
n = 0
while True:
    spool.append([wire.Sample(1763726400000 + n + i, {"x": n + i}) for i in range(20)])
    n += 20
    print(n, flush=True)
    if n % 60 == 0:
        for batch in spool.form(background=False, count=2):
            print("batch", batch.boot, batch.seq, batch.first, batch.n, flush=True)
"""


def test_trap_06_kill_9_while_appending_keeps_everything_committed(path: Path) -> None:
    committed: list[int] = []
    promised: dict[tuple[str, int], tuple[int, int]] = {}
    for round_number in range(3):
        command = [sys.executable, "-c", APPENDER, str(path)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.15 + 0.07 * round_number)
        process.send_signal(signal.SIGKILL)
        last = 20
        for line in process.stdout:
            words = line.split()
            if words and words[0] == "batch" and len(words) == 5:
                promised[words[1], int(words[2])] = (int(words[3]), int(words[4]))
            elif len(words) == 1 and line.endswith("\n"):
                last = int(words[0])
        process.wait(60)
        process.stdout.close()
        committed.append(last)
    spool = Spool(path, 64 << 20)
    formed = {batch.key: (batch.first, batch.n) for batch in spool.formed()}
    assert all(formed[key] == span for key, span in promised.items())
    assert promised
    while spool.form(background=False, count=50):
        pass
    found: dict[str, list[int]] = {}
    for batch in spool.formed():
        found.setdefault(batch.boot, []).extend(s["values"]["x"] for s in content(spool, batch)["samples"])
    spool.close()
    assert len(found) == 3
    for values, last in zip((found[boot] for boot in sorted(found)), committed, strict=True):
        assert values == list(range(len(values)))
        assert len(values) >= last


@pytest.mark.parametrize("damage", ["garbage", "middle", "empty_header"])
def test_trap_06_corrupt_file_is_set_aside_and_a_new_one_begun(path: Path, damage: str) -> None:
    spool = Spool(path, 8 << 20)
    for start in range(0, 5000, 500):
        spool.append(samples(500, start))
    spool.close()
    body = bytearray(path.read_bytes())
    if damage == "garbage":
        body = bytearray(os.urandom(len(body)))
    elif damage == "middle":
        body[8192 : len(body) // 2] = os.urandom(len(body) // 2 - 8192)
    else:
        body[:100] = bytes(100)
    path.write_bytes(body)
    spool = Spool(path, 8 << 20)
    assert len(spool.set_aside) == 1
    assert spool.set_aside[0].read_bytes() == bytes(body)
    assert spool.records == 0
    spool.append(samples(1))
    assert spool.form(background=False)[0].n == 1
    spool.close()


def test_trap_06_torn_tail_of_the_log_costs_only_what_was_not_committed(path: Path) -> None:
    spool = Spool(path, 8 << 20)
    for start in range(0, 100, 10):
        spool.append(samples(10, start))
    copy = path.with_name("torn.spool")
    copy.write_bytes(path.read_bytes())
    log = path.with_name(path.name + "-wal").read_bytes()
    spool.close()
    copy.with_name(copy.name + "-wal").write_bytes(log[:-1000])
    torn = Spool(copy, 8 << 20)
    assert torn.set_aside == []
    assert 80 <= torn.records < 100
    assert torn.records % 10 == 0, "whole commits only"
    torn.close()


def test_damage_in_mid_life_is_named_and_the_spool_goes_on(path: Path) -> None:
    spool = Spool(path, 8 << 20)
    for start in range(0, 20_000, 500):
        spool.append(samples(500, start, "p" * 100))
    spool._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    first_boot = spool.boot
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(path.stat().st_size - 4096))
    spool._db.execute("PRAGMA cache_size=0")
    spool._db.execute("PRAGMA shrink_memory")

    def work() -> None:
        for _ in range(5):
            spool.append(samples(500, pad="q" * 100))
            spool.form(background=False, count=100)

    with pytest.raises(SpoolCorrupt):
        work()
    assert spool.boot != first_boot
    spool.append(samples(2))
    assert spool.form(background=False)[0].boot == spool.boot
    spool.close()


@contextmanager
def files_limited_to(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_trap_07_full_disk_is_an_error_and_never_a_success(path: Path) -> None:
    spool = Spool(path, 64 << 20)
    stored = 0

    def fill() -> None:
        nonlocal stored
        for start in range(0, 100_000, 500):
            spool.append(samples(500, start))
            stored += 500

    with files_limited_to(600_000), pytest.raises(SpoolWriteFailed, match="free some space"):
        fill()
    assert spool.write_failures == 1
    assert stored > 0
    assert spool.records == stored
    assert spool.append(samples(1, stored)) == stored, "once there is room it goes on where it was"
    spool.close()
    again = Spool(path, 64 << 20)
    assert again.records == stored + 1
    again.close()


def test_lost_samples_are_reported_with_their_place_in_the_count(spool: Spool) -> None:
    spool.append(samples(10))
    spool.note_lost(7, T0, T0 + 6, "disk not writable")
    assert spool.append(samples(3)) == 17
    [first, second] = spool.form(background=False, count=4)
    body = content(spool, first)
    assert body["dropped"] == [{"first": 10, "n": 7, "from": T0, "to": T0 + 6, "reason": "disk not writable"}]
    assert (first.first, first.n, second.first, second.n) == (0, 10, 17, 3)


def test_second_process_is_refused(path: Path, spool: Spool) -> None:
    with pytest.raises(SpoolInUse, match="another"):
        Spool(path, 8 << 20)


def test_folder_without_permission_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolUnavailable, match="file"):
        Spool(tmp_path / "file" / "agent.spool", 8 << 20)


def test_status_tells_depth_age_and_can_be_read_from_beside(path: Path, spool: Spool) -> None:
    spool.append(samples(5))
    spool.append(samples(2, 5), lane="replay")
    status = spool.status()
    assert (status.records, status.oldest_t) == (7, T0)
    assert peek(path)["lanes"] == {"live": 5, "backfill": 0, "replay": 2}
    with pytest.raises(SpoolUnavailable):
        peek(path.with_name("none"))


def test_session_count_and_results_survive_a_restart(path: Path) -> None:
    spool = Spool(path, 8 << 20)
    assert [spool.next_session(), spool.next_session()] == [1, 2]
    spool.keep_result("c1", '{"outcome":"done"}', 1)
    spool.close()
    spool = Spool(path, 8 << 20)
    assert spool.next_session() == 3
    assert spool.unsent_results() == [("c1", '{"outcome":"done"}')]
    spool.mark_result("c1", sent=True)
    assert spool.unsent_results() == []
    assert spool.result_of("c1") is not None
    assert spool.result_of("c2") is None
    spool.close()


def test_spool_of_a_version_without_checksums_goes_on(path: Path) -> None:
    spool = Spool(path, 8 << 20)
    spool.append(samples(3))
    spool._db.execute("ALTER TABLE record DROP COLUMN crc")
    spool.close()
    spool = Spool(path, 8 << 20)
    spool.append(samples(2, 3))
    bodies = [content(spool, batch) for batch in spool.form(background=False, count=4)]
    assert [sample["values"]["x"] for body in bodies for sample in body["samples"]] == [0, 1, 2, 3, 4]
    assert (spool.damaged, spool.set_aside) == (set(), [])
    spool.close()
