"""Payload formats: which decoder reads what arrives on a topic. A new format is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from edge_agent.wire import MAX_BATCH_BYTES, SENML, TELEMETRY
from ingest.formats.batch import is_batch, read_batch
from ingest.formats.decoded import Decoded, Reason, Unreadable
from ingest.formats.plain import read_plain
from ingest.formats.senml import decode_senml
from ingest.formats.values import parse_json

Decoder = Callable[[bytes, str, int], Decoded]


def _decode_json(payload: bytes, device: str, received_us: int) -> Decoded:
    body = parse_json(payload, MAX_BATCH_BYTES)
    if not is_batch(body):
        return read_plain(body, received_us)
    named = body.get("device", device)
    if named != device:  # the broker's access list prevents it; a bridge or a wrong mapping may not
        raise Unreadable(Reason.WRONG_DEVICE, f"the payload names device {str(named)[:64]!r}")
    return read_batch(body, received_us)


DECODERS: dict[str, Decoder] = {TELEMETRY: _decode_json, SENML: decode_senml}


def decode(leaf: str, payload: bytes, device: str, received_us: int) -> Decoded:
    """Read what arrived on `forewarn/v1/{device}/{leaf}`. Raise Unreadable with its reason."""
    decoder = DECODERS.get(leaf)
    if decoder is None:
        raise Unreadable(Reason.UNKNOWN_TOPIC, f"nothing reads {leaf[:100]!r}")
    return decoder(payload, device, received_us)
