"""What each format makes of good and bad payloads; no database."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.formats import decode
from ingest.formats.decoded import (
    FLAG_BACKFILL,
    FLAG_CLOCK_CORRECTED,
    FLAG_LATE,
    Decoded,
    Reason,
    Unreadable,
)

RECEIVED_US = 1_790_000_000_000_000
T = RECEIVED_US // 1000


def read(body: Any, leaf: str = "telemetry") -> Decoded:
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    return decode(leaf, payload, "D-1", RECEIVED_US)


def read_samples(*samples: Any, **header: Any) -> Decoded:
    return read({"boot": "b", "seq": 1, "first": 0, "n": len(samples), "samples": list(samples), **header})


def reasons(decoded: Decoded) -> list[str]:
    return [str(problem.reason) for problem in decoded.problems]


def test_batch_keeps_header_samples_quality_and_events() -> None:
    decoded = read_samples(
        {"t": T, "values": {"a": 1.5, "on": True, "mode": "load"}, "quality": {"a": "uncertain", "on": "bad"}},
        {"t": T + 1, "asset": "P-7", "values": {"a": 2}},
        lane="backfill",
        offset_ms=-35,
        events=[{"t": T, "asset": "P-7", "code": "E41", "severity": "warning", "text": "hot", "active": True}],
        dropped=[{"first": 5, "n": 2, "from": T, "to": T, "reason": "spool full"}],
    )
    assert (decoded.boot, decoded.seq, decoded.first, decoded.n, decoded.lane) == ("b", 1, 0, 2, "backfill")
    assert decoded.offset_ms == -35
    first, second = decoded.samples
    assert first.values == {"a": 1.5, "on": True, "mode": "load"}
    assert first.quality == {"a": 1, "on": 2}
    assert first.flags == FLAG_BACKFILL
    assert (second.channel, second.t_us) == ("P-7", (T + 1) * 1000)
    assert [(event.code, event.active) for event in decoded.events] == [("E41", True)]
    assert [tuple(dropped) for dropped in decoded.dropped] == [(5, 2)]
    assert decoded.problems == []


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (3, Reason.BAD_SAMPLE),
        ({"t": T}, Reason.BAD_SAMPLE),
        ({"t": T, "values": [1]}, Reason.BAD_SAMPLE),
        ({"t": T, "values": {}}, Reason.BAD_SAMPLE),
        ({"values": {"a": 1}}, Reason.BAD_TIME),
        ({"t": True, "values": {"a": 1}}, Reason.BAD_TIME),
        ({"t": "yesterday", "values": {"a": 1}}, Reason.BAD_TIME),
        ({"t": "2026-11-21T12:00:00", "values": {"a": 1}}, Reason.NAIVE_TIME),
        ({"t": 0, "values": {"a": 1}}, Reason.ABSURD_TIME),
        ({"t": T + 601_000, "values": {"a": 1}}, Reason.ABSURD_TIME),
        ({"t": T + 23 * 3_600_000, "values": {"a": 1}}, Reason.ABSURD_TIME),
        ({"t": 10**400, "values": {"a": 1}}, Reason.ABSURD_TIME),
        ({"t": T, "values": {f"m{i}": 1 for i in range(257)}}, Reason.TOO_MANY_METRICS),
        ({"t": T, "values": {"": 1}}, Reason.BAD_NAME),
        ({"t": T, "values": {"x" * 121: 1}}, Reason.BAD_NAME),
        ({"t": T, "values": {"a\ud800": 1}}, Reason.BAD_NAME),
        ({"t": T, "asset": 7, "values": {"a": 1}}, Reason.BAD_NAME),
        ({"t": T, "values": {"a": [1]}}, Reason.NESTED_VALUE),
        ({"t": T, "values": {"a": {"b": 1}}}, Reason.NESTED_VALUE),
        ({"t": T, "values": {"a": float("nan")}}, Reason.NOT_FINITE),
        ({"t": T, "values": {"a": float("inf")}}, Reason.NOT_FINITE),
        ({"t": T, "values": {"a": 10**400}}, Reason.NOT_FINITE),
        ({"t": T, "values": {"a": "x" * 201}}, Reason.TOO_LONG),
        ({"t": T, "values": {"a": "\x00"}}, Reason.BAD_TEXT),
        ({"t": T, "values": {"a": "\ud800"}}, Reason.BAD_TEXT),
    ],
)
def test_bad_sample_is_named_and_the_rest_of_the_batch_kept(sample: Any, reason: Reason) -> None:
    good = {"t": T, "values": {"a": 1}}
    decoded = read_samples(good, sample, good)
    assert len(decoded.samples) == 2
    assert reasons(decoded) == [reason]
    assert decoded.problems[0].position == 1
    assert decoded.lost_samples == 1


def test_bad_value_leaves_the_other_values_of_its_sample() -> None:
    decoded = read_samples({"t": T, "values": {"a": 1, "b": float("nan"), "c": None}})
    assert decoded.samples[0].values == {"a": 1}
    assert (reasons(decoded), decoded.lost_samples) == (["not_finite"], 0)


def test_sensor_that_is_nan_in_every_sample_makes_one_entry() -> None:
    decoded = read_samples(*({"t": T + i, "values": {"a": 1, "b": float("nan")}} for i in range(50)))
    (problem,) = decoded.problems
    assert (problem.detail, problem.position, problem.samples) == ("b", 0, 50)


def test_zoned_text_time_is_read() -> None:
    decoded = read_samples({"t": "2026-09-21T16:13:20+02:00", "values": {"a": 1}})
    assert decoded.samples[0].t_us == RECEIVED_US


def test_absurd_clock_is_corrected_by_its_measured_offset() -> None:
    decoded = read_samples({"t": 5_000, "values": {"a": 1}}, offset_ms=T - 6_000)
    assert decoded.samples[0].t_us == (T - 1000) * 1000
    assert decoded.samples[0].flags & FLAG_CLOCK_CORRECTED


def test_clock_that_is_hours_ahead_is_corrected_by_an_offset_that_explains_it() -> None:
    ahead = 23 * 3_600_000
    decoded = read_samples({"t": T + ahead, "values": {"a": 1}}, offset_ms=-ahead)
    assert decoded.samples[0].t_us == RECEIVED_US
    assert decoded.samples[0].flags & FLAG_CLOCK_CORRECTED
    assert reasons(read_samples({"t": T + ahead, "values": {"a": 1}}, offset_ms=-1000)) == ["absurd_time"]


def test_plain_form_from_the_future_has_no_offset_to_correct_it() -> None:
    decoded = read([{"ts": T + 23 * 3_600_000, "values": {"a": 1}}, {"ts": T + 599_000, "values": {"a": 1}}])
    assert (reasons(decoded), len(decoded.samples)) == (["absurd_time"], 1)


def test_late_sample_is_flagged() -> None:
    decoded = read_samples({"t": T - 301_000, "values": {"a": 1}}, {"t": T, "values": {"a": 1}})
    assert [bool(sample.flags & FLAG_LATE) for sample in decoded.samples] == [True, False]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", Reason.UNREADABLE),
        (b"", Reason.UNREADABLE),
        (b"\xff\xfe", Reason.UNREADABLE),
        (b"[" * 100_000, Reason.UNREADABLE),
        (b"3", Reason.UNREADABLE),
        (b"[]", Reason.UNREADABLE),
        (b'{"samples": []}', Reason.BAD_HEADER),
        (b'{"boot": 1, "seq": 1, "samples": []}', Reason.BAD_HEADER),
        (b'{"boot": "b", "seq": -1, "samples": []}', Reason.BAD_HEADER),
        (b'{"boot": "b", "seq": true, "samples": []}', Reason.BAD_HEADER),
        (b'{"boot": "b", "seq": 1, "samples": [], "device": "D-2"}', Reason.WRONG_DEVICE),
        (b" " * (2 << 20), Reason.TOO_LARGE),
    ],
)
def test_unreadable_payload_has_its_reason(payload: bytes, reason: Reason) -> None:
    with pytest.raises(Unreadable) as caught:
        read(payload)
    assert caught.value.reason == reason


def test_batch_whose_samples_cannot_be_read_still_has_its_sequence() -> None:
    decoded = read({"boot": "b", "seq": 4, "first": 9, "n": 3, "samples": "x"})
    assert (decoded.boot, decoded.seq, decoded.lost_samples) == ("b", 4, 3)
    assert reasons(decoded) == ["bad_sample"]


@pytest.mark.parametrize("part", ["events", "dropped"])
def test_events_or_drops_alone_are_a_batch_too(part: str) -> None:
    told = {"events": [{"t": T, "code": "E41"}], "dropped": [{"first": 0, "n": 5}]}[part]
    decoded = read({"boot": "b", "seq": 3, part: told})
    assert (decoded.boot, decoded.seq, decoded.n, decoded.samples, decoded.problems) == ("b", 3, 0, [], [])
    assert (len(decoded.events), len(decoded.dropped)) == ((1, 0) if part == "events" else (0, 1))


def test_values_named_boot_and_seq_are_values() -> None:
    decoded = read({"boot": "b", "seq": 3, "temperature": 21.5})
    assert (decoded.boot, dict(decoded.samples[0].values)) == (None, {"boot": "b", "seq": 3, "temperature": 21.5})


@pytest.mark.parametrize(("events", "kept"), [([{"t": T, "code": "E41"}] * 501, 500), ({"t": T, "code": "E41"}, 0)])
def test_events_that_are_not_taken_are_named(events: Any, kept: int) -> None:
    decoded = read_samples({"t": T, "values": {"a": 1}}, events=events)
    assert (len(decoded.events), len(decoded.samples), reasons(decoded)) == (kept, 1, ["bad_event"])


def test_offset_may_be_a_fraction_of_milliseconds() -> None:
    hour = 3_600_000
    decoded = read_samples({"t": T + hour, "values": {"a": 1}}, offset_ms=-hour - 0.4, sent_at=T + hour + 0.0)
    assert (decoded.offset_ms, decoded.sent_ms, decoded.samples[0].t_us) == (-hour, T + hour, RECEIVED_US)


def test_million_keys_are_refused_at_once() -> None:
    payload = json.dumps({f"k{i}": 1 for i in range(1_000_000)}).encode()
    begun = time.thread_time()
    with pytest.raises(Unreadable, match="at most"):
        read(payload)
    assert time.thread_time() - begun < 0.05


def test_as_many_keys_as_fit_into_a_message_are_refused_quickly() -> None:
    payload = json.dumps({f"k{i}": 1 for i in range(70_000)}).encode()
    begun = time.thread_time()
    decoded = read(payload)
    assert reasons(decoded) == ["too_many_metrics"]
    assert time.thread_time() - begun < 0.5


def test_plain_values_are_of_the_moment_they_came() -> None:
    decoded = read({"temperature": 21.5})
    assert decoded.boot is None
    assert [(sample.t_us, dict(sample.values)) for sample in decoded.samples] == [(RECEIVED_US, {"temperature": 21.5})]


def test_timestamped_values_and_a_list_of_them() -> None:
    one = {"ts": T - 5, "values": {"a": 1}}
    assert read(one).samples[0].t_us == (T - 5) * 1000
    decoded = read([one, {"temperature": 2}, {"ts": "2026-09-21T00:00:00", "values": {"a": 1}}])
    assert len(decoded.samples) == 2
    assert (reasons(decoded), decoded.problems[0].position) == (["naive_time"], 2)


def test_plain_form_keeps_quality_and_takes_the_time_by_either_name() -> None:
    decoded = read(
        [{"ts": T - 5, "values": {"a": 1, "b": 2}, "quality": {"a": "bad"}}, {"t": T - 6, "values": {"a": 1}}]
    )
    assert [(sample.t_us // 1000, sample.quality) for sample in decoded.samples] == [(T - 5, {"a": 2}), (T - 6, None)]


def test_time_among_plain_values_is_their_time_and_no_reading() -> None:
    (sample,) = read({"ts": T - 5_000_000, "temperature": 21.5, "t": 3}).samples
    assert (sample.t_us, sample.flags) == ((T - 5_000_000) * 1000, FLAG_LATE)
    assert sample.values == {"temperature": 21.5, "t": 3}
    assert reasons(read({"ts": 5, "temperature": 21.5})) == ["absurd_time"]
    assert reasons(read({"ts": True, "temperature": 21.5})) == ["bad_time"]
    assert read({"ts": 4}).samples[0].values == {"ts": 4}  # alone it is a metric


def test_plain_metric_named_samples_is_a_metric() -> None:
    (sample,) = read({"samples": 12, "temperature": 21.5}).samples
    assert sample.values == {"samples": 12, "temperature": 21.5}
    with pytest.raises(Unreadable):
        read({"samples": [{"t": T, "values": {"a": 1}}]})  # a batch without its numbers


def test_what_is_no_sample_in_a_plain_list_leaves_the_others() -> None:
    decoded = read([{"a": 1}, 5, None])
    assert (len(decoded.samples), decoded.n, decoded.lost_samples) == (1, 3, 2)
    assert [(problem.reason, problem.position, problem.samples) for problem in decoded.problems] == [
        (Reason.BAD_SAMPLE, 1, 2)
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
HEADER = ("boot", "seq", "first", "n", "lane", "offset_ms", "samples", "events", "dropped", "device", "ts")
KEYS = st.sampled_from(HEADER)
SAMPLE = st.dictionaries(st.sampled_from(["t", "asset", "values", "quality", "m", "ts"]), JSON, max_size=6)


def assert_decoded_or_named(payload: bytes) -> None:
    """Nothing but Unreadable may come out of a decoder."""
    with suppress(Unreadable):
        decoded = read(payload)
        assert len(decoded.samples) <= decoded.n


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(KEYS, JSON | st.lists(SAMPLE, max_size=3), max_size=8) | JSON)
def test_any_json_is_decoded_or_named_unreadable(body: Any) -> None:
    assert_decoded_or_named(json.dumps(body).encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_decoded_or_named_unreadable(payload: bytes) -> None:
    assert_decoded_or_named(payload)
