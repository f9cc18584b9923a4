"""Names: topics of the Sparkplug namespace, metrics as we call them, serials of edge nodes."""

from __future__ import annotations

import re
import unicodedata
import zlib
from enum import StrEnum
from typing import NamedTuple

from edge_agent.wire import MAX_NAME_CHARS, MAX_SERIAL_CHARS

NAMESPACE = "spBv1.0"
MAX_ID_CHARS = 120  # of a group, node or device: what a sub-device's name may have


class Verb(StrEnum):
    """The third level of a topic."""

    NBIRTH = "NBIRTH"
    NDATA = "NDATA"
    NDEATH = "NDEATH"
    NCMD = "NCMD"
    DBIRTH = "DBIRTH"
    DDATA = "DDATA"
    DDEATH = "DDEATH"
    DCMD = "DCMD"


NODE_VERBS = (Verb.NBIRTH, Verb.NDATA, Verb.NDEATH)
DEVICE_VERBS = (Verb.DBIRTH, Verb.DDATA, Verb.DDEATH)


class NodeKey(NamedTuple):
    """An edge node's address, unique in the infrastructure (its descriptor)."""

    group: str
    node: str


class Topic(NamedTuple):
    """A topic of an edge node; `device` empty at node level."""

    key: NodeKey
    verb: Verb
    device: str


class BadTopic(Exception):
    """Below the namespace, but nothing that an edge node may send."""


def read_topic(topic: str) -> Topic:
    """Take a topic apart. Raise BadTopic."""
    levels = topic.split("/")
    if levels[0] != NAMESPACE or not 4 <= len(levels) <= 5:
        raise BadTopic(f"expected {NAMESPACE}/group/verb/node[/device]")
    group, verb, node = levels[1], levels[2], levels[3]
    device = levels[4] if len(levels) == 5 else ""
    wanted = DEVICE_VERBS if len(levels) == 5 else NODE_VERBS
    if verb not in wanted:
        raise BadTopic(f"{verb[:20]!r} is nothing that an edge node sends on {len(levels)} levels")
    for name in (group, node) if len(levels) == 4 else (group, node, device):
        if not is_id(name):
            raise BadTopic(f"group, node and device have 1 to {MAX_ID_CHARS} printable characters")
    return Topic(NodeKey(group, node), Verb(verb), device)


def is_id(name: str) -> bool:
    """True for what may name a group, a node or a device."""
    # `$` and `%` would mean something else in the broker's access list.
    return 0 < len(name) <= MAX_ID_CHARS and name.isprintable() and name == name.strip() and not set(name) & set("+#/")


def command_topic(key: NodeKey) -> str:
    """Return where a node listens for commands."""
    return f"{NAMESPACE}/{key.group}/{Verb.NCMD}/{key.node}"


def state_topic(host_id: str) -> str:
    """Return where a host says whether it is there."""
    return f"{NAMESPACE}/STATE/{host_id}"


def serial_of(key: NodeKey) -> str:
    """Return the serial that a node gets when nobody chooses one: `group.node`, without what no serial may hold."""
    name = re.sub(r"[/+#:%$\s]", "-", f"{key.group}.{key.node}")
    if len(name) <= MAX_SERIAL_CHARS:
        return name
    return f"{name[: MAX_SERIAL_CHARS - 9]}-{_digest(f'{key.group}/{key.node}')}"


def metric_name(original: str) -> str:
    """Return our name of a metric: `Inputs/Motor Temp` and `inputs/MotorTemp` are both `inputs_motor_temp`.

    Letters of every script and digits stay, everything between them becomes one underscore, words that begin with a
    capital are taken apart, all is lower case.
    """
    text = unicodedata.normalize("NFKC", original)
    text = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text)
    text = re.sub(r"[\W_]+", "_", text).strip("_").lower()
    if not text:
        return f"metric_{_digest(original)}"
    return text if len(text) <= MAX_NAME_CHARS else f"{text[: MAX_NAME_CHARS - 9]}_{_digest(original)}"


def another_name(original: str) -> str:
    """Return the name of a metric whose plain one belongs to another metric already."""
    return f"{metric_name(original)[: MAX_NAME_CHARS - 9]}_{_digest(original)}"


def _digest(text: str) -> str:
    return f"{zlib.crc32(text.encode(errors='replace')):08x}"
