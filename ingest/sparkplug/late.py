"""Write messages that were held, in a transaction of their own turn."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy.orm import Session as Transaction

from ingest.adoption import adopt_channels
from ingest.faults import blames_payload
from ingest.formats.decoded import Decoded, Problem, Reason
from ingest.messages import Prepared
from ingest.sparkplug.nodes import Known, read_names
from ingest.sparkplug.outcomes import SetAside, Store
from ingest.sparkplug.readings import Reader
from ingest.store.base import Connection
from ingest.writer import Writer, refused


class Waited(Protocol):
    """A node's message, and what is to be done with it."""

    @property
    def node(self) -> Known: ...

    @property
    def outcome(self) -> Store | SetAside: ...


def write_late(transaction: Transaction, waited: Sequence[Waited], lock: threading.Lock) -> None:
    """Store held messages or set them aside; one that the database refuses does not take the others along."""
    group = [_prepared(transaction, each, lock) for each in waited]
    writer = Writer()  # of this transaction alone: nothing that is rolled back with it is remembered
    connection: Connection = transaction.connection().connection.driver_connection  # type: ignore[assignment]
    _store(connection, writer, group)
    for device_id, channels in writer.take_unbound().items():
        adopt_channels(transaction, device_id, channels, datetime.now(UTC))


def _prepared(transaction: Transaction, waited: Waited, lock: threading.Lock) -> Prepared:
    node, outcome = waited.node, waited.outcome
    message = outcome.arrival.message
    if isinstance(outcome, SetAside):
        nothing = Decoded(n=1, lost_samples=1, problems=[Problem(Reason.NO_BIRTH, outcome.detail)])
        return Prepared(message, node.serial, nothing)
    channel = outcome.arrival.topic.device
    names = node.names.get(channel)
    if names is None:
        found = read_names(transaction, node.id, channel)
        with lock:
            names = node.names.setdefault(channel, found)
    with lock:
        decoded = Reader(outcome, names).read()
        node.is_changed = node.is_changed or names.is_new
    return Prepared(message, node.serial, decoded)


def _store(connection: Connection, writer: Writer, group: Sequence[Prepared]) -> None:
    try:
        with connection.transaction():  # a savepoint
            writer.store(connection, group)
    except Exception as error:
        writer.forget()
        if not blames_payload(error):
            raise
        if len(group) == 1:
            text = f"{type(error).__name__}: {error}"
            with connection.transaction():
                writer.store(connection, [refused(group[0], text)])
            return
        half = len(group) // 2
        _store(connection, writer, group[:half])
        _store(connection, writer, group[half:])
