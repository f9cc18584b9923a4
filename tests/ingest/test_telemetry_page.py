"""The examples of docs/telemetry.md are read as the page says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assets.base.units import series_unit
from edge_agent.wire import (
    MAX_BATCH_EVENTS,
    SubDevice,
    decode_command_result,
    decode_describe,
    decode_status,
    decode_time_request,
)
from ingest.formats.batch import MAX_DROPPED, MAX_SAMPLES
from ingest.formats.decoded import Decoded
from ingest.formats.mapped import MappedFormat
from ingest.mappings import parse_rules
from ingest.messages import Message
from ingest.writer import prepare

PAGE = Path(__file__).resolve().parents[2] / "docs" / "telemetry.md"
RECEIVED_AT = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
RECEIVED_US = int(RECEIVED_AT.timestamp()) * 1_000_000

_BLOCK = r"```\w+\n(.*?)\n```\n"
_EXAMPLE = re.compile(
    rf"<!-- example topic=(\S+)( hex)? -->\n{_BLOCK}\n(?:<!-- rules -->\n{_BLOCK}\n)?((?:\|[^\n]*\n)+)", re.DOTALL
)


_SAYS = re.compile(rf"<!-- says (\S+) -->\n{_BLOCK}", re.DOTALL)


class Example(NamedTuple):
    topic: str
    payload: bytes
    rules: str | None
    table: list[dict[str, str]]


def examples() -> list[Example]:
    found = []
    for topic, is_hex, payload, rules, table in _EXAMPLE.findall(PAGE.read_text(encoding="utf-8")):
        rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.strip().split("\n")]
        body = bytes.fromhex(payload) if is_hex else payload.encode()
        found.append(Example(topic, body, rules or None, [dict(zip(rows[0], row, strict=True)) for row in rows[2:]]))
    return found


def read(example: Example) -> Decoded:
    if example.rules is not None:
        return MappedFormat(parse_rules(json.loads(example.rules))).read(example.topic, example.payload, RECEIVED_US)
    return prepare(Message(example.topic, example.payload, RECEIVED_US)).decoded


def as_rows(decoded: Decoded) -> list[dict[str, str]]:
    """Every value under all headings that a table may have."""
    return [
        {
            "asset": sample.channel or "—",
            "metric": metric,
            "value": _value(value),
            "unit": _unit(metric, value, {**(decoded.units or {}), **(sample.units or {})}),
            "quality": ("good", "uncertain", "bad")[(sample.quality or {}).get(metric, 0)],
            "time": _time(sample.t_us),
        }
        for sample in decoded.samples
        for metric, value in sample.values.items()
    ]


def _value(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and value.is_integer() else json.dumps(value)


def _unit(metric: str, value: Any, told: dict[str, str]) -> str:
    return "" if isinstance(value, (bool, str)) else series_unit(metric, told.get(metric)) or ""


def _time(t_us: int) -> str:
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=t_us)
    return re.sub(r"\.?0*$", "", at.strftime("%Y-%m-%dT%H:%M:%S.%f")) + "Z"


def test_page_has_an_example_of_every_form() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert len(examples()) == text.count("<!-- example") >= 12


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.topic)
def test_example_is_read_as_the_page_says(example: Example) -> None:
    decoded = read(example)
    assert decoded.problems == []
    headings = list(example.table[0])
    found = [{heading: row[heading] for heading in headings} for row in as_rows(decoded)]
    key = str
    assert sorted(found, key=key) == sorted(example.table, key=key)


def test_what_a_device_says_beside_readings_is_read_as_the_page_says() -> None:
    text = PAGE.read_text(encoding="utf-8")
    said = {leaf: payload.encode() for leaf, payload in _SAYS.findall(text)}
    assert len(said) == text.count("<!-- says") == 4
    status = decode_status(said["status"])
    assert (status.online, status.session, status.problems[0]["code"]) == (True, 7, "disk_full")
    described = decode_describe(said["describe"])
    (asset,) = described.assets
    assert (described.metrics[0].interval_seconds, described.about["sleep_seconds"]) == (3600, 3600)
    assert isinstance(asset, SubDevice)
    assert asset.metrics[0].kind == "boolean"
    assert decode_time_request(said["time"]) == 1789999999900
    assert decode_command_result("42", said["command/42/result"]).outcome == "done"


def test_page_names_the_limits_of_a_batch() -> None:
    text = " ".join(PAGE.read_text(encoding="utf-8").split())
    assert f"{MAX_SAMPLES:,} samples, {MAX_BATCH_EVENTS} events and {MAX_DROPPED} drops are read" in text
