"""Whatever bytes come, each decoder takes them apart or names what is wrong: it never fails and never stalls."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import time
from datetime import UTC
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.ingest.decoders import DECODERS, GOOD, HOSTILE

SLOWEST_S = 2.0  # of computing for one message; most take microseconds


def decode_in_time(name: str, payload: bytes) -> None:
    begun = time.thread_time()
    DECODERS[name](payload)
    assert time.thread_time() - begun < SLOWEST_S, f"{name} stalls on {payload[:60]!r}"


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("name", DECODERS)
def test_hostile_message_is_named_in_time(name: str, what: str) -> None:
    for payload in HOSTILE[what]:
        decode_in_time(name, payload)


_KEYS = st.sampled_from(
    ["boot", "seq", "first", "n", "lane", "offset_ms", "samples", "events", "dropped", "device", "ts", "t", "asset",
     "values", "quality", "units", "m", "code", "bn", "bt", "bu", "bv", "bs", "bver", "u", "v", "vs", "vb", "vd", "s",
     "ut", "x_", "rows", "a", "b", "c", "q", "w", "name", "online", "session", "at", "metrics", "assets", "kind"]
)  # fmt: skip
_PLAIN = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([1_790_000_000, 1_790_000_000_000, 2**63, -1, "urn:dev:ow:1", "2026-09-21T14:13:20Z", "Cel"])
)  # fmt: skip
_JSON = st.recursive(
    _PLAIN,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)
_CBOR_KEYS = st.integers(-8, 10) | st.text(max_size=3)
_CBOR = st.lists(
    st.dictionaries(_CBOR_KEYS, _PLAIN | st.binary(max_size=5) | st.decimals() | st.datetimes(), max_size=6) | _PLAIN,
    max_size=5,
)


@settings(max_examples=300)
@given(_JSON)
def test_any_json_is_decoded_or_named(body: Any) -> None:
    payload = json.dumps(body).encode()
    for name in DECODERS:
        decode_in_time(name, payload)


@settings(max_examples=200)
@given(_CBOR)
def test_any_cbor_is_decoded_or_named(body: Any) -> None:
    try:
        payload = cbor2.dumps(body, timezone=UTC)
    except (cbor2.CBOREncodeError, ValueError, OverflowError):
        return
    decode_in_time("senml", payload)


@settings(max_examples=300)
@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_named(payload: bytes) -> None:
    for name in DECODERS:
        decode_in_time(name, payload)


@settings(max_examples=300)
@given(st.sampled_from(GOOD), st.data())
def test_damaged_messages_are_decoded_or_named(good: bytes, data: st.DataObject) -> None:
    """Bytes replaced, taken out and put in, as a broken line or a careless programmer does."""
    payload = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(0, len(payload) - 1)))
        payload[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    for name in DECODERS:
        decode_in_time(name, bytes(payload))


def test_fuzzer_that_watches_the_branches_finds_nothing_in_a_few_seconds() -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("atheris is not installed: there is no wheel for this machine")
    run = subprocess.run(
        [sys.executable, "-m", "tests.ingest.fuzz_decoders", "8"], capture_output=True, text=True, timeout=120
    )
    assert run.returncode == 0, run.stdout[-2000:] + run.stderr[-4000:]
