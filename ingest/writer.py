"""Store a group of telemetry messages in one transaction: batches, readings, ledger, quarantine."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from functools import lru_cache
from uuid import UUID

from edge_agent.wire import TELEMETRY, WireError, parse_topic
from ingest.formats import decode
from ingest.formats.decoded import URN, Decoded, Problem, Reason, Sample, Unreadable, excerpt_of
from ingest.formats.fast import read_fast
from ingest.messages import Message, Prepared, Receipt
from ingest.store import records
from ingest.store.base import Connection, Repeats, Row, Store
from ingest.store.blocks import PlacedBlock
from ingest.store.catalog import Catalog
from ingest.store.claims import Numbers, claim_batches
from ingest.store.postgres import PostgresStore
from ingest.store.units import in_series_units

_topic = lru_cache(maxsize=20_000)(parse_topic)  # the same few thousand come again and again


def prepare(message: Message) -> Prepared:
    """Decode one message; pure. What cannot be read becomes a problem, never an exception."""
    try:
        serial, leaf = _topic(message.topic)
    except WireError as error:
        return Prepared(message, "", Decoded(problems=[Problem(Reason.UNKNOWN_TOPIC, str(error))]))
    fast = read_fast(message.payload, serial, message.received_us) if leaf == TELEMETRY else None
    if fast is not None:
        return Prepared(message, serial, *fast)
    try:
        decoded = decode(leaf, message.payload, serial, message.received_us)
    except Unreadable as error:
        decoded = Decoded(problems=[Problem(error.reason, error.detail, samples=0)])
    return Prepared(message, serial, decoded)


def refused(each: Prepared, detail: str) -> Prepared:
    """Return a message that the database refused, as one that only goes to quarantine."""
    nothing = Decoded(each.decoded.boot, each.decoded.seq, each.decoded.first, each.decoded.n)
    nothing.lost_samples = nothing.n
    text = detail.replace("\x00", "").encode(errors="replace").decode()[:500]
    nothing.problems = [Problem(Reason.REFUSED, text, samples=nothing.n)]
    return Prepared(each.message, each.serial, nothing)


class Writer:
    """Writes groups over one connection at a time; remembers devices, streams and series between groups."""

    def __init__(self, store: Store | None = None) -> None:
        self._store = store or PostgresStore()
        self._catalog = Catalog()
        self._numbers = Numbers()

    def write(self, connection: Connection, group: Sequence[Prepared]) -> list[Receipt]:
        """Store a group in one transaction and commit it; return what may now be acknowledged to the devices.

        Any exception means that nothing of the group is known to be stored.
        """
        try:
            with connection.transaction():
                return self.store(connection, group)
        except BaseException:
            self.forget()
            raise

    def store(self, connection: Connection, group: Sequence[Prepared]) -> list[Receipt]:
        """Store a group within the caller's transaction; after a roll-back call `forget`."""
        for each in group:
            each.reset()
            self._identify(connection, each)
            if each.device is not None and not each.device.disabled:
                self._place(connection, each)
        self._claim(connection, group)
        fresh = [each for each in group if each.batch_id is not None]
        blocks = [
            each.placed_block._replace(batch_id=each.batch_id or 0) for each in fresh if each.placed_block is not None
        ]
        rows = [
            Row(stream_id, t_us, each.message.received_us, each.batch_id or 0, flags, quality, values)
            for each in fresh
            for stream_id, t_us, flags, quality, values in each.placed
        ]
        repeats = Repeats()
        if rows or blocks:
            repeats = self._store.insert(connection, rows, blocks)
            records.note_repeats(connection, repeats)
            records.update_streams(connection, rows, blocks)
        if fresh:
            records.update_devices(connection, fresh)
            records.update_boots(connection, fresh)
            records.count_repeats(connection, repeats)
            records.note_clocks(connection, fresh)
            records.add_events(connection, fresh)
        # What a repeat had wrong was recorded the first time; what is not acknowledged comes again.
        doubtful = [each for each in group if each.problems and not each.is_repeat and not _stays_with_device(each)]
        records.add_quarantine(connection, doubtful)
        return [
            Receipt(each.serial, each.decoded.boot, each.decoded.seq)
            for each in group
            if each.device is not None
            and each.decoded.boot is not None
            and each.decoded.seq is not None
            and not _stays_with_device(each)
        ]

    def forget(self) -> None:
        """Drop what is remembered of a transaction that was rolled back."""
        self._catalog.forget()
        self._numbers.forget()

    def forget_device(self, serial: str) -> None:
        """Drop what is remembered of a device that has just described itself anew."""
        self._catalog.forget_device(serial)

    def take_unbound(self) -> dict[UUID, set[str]]:
        """Return the sub-devices met for the first time that no asset has, for `adopt_channels` after the commit."""
        return self._catalog.take_unbound()

    def _identify(self, connection: Connection, each: Prepared) -> None:
        if not each.serial:
            return
        each.device = self._catalog.device(connection, each.serial)
        if each.device is None:
            each.problems = [Problem(Reason.UNKNOWN_DEVICE, f"no device {each.serial!r} is registered")]
        elif each.device.disabled:
            each.problems = [Problem(Reason.DISABLED_DEVICE, "the device is switched off")]

    def _place(self, connection: Connection, each: Prepared) -> None:
        """Find stream and slot of every value of one message."""
        assert each.device is not None
        if each.block is not None:
            if self._place_block(connection, each):
                return
            # A metric is new here, or is no number: whether a value is 1 or true matters now.
            each.decoded = decode(TELEMETRY, each.message.payload, each.serial, each.message.received_us)
            each.block = None
        refused: dict[tuple[Reason, str], Problem] = {}
        channel, stream = None, None
        for sample in each.decoded.samples:
            if sample.channel != channel:  # the samples of a message are mostly of one channel
                channel = sample.channel
                stream = self._catalog.stream(connection, each.device, self._channel(connection, each, channel))
            if stream is None:
                _count(refused, Reason.TOO_MANY_CHANNELS, "more sub-devices than a device may have", sample)
                each.lost += 1
                continue
            if sample.units or each.decoded.units or stream.converts:
                original = sample
                sample, mismatches = in_series_units(connection, stream, sample, each.decoded.units)
                for reason, detail in mismatches:
                    _count(refused, reason, detail, original)
            values, quality, troubles = self._catalog.place(connection, stream, sample)
            for reason, detail in troubles:
                _count(refused, reason, detail, sample)
            if values:
                each.placed.append((stream.id, sample.t_us, sample.flags, quality, values))
            else:
                each.lost += 1
        each.problems.extend(refused.values())

    def _place_block(self, connection: Connection, each: Prepared) -> bool:
        """Find the stream of a block; False when its samples must be placed one by one."""
        block, device = each.block, each.device
        assert block is not None
        assert device is not None
        channel = "" if block.channel == each.serial else block.channel
        stream = self._catalog.stream(connection, device, channel)
        plan = self._catalog.plan_of(stream, block.names) if stream is not None else None
        if stream is None or plan is None or plan.order is None:
            return False
        values, width = block.values, plan.width
        if not plan.is_straight:
            values = array("d", [values[at + i] for at in range(0, len(values), width) for i in plan.order])
        each.placed_block = PlacedBlock(
            stream.id, each.message.received_us, 0, block.times_us, block.flags, width, values
        )
        return True

    def _channel(self, connection: Connection, each: Prepared, channel: str) -> str:
        """Return the channel's own name; what the device calls itself is the device, and stands before the others."""
        if channel == each.serial:
            return ""
        if not channel.startswith(URN) or each.device is None:
            return channel
        own = self._catalog.own_name(connection, each.device, each.decoded.own_name)
        if own is not None and (channel == own or channel.startswith(f"{own}:")):
            return channel[len(own) + 1 :]
        return channel

    def _claim(self, connection: Connection, group: Sequence[Prepared]) -> None:
        """Make the batches' rows; a batch that is there already is a repeat and stores nothing."""
        keyed: dict[tuple[object, ...], Prepared] = {}
        plain: list[Prepared] = []
        for each in group:
            if each.device is None or each.device.disabled:
                continue
            if each.decoded.boot is None:
                plain += [each] if each.placed else []
                continue
            key = (each.serial, each.decoded.boot, each.decoded.seq)
            each.is_repeat = keyed.setdefault(key, each) is not each
        claim_batches(connection, self._numbers, [*keyed.values(), *plain])


def _stays_with_device(each: Prepared) -> bool:
    """True for a batch of a device that is switched off: unacknowledged it keeps it, and sends it when let in again."""
    return each.device is not None and each.device.disabled and each.decoded.boot is not None


def _count(found: dict[tuple[Reason, str], Problem], reason: Reason, detail: str, sample: Sample) -> None:
    key = (reason, detail)
    known = found.get(key)
    if known is not None:
        found[key] = known._replace(samples=known.samples + 1)
    else:
        found[key] = Problem(reason, detail, sample.position, excerpt_of(dict(sample.values)))
