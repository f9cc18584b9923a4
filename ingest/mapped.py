"""Topics of any kind that mappings declare: read over a connection of their own, decoded by the mapping's rules."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from assets.base.db import Database
from assets.base.errors import Invalid
from ingest.formats.decoded import Decoded, Problem, Reason, Unreadable
from ingest.formats.mapped import MappedFormat
from ingest.mapping_models import Mapping
from ingest.mappings import MAX_HEARD, RESERVED, keep_heard, parse_rules, widest
from ingest.messages import Message, Prepared, moment
from ingest.models import Device
from ingest.sources import Publish, Subscription, Will
from ingest.topic_filters import matches, rank

log = logging.getLogger(__name__)

MAX_HEARD_BYTES = 16 * 1024  # of one message that is kept to be looked at
MAX_TOPICS = 20_000  # whose mapping is remembered


@dataclass(slots=True)
class _Heard:
    """What has happened since it was last written down."""

    received: int = 0
    stored: int = 0
    problems: int = 0
    last_us: int = 0
    messages: deque[Message] = field(default_factory=lambda: deque(maxlen=MAX_HEARD))


@dataclass(frozen=True, slots=True)
class _Active:
    """A mapping in force; `reader` None: switched off, only listened to."""

    id: UUID
    username: str
    topic_filter: str
    reader: MappedFormat | None


class MappedTopics:
    """Reads what mappings declare. Of several that match a message the most specific filter's reads it, alone."""

    name = "mapped"
    clean_session = False

    def __init__(self, database: Database) -> None:
        self._lock = threading.Lock()  # the decoder counts while the consumer's tick writes down and reloads
        self._active: list[_Active] = []  # the most specific filter first
        self._by_topic: dict[str, _Active | None] = {}
        self._heard: dict[UUID, _Heard] = {}
        self._stamp: object = None
        with database.as_service() as session:
            self._load(session)

    def subscriptions(self) -> Sequence[Subscription]:
        """Return the widest filters of all mappings; those switched off are listened to as well."""
        # Not retained ones: a reading that the broker keeps would be stored anew at each start of ours.
        return [Subscription(each) for each in widest(active.topic_filter for active in self._active)]

    def will(self) -> Will | None:
        """None: nobody waits for us."""
        return None

    def connected(self, publish: Publish) -> None:
        """Nothing to say."""

    def leaving(self, publish: Publish) -> None:
        """Nothing to say."""

    def prepare(self, message: Message) -> Prepared:
        """Read one message by the rules of its mapping; nothing is stored of topics that nobody maps."""
        active = self._mapping_of(message.topic)
        if active is None:
            return Prepared(message, "", Decoded())
        decoded = _read(active.reader, message) if active.reader is not None else Decoded()
        with self._lock:
            heard = self._heard.setdefault(active.id, _Heard())
            heard.received += 1
            heard.stored += len(decoded.samples)
            heard.problems += sum(max(problem.samples, 1) for problem in decoded.problems)
            heard.last_us = max(heard.last_us, message.received_us)
            heard.messages.append(message._replace(payload=message.payload[:MAX_HEARD_BYTES]))
        return Prepared(message, active.username if active.reader is not None else "", decoded)

    def control(self, session: Session, message: Message) -> str | None:
        """Never called: all that comes is telemetry."""
        return None

    def tick(self, session: Session, publish: Publish) -> None:
        """Write down what was heard, and notice mappings that were made, changed or removed."""
        with self._lock:
            heard, self._heard = self._heard, {}
        for mapping_id, each in sorted(heard.items()):
            _write_down(session, mapping_id, each)
        self._load(session)

    def _mapping_of(self, topic: str) -> _Active | None:
        with self._lock:
            if topic in self._by_topic:
                return self._by_topic[topic]
            active = None
            if topic.split("/")[0] not in RESERVED:
                active = next((each for each in self._active if matches(each.topic_filter, topic)), None)
            if len(self._by_topic) >= MAX_TOPICS:
                self._by_topic.clear()
            self._by_topic[topic] = active
            return active

    def _load(self, session: Session) -> None:
        rows = session.execute(select(Mapping.id, Mapping.version).order_by(Mapping.id)).all()
        if rows == self._stamp:
            return
        found = session.execute(
            select(Mapping, Device.serial).join(Device, Device.id == Mapping.device_id).order_by(Mapping.id)
        )
        active = sorted(
            (_activate(mapping, serial) for mapping, serial in found), key=lambda each: rank(each.topic_filter)
        )
        with self._lock:
            self._active, self._by_topic = active, {}
        self._stamp = rows


def _activate(mapping: Mapping, username: str) -> _Active:
    reader = None
    if mapping.enabled:
        try:
            reader = MappedFormat(parse_rules(mapping.rules))
        except Invalid as error:  # rules of a later version of ours: listen, and say so
            log.error("mapping %s is not in force: %s", mapping.name, error)
    return _Active(mapping.id, username, mapping.topic_filter, reader)


def _read(reader: MappedFormat, message: Message) -> Decoded:
    try:
        return reader.read(message.topic, message.payload, message.received_us)
    except Unreadable as error:
        return Decoded(problems=[Problem(error.reason, error.detail, samples=0)])
    except Exception as error:
        # Rules are data: whatever they lead to must not stop the stream.
        log.exception("rules failed on %s", message.topic)
        return Decoded(
            problems=[Problem(Reason.UNREADABLE, f"{type(error).__name__} in the mapping's rules", samples=0)]
        )


def _write_down(session: Session, mapping_id: UUID, heard: _Heard) -> None:
    counts: dict[str, Any] = {
        "received": Mapping.received + heard.received,
        "stored": Mapping.stored + heard.stored,
        "problems": Mapping.problems + heard.problems,
        "last_received_at": moment(heard.last_us),
    }
    changed = update(Mapping).where(Mapping.id == mapping_id).values(counts).returning(Mapping.organisation_id)
    owner = session.execute(changed).scalar()
    if owner is not None:  # else it was removed meanwhile
        messages = [(each.topic[:300], each.payload, moment(each.received_us)) for each in heard.messages]
        keep_heard(session, mapping_id, owner, messages)
