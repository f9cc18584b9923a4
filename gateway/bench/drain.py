"""Messages that wait at the broker become rows; COPY and a bare consumer of the same run are the ceilings."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Iterator
from typing import Any

import psycopg

from gateway.bench.publishing import METRICS, Task, start_publishers, wait_for
from gateway.bench.servers import IngestProcesses, Servers
from ingest.bare_consumer import BareConsumer
from ingest.store.base import Row
from ingest.store.rows import COLUMNS, HEADER, TRAILER, copy_blocks

SAMPLES = {"batched": 50, "unbatched": 1}
MESSAGES = {"batched": 6_000, "unbatched": 60_000}
CEILING_VALUES = 2_000_000
CEILING_BLOCKS = (20_000, 200_000)  # values a commit; the faster one counts
CEILING_STREAM = 2_000_000_000  # no stream of a device has such a number
WAIT_S = 600.0


def measure(servers: Servers, options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of the profile `batched` or `unbatched`."""
    samples = SAMPLES[options.profile]
    devices = servers.add_devices(options.devices or 100)
    each = max(1, (options.messages or MESSAGES[options.profile]) // len(devices))
    messages = each * len(devices)
    ingest = IngestProcesses(servers, options.workers)
    bare = BareConsumer(servers.broker_url, "forewarn-bench-bare", "forewarn/v1/+/telemetry")
    _warm_up(servers, ingest, devices, samples, bare)
    start_ms = time.time_ns() // 1_000_000 - each * samples * 1000
    task = Task(servers.broker_url, "forewarn-bench-fill", devices, each, samples, "waiting", start_ms)
    taken = wait_for(start_publishers(task, options.publishers))
    client_ceiling = messages / bare.drain(messages, WAIT_S)
    copied = copy_ceiling(servers)
    drained = _drain(servers, ingest, devices, each, samples)
    rate = drained["messages_per_s"] / 2
    late = _half_load(servers, ingest, devices, samples, rate, options)
    return {
        "profile": options.profile,
        "messages": taken,
        "samples_per_message": samples,
        "values_per_sample": len(METRICS),
        "devices": len(devices),
        "workers": options.workers,
        **drained,
        "copy_ceiling_datapoints_per_s": round(copied),
        "ratio_to_copy": round(drained["datapoints_per_s"] / copied, 3),
        "client_ceiling_messages_per_s": round(client_ceiling),
        "ratio_to_client": round(drained["messages_per_s"] / client_ceiling, 3),
        **late,
        "bytes_per_datapoint": round(_table_bytes(servers) / _stored_values(servers), 1),
        "store": servers.edition,
        "cpus": os.cpu_count(),
        "load_average": [round(each, 2) for each in os.getloadavg()],
    }


def _warm_up(servers: Servers, ingest: IngestProcesses, devices: list[str], samples: int, bare: BareConsumer) -> None:
    """Make the sessions at the broker, the streams and series; then let nobody read."""
    ingest.start()
    wait_for(start_publishers(Task(servers.broker_url, "forewarn-bench-warm", devices, 1, samples, "warm", 10**12), 1))
    _wait_for_last(servers, devices, "warm", 0)
    ingest.stop()
    bare.prepare()


def _drain(servers: Servers, ingest: IngestProcesses, devices: list[str], each: int, samples: int) -> dict[str, Any]:
    database_s, broker_s = servers.database_cpu_s(), servers.broker_cpu_s()
    ingest.start()
    ingest_s = ingest.cpu_s()
    ended = _wait_for_last(servers, devices, "waiting", each - 1)
    used_s = ingest.cpu_s() - ingest_s
    begun = servers.query("SELECT extract(epoch FROM min(received_at)) FROM ingest_batches WHERE boot = 'waiting'")
    seconds = ended - float(begun[0][0])
    time.sleep(0.3)
    messages = each * len(devices)
    millions = messages * samples * len(METRICS) / 1e6
    rows, distinct = servers.query(
        "SELECT count(*), count(DISTINCT (s.stream_id, s.measured_at)) FROM samples s JOIN ingest_batches b"
        " ON b.id = s.batch_id WHERE b.boot = 'waiting'"
    )[0]
    twice = servers.query(
        "SELECT count(*) - count(DISTINCT (device_id, boot, seq)) FROM ingest_batches WHERE boot = 'waiting'"
    )[0][0]
    figures: dict[str, Any] = {
        "seconds": round(seconds, 2),
        "messages_per_s": round(messages / seconds),
        "datapoints_per_s": round(messages * samples * len(METRICS) / seconds),
        "lost": messages * samples - rows,
        "duplicates": rows - distinct + twice,
        "consumer_cpu_s_per_million": round(used_s / millions, 2),
    }
    after_s, broker_after_s = servers.database_cpu_s(), servers.broker_cpu_s()
    if database_s is not None and after_s is not None:
        figures["database_cpu_s_per_million"] = round((after_s - database_s) / millions, 2)
    if broker_s is not None and broker_after_s is not None:
        figures["broker_cpu_s_per_million"] = round((broker_after_s - broker_s) / millions, 2)
    figures["consumer_rss_mb"] = round(ingest.rss_mb(), 1)
    return figures


def _half_load(
    servers: Servers,
    ingest: IngestProcesses,
    devices: list[str],
    samples: int,
    rate: float,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """Publish at half the drained rate while ingest runs; time from publish to commit by the commits' own clock."""
    each = max(1, round(rate * options.seconds / len(devices)))
    task = Task(servers.broker_url, "forewarn-bench-half", devices, each, samples, "half", rate=rate)
    begun = time.monotonic()
    wait_for(start_publishers(task, options.publishers))
    took = time.monotonic() - begun
    _wait_for_last(servers, devices, "half", each - 1)
    ingest.stop()
    figures: dict[str, Any] = {"half_load_messages_per_s": round(each * len(devices) / took)}
    try:
        p50, p99 = servers.query(
            "SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY s), percentile_cont(0.99) WITHIN GROUP (ORDER BY s)"
            " FROM (SELECT extract(epoch FROM pg_xact_commit_timestamp(xmin) - t_max) AS s FROM ingest_batches"
            " WHERE boot = 'half') AS each"
        )[0]
        figures |= {"p50_publish_to_row_s": round(float(p50), 3), "p99_publish_to_row_s": round(float(p99), 3)}
    except psycopg.errors.ObjectNotInPrerequisiteState:  # a server of others without track_commit_timestamp
        figures |= {"p50_publish_to_row_s": None, "p99_publish_to_row_s": None}
    lost = servers.query(
        "SELECT %s - coalesce(sum(n), 0) FROM ingest_batches WHERE boot = 'half'", each * len(devices) * samples
    )
    figures["half_load_lost"] = int(lost[0][0])
    return figures


def _wait_for_last(servers: Servers, devices: list[str], boot: str, seq: int) -> float:
    """Wait until the last batch of every device is there; return when, in seconds since 1970."""
    deadline = time.monotonic() + WAIT_S
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        keys = connection.execute("SELECT array_agg(id) FROM devices WHERE serial = ANY(%s)", [devices]).fetchone()
        assert keys is not None
        while time.monotonic() < deadline:
            found = connection.execute(
                "SELECT count(*) FROM unnest(%s::uuid[]) AS d(id) JOIN ingest_batches b"
                " ON b.device_id = d.id AND b.boot = %s AND b.seq = %s",
                [keys[0], boot, seq],
            ).fetchone()
            if found is not None and found[0] == len(devices):
                return time.time()
            time.sleep(0.05)
    raise TimeoutError(f"not everything was stored within {WAIT_S:.0f} s")


def copy_ceiling(servers: Servers) -> float:
    """Return values a second of COPY into the same table with its key, from bytes made before."""
    best = 0.0
    copy_in = f"COPY samples ({COLUMNS}) FROM STDIN (FORMAT BINARY)"
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("SET ROLE forewarn_service")
        for number, block in enumerate(CEILING_BLOCKS):
            blocks = list(_blocks(block, CEILING_STREAM + number * 1000))
            begun = time.monotonic()
            for data in blocks:
                with connection.cursor() as cursor, cursor.copy(copy_in) as copy:  # commits by itself
                    copy.write(data)
            best = max(best, CEILING_VALUES / (time.monotonic() - begun))
        connection.execute("DELETE FROM samples WHERE stream_id >= %s", [CEILING_STREAM])
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("VACUUM samples")
    return best


def _blocks(values_a_block: int, first_stream: int) -> Iterator[bytes]:
    """What a fleet of 100 streams with 10 values reports, time moving on."""
    width, streams = len(METRICS), 100
    now_us = time.time_ns() // 1000
    steps = values_a_block // (width * streams)
    turn_us = now_us - CEILING_VALUES // (width * streams) * 1_000_000
    for _ in range(CEILING_VALUES // values_a_block):
        rows = [
            Row(
                first_stream + stream,
                turn_us + step * 1_000_000,
                now_us,
                1,
                0,
                None,
                [20.5 + stream + i for i in range(width)],
            )
            for step in range(steps)
            for stream in range(streams)
        ]
        turn_us += steps * 1_000_000
        yield HEADER + b"".join(copy_blocks(rows)) + TRAILER


def _table_bytes(servers: Servers) -> int:
    if servers.edition.startswith("timescale"):
        return int(servers.query("SELECT hypertable_size('samples')")[0][0])
    return int(
        servers.query("SELECT sum(pg_total_relation_size(relid)) FROM pg_partition_tree('samples') WHERE isleaf")[0][0]
    )


def _stored_values(servers: Servers) -> int:
    return int(servers.query("SELECT count(*) FROM samples")[0][0]) * len(METRICS)
