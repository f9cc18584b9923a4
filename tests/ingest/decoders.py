"""Every decoder of what devices send, as functions of bytes that must never raise; and what is hostile to them."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import cbor2

from edge_agent.wire import WireError, decode_command_result, decode_describe, decode_status, decode_time_request
from ingest.formats.decoded import Decoded, Unreadable
from ingest.formats.mapped import MappedFormat
from ingest.mapping_rules import Rules
from ingest.messages import Message
from ingest.writer import prepare

RECEIVED_US = 1_790_000_000_000_000
T = RECEIVED_US // 1000

RULES: dict[str, dict[str, Any]] = {
    "mapped_object": {
        "asset": {"path": "asset"},
        "time": {"path": "t", "format": "s"},
        "values": [
            {"metric": "*", "path": "values"},
            {"metric": "n", "path": "a.b[0].c", "scale": 0.1, "unit": "Cel"},
            {"metric": {"path": "name"}, "path": "value", "as": "boolean"},
        ],
        "quality": {"path": "q", "lookup": {"192": "good"}},
    },
    "mapped_list": {
        "each": "rows[]",
        "time": {"path": "t", "format": "rfc3339", "zone": "Asia/Shanghai"},
        "values": [
            {"metric": "x", "path": "[?a > `1`].b | [0]", "as": "number"},
            {"metric": "y", "path": "sum(v)"},
            {"metric": "z", "path": "@", "lookup": {"on": 1, "*": 0}},
            {"metric": "w", "path": "$.w", "as": "text"},
        ],
    },
    "mapped_text": {"payload": "text", "values": [{"metric": {"level": 2}, "as": "number"}]},
}


def _check(decoded: Decoded) -> None:
    assert len(decoded.samples) + decoded.lost_samples <= max(decoded.n, decoded.lost_samples)
    for sample in decoded.samples:
        assert sample.values
        assert type(sample.t_us) is int
    for problem in decoded.problems:
        assert problem.reason
        assert len(problem.detail) <= 500


def _topic(leaf: str) -> Callable[[bytes], None]:
    def decode(payload: bytes) -> None:
        _check(prepare(Message(f"forewarn/v1/D-1/{leaf}", payload, RECEIVED_US)).decoded)

    return decode


def _mapped(rules: dict[str, Any]) -> Callable[[bytes], None]:
    reader = MappedFormat(Rules.model_validate(rules))

    def decode(payload: bytes) -> None:
        with suppress(Unreadable):
            _check(reader.read("plant/line-1", payload, RECEIVED_US))

    return decode


def _wire(function: Callable[[bytes], object]) -> Callable[[bytes], None]:
    def decode(payload: bytes) -> None:
        with suppress(WireError):
            function(payload)

    return decode


DECODERS: dict[str, Callable[[bytes], None]] = {
    "telemetry": _topic("telemetry"),
    "senml": _topic("senml"),
    **{name: _mapped(rules) for name, rules in RULES.items()},
    "status": _wire(decode_status),
    "describe": _wire(decode_describe),
    "result": _wire(lambda payload: decode_command_result("c-1", payload)),
    "time": _wire(decode_time_request),
}

GOOD: list[bytes] = [
    json.dumps(
        {"boot": "b", "seq": 1, "first": 0, "n": 1, "lane": "live", "offset_ms": -3, "units": {"a": "Cel"},
         "samples": [{"t": T, "m": 5, "asset": "P-7", "values": {"a": 1.5, "b": True, "c": "x"},
                      "quality": {"a": "bad"}}],
         "events": [{"t": T, "code": "E1", "severity": "warning"}], "dropped": [{"first": 1, "n": 2}]}
    ).encode(),
    json.dumps([{"ts": T, "values": {"a": 1}}, {"a": 2}]).encode(),
    json.dumps(
        [{"bn": "urn:dev:ow:1:", "bt": T / 1000, "bu": "Cel", "n": "a", "v": 1}, {"n": "b", "vs": "x", "s": 1}]
    ).encode(),
    cbor2.dumps([{-2: "urn:dev:ow:1:", -3: T / 1000, -4: "Cel", 0: "a", 2: 1.5}, {0: "b", 4: True}, {0: "c", 8: b"x"}]),
    json.dumps({"asset": "P", "t": T // 1000, "values": {"a": 1}, "a": {"b": [{"c": 3}]}, "q": 192}).encode(),
    json.dumps({"rows": [{"t": "2026-09-21T22:00:00", "v": [1, 2], "a": 2, "b": 1}], "w": "x"}).encode(),
    b"21.5",
]  # fmt: skip

_MILLION = b"{" + b",".join(b'"k%d":1' % i for i in range(1_000_000)) + b"}"
_FITTING = b"{" + b",".join(b'"k%d":1' % i for i in range(80_000)) + b"}"


def _around(value: bytes) -> list[bytes]:
    """The same hostile JSON value where each decoder looks for something."""
    return [
        value,
        b'{"boot":"b","seq":1,"samples":[{"t":1790000000000,"values":{"a":%s}}]}' % value,
        b'{"boot":"b","seq":1,"samples":%s}' % value,
        b'{"boot":%s,"seq":%s,"samples":[]}' % (value, value),
        b'[{"ts":%s,"values":{"a":1},"units":%s}]' % (value, value),
        b'[{"n":"a","v":%s},{"n":%s,"u":%s,"t":%s,"vs":%s}]' % ((value,) * 5),
        b'{"values":%s,"a":%s,"t":%s,"q":%s,"rows":%s,"w":%s,"name":%s}' % ((value,) * 7),
        b'{"rows":[%s,{"t":%s,"v":[%s],"a":2,"b":%s}]}' % ((value,) * 4),
    ]


HOSTILE: dict[str, list[bytes]] = {
    "deep lists": _around(b"[" * 50_000 + b"]" * 50_000),
    "deep objects": _around(b'{"a":' * 20_000 + b"1" + b"}" * 20_000),
    "a megabyte of brackets": [b"[" * (1 << 20), b"{" * (1 << 20), b'[{"n":' * 170_000],
    "a huge integer": _around(b"9" * 4_000),
    "an integer too long for Python": _around(b"9" * 100_000),
    "a huge exponent": [*_around(b"1e999999999"), *_around(b"-1e999999999"), *_around(b"1e-999999999")],
    "the largest numbers": [*_around(b"1.7e308"), *_around(b"-1.7e308"), *_around(b"9223372036854775807")],
    "not a number": [*_around(b"NaN"), *_around(b"Infinity"), *_around(b"-Infinity")],
    "duplicate keys": _around(b'{"a":1,"a":"x","a":null,"a":[1]}'),
    "half of a surrogate pair": [*_around(b'"\\ud800"'), *_around(b'{"\\udfff":"\\ud800x"}')],
    "a zero byte": [*_around(b'"\\u0000"'), *_around(b'{"\\u0000":1}'), b"\x00" * 1000],
    "no UTF-8": [*_around(b'"\xff\xfe"'), b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}"],
    "a million keys": [_MILLION],
    "as many keys as fit": _around(_FITTING),
    "a long name": _around(b'{"%s":1}' % (b"n" * 100_000)),
    "a long text": _around(b'"%s"' % ("ü".encode() * 100_000)),
    "many small records": [b"[" + b",".join([b"1"] * 500_000) + b"]", b"[" + b",".join([b"{}"] * 300_000) + b"]"],
    "many records of their own kind": [b"[" + b",".join(b'{"n":"x%d:y","v":1}' % i for i in range(20_000)) + b"]"],
    "many reasons": [b"[" + b",".join(b'{"n":"a%d","v":[%d]}' % (i, i) for i in range(20_000)) + b"]"],
    "lengths that lie": [
        b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", b"\x81\xbb\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\x81\xa1\x00\x7b\x00\x00\x00\x0f\xff\xff\xff\xff", b"\x9f" * 100_000, b"\x81" * (1 << 20),
        b"\xa1\x00" * 200_000,
    ],
    "tags": [
        b"\x81\xa2\x00\x61a\x02\xc4\x82\x1b\x7f\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x81\xa2\x00\x61a\x02\xc2\x5a\x00\x0f\x00\x00" + b"\xff" * 0xF0000,
        b"\x81\xa2\x00\x61a\x02\xd8\x23\x78\x20" + b"(a+)+" * 6 + b"$$", b"\xc0" * 100_000 + b"\x80",
        b"\xd8\x1c\x82\xa2\x00\x61a\x02\xd8\x1d\x00\xd8\x1d\x00", b"\x81\xd9\x01\x02\x80",
    ],
    "floats that are none": [
        b"\x81\xa2\x00\x61a\x02\xfb" + struct.pack(">d", each) for each in (float("nan"), 1e308, -1e-320)
    ],
    "nothing": [b"", b" ", b"null", b"[]", b"{}", b"0", b'""', b"\x80", b"\x81\xa0", b"\xf6"],
}  # fmt: skip
