"""One ingest worker: holds its share of the sessions at the brokers, and takes over those whose reader is gone."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from assets.base.db import Database
from ingest.brokers import broker_urls, place_of
from ingest.consumer import Consumer, Stopped
from ingest.leases import Leases
from ingest.link import client_id_of
from ingest.mapped import MappedTopics
from ingest.slots import SlotTopics
from ingest.sources import Source
from ingest.sparkplug.host import HostOptions
from ingest.sparkplug.lease import run_host

log = logging.getLogger(__name__)

LOOK_S = 0.5  # how often leases are looked at: a dead worker is followed within a second or two
AGAIN_MOST_S = 10.0  # before a reader that failed begins anew
DRAINED_S = 3.0  # a session that is not wanted any more is ended when nothing has come for so long
MAX_SLOTS = 32

Make = Callable[[threading.Event], Consumer]


@dataclass(slots=True)
class Reader:
    """One session at one broker, and the thread that reads it while we hold its lease."""

    name: str
    make: Make
    stop: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to read."""
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(self.stop,), name=f"reader-{self.name}", daemon=True)
        self.thread.start()

    def end(self) -> None:
        """Stop reading; what is not acknowledged stays with the broker."""
        self.stop.set()
        if self.thread is not None:
            self.thread.join(10)
            self.thread = None

    def _run(self, stop: threading.Event) -> None:
        """Whatever makes a reader fail, it begins anew, and no other reader stops."""
        failures = 0
        while not stop.is_set():
            try:
                with suppress(Stopped):
                    self.make(stop).run()
            except Exception:
                log.exception("the reader of %s failed; beginning anew", self.name)
            failures += 1
            stop.wait(random.uniform(0, min(AGAIN_MOST_S, 0.5 * 2 ** min(failures, 6))))


class Worker:
    """Runs until `stop` is set."""

    def __init__(
        self,
        database_url: str,
        broker_url: str,
        stop: threading.Event,
        on_subscribed: Callable[[], None] | None = None,
        *,
        slots: int = 1,
        sparkplug: HostOptions | None = None,
    ) -> None:
        self._sparkplug = sparkplug
        if not 0 < slots <= MAX_SLOTS:
            raise ValueError(f"there are 1 to {MAX_SLOTS} slots")
        self._database_url, self._broker_url = database_url, broker_url
        self._stop, self._told_subscribed, self._slots = stop, on_subscribed, slots
        self._leases = Leases(database_url)
        self._readers = {reader.name: reader for reader in self._all_readers()}
        self._running: dict[str, Reader] = {}

    def run(self) -> None:
        """Hold a fair share of the sessions; the Sparkplug host has a lease of its own."""
        host = threading.Thread(target=self._host, name="sparkplug-lease", daemon=True)
        host.start()
        try:
            while not self._stop.is_set():
                self._look()
                self._stop.wait(LOOK_S * random.uniform(0.8, 1.2))
        finally:
            for reader in self._running.values():
                reader.stop.set()
            for name in list(self._running):
                self._end(name)
            host.join(10)
            self._leases.close()

    def _look(self) -> None:
        held = self._leases.refresh()
        if held is None:
            return  # nobody can take what is ours either, and what we read waits for the database
        for name in [name for name in self._running if name not in held]:
            log.warning("another worker reads %s now", name)
            self._end(name)
        try:
            share = -(-len(self._readers) // self._leases.workers())
            for name in list(self._running)[share:]:
                self._end(name)  # another worker came
            for name in self._readers:
                if name not in self._running and len(self._running) < share and self._leases.take(name):
                    self._running[name] = self._readers[name]
                    self._running[name].start()
            if not self._running and self._told_subscribed is not None:
                self._told_subscribed()  # all is read by others: ready to take over
        except psycopg.Error as error:
            log.warning("leases cannot be taken: %s", error)

    def _end(self, name: str) -> None:
        reader = self._running.pop(name)
        reader.end()
        self._leases.give_back(name)

    def _host(self) -> None:
        # With several brokers the host is at the first one: edge nodes know one primary host.
        with suppress(Stopped):
            run_host(self._database_url, broker_urls(self._broker_url)[0], self._stop, options=self._sparkplug)

    def _all_readers(self) -> list[Reader]:
        urls = broker_urls(self._broker_url)
        readers = []
        for url in urls:
            place = f"-{place_of(url)}" if len(urls) > 1 else ""
            for number in range(self._slots):
                suffix = place + (f"-{number + 1}" if number else "")
                readers.append(Reader(f"devices{suffix}", self._device_reader(url, suffix, number, len(urls) == 1)))
            readers.append(Reader(f"mapped{place}", self._mapped_reader(url, place)))
        return readers

    def _device_reader(self, url: str, suffix: str, number: int, is_alone: bool) -> Make:
        def make(stop: threading.Event) -> Consumer:
            topics = SlotTopics(number, self._slots, is_alone=is_alone)
            client_id = client_id_of(url) + suffix
            if number == 0:
                self._retire_others(url, suffix)
            return Consumer(
                self._database_url,
                url,
                stop,
                self._told_subscribed,
                topics,
                client_id=client_id,
                forget_filters=topics.unwanted(),
            )

        return make

    def _mapped_reader(self, url: str, place: str) -> Make:
        def make(stop: threading.Event) -> Consumer:
            database = Database(self._database_url, pool_size=1)
            try:
                source: Source = MappedTopics(database)
            finally:
                database.dispose()
            client_id = client_id_of(url, source.name) + place
            return Consumer(self._database_url, url, stop, None, source, client_id=client_id)

        return make

    def _retire_others(self, url: str, suffix: str) -> None:
        """Empty and end sessions of slots beyond ours: there were more of them once, and their share is parked."""
        threading.Thread(target=self._retire, args=(url, suffix), name="retire-slots", daemon=True).start()

    def _retire(self, url: str, suffix: str) -> None:
        for number in range(self._slots, MAX_SLOTS):
            name = f"devices{suffix}-{number + 1}"
            try:
                if not self._leases.take(name):
                    return  # somebody still counts with more slots
            except psycopg.Error:
                return
            found = self._empty(url, f"{client_id_of(url)}{suffix}-{number + 1}", number)
            self._leases.give_back(name)
            if not found:
                return  # slots are numbered without a gap

    def _empty(self, url: str, client_id: str, number: int) -> bool | None:
        """Read what a session still holds, then end it; return whether the broker knew it."""
        topics, stop = SlotTopics(number, self._slots), threading.Event()
        consumer = Consumer(
            self._database_url,
            url,
            stop,
            None,
            topics,
            client_id=client_id,
            forget_filters=topics.unwanted(),
            ends_session=True,
        )
        thread = threading.Thread(target=_quietly, args=(consumer,), daemon=True)
        thread.start()
        while not self._stop.wait(0.1) and consumer.idle_s < DRAINED_S and consumer.found_session is not False:
            pass
        found = consumer.found_session
        stop.set()
        thread.join(10)
        return found


def _quietly(consumer: Consumer) -> None:
    with suppress(Stopped):
        consumer.run()


def run_ingest(
    database_url: str,
    broker_url: str,
    stop: threading.Event,
    on_subscribed: Callable[[], None] | None = None,
    *,
    slots: int = 1,
    sparkplug: HostOptions | None = None,
) -> None:
    """Run the role until `stop` is set; `on_subscribed` is called whenever a broker has taken our subscriptions."""
    Worker(database_url, broker_url, stop, on_subscribed, slots=slots, sparkplug=sparkplug).run()
