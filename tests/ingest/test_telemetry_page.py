"""The examples of docs/telemetry.md are read as the page says."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from assets.base.units import series_unit
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
