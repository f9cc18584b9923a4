"""What the broker must know of devices, read from the database; and who has to leave it after a change."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from assets.base.db import Database
from gateway.supervise.broker_tls import CRL_FILE, numbers_in, read
from gateway.supervise.mosquitto import EmbeddedMosquitto
from gateway.supervise.progress import say
from ingest.devices import broker_credentials, credentials_stamp
from ingest.eviction import end_connections
from ingest.identity import Refused, refused_certificates, refused_stamp
from ingest.rights import BrokerRight, broker_rights

RELOADED_S = 1.0  # within which Mosquitto has read its files again after the signal; measured: 10 ms
CERTIFICATE_CHECK_S = 3600.0
AGAIN_S = 3.0  # a second time, for a device that came back before the reload


@dataclass(frozen=True)
class Access:
    """Accounts with password hashes, rights beyond a device's own subtree, certificates to refuse."""

    passwords: Mapping[str, str]
    rights: tuple[BrokerRight, ...]
    refused: tuple[Refused, ...]

    @property
    def refused_numbers(self) -> list[str]:
        """Serial numbers of the refused certificates."""
        return [each.serial_number for each in self.refused]


def read_access(session: Session, now: datetime) -> Access:
    """Read everything; cheap next to what the broker does with it."""
    return Access(broker_credentials(session), tuple(broker_rights(session)), tuple(refused_certificates(session, now)))


def access_stamp(session: Session) -> object:
    """Return what changes whenever `read_access` may have; cheap enough to ask every second."""
    return credentials_stamp(session), refused_stamp(session), tuple(broker_rights(session))


class Evictions:
    """Remembers which certificates the broker refuses already: the holder of another one is connected perhaps."""

    def __init__(self, known: Iterable[str]) -> None:
        self._known = set(known)

    def newly_refused(self, access: Access) -> dict[str, bool]:
        """Return the devices whose connection must end now; True when they may not come back."""
        new = [each for each in access.refused if each.serial_number not in self._known]
        self._known = set(access.refused_numbers)
        return {each.device_serial: not each.is_active for each in new}


class BrokerKeeper:
    """Keeps our own broker's files as the database says; asked about once a second."""

    def __init__(self, mosquitto: EmbeddedMosquitto) -> None:
        self._mosquitto = mosquitto
        self._evictions = Evictions(numbers_in(read(mosquitto.home / CRL_FILE)))
        self._stamp: object = None
        self._certificate_due = 0.0

    def sync(self, database: Database, now: datetime) -> object:
        """Let the broker know what has changed, and end what was revoked; return the present stamp."""
        with database.as_service() as session:
            stamp = access_stamp(session)
            access = read_access(session, now) if stamp != self._stamp else None
        if access is not None:
            self._mosquitto.set_access(access.passwords, access.rights, access.refused_numbers, now)
            evict(self._mosquitto.url, self._evictions.newly_refused(access))
            self._stamp = stamp
        if time.monotonic() > self._certificate_due:
            self._certificate_due = time.monotonic() + CERTIFICATE_CHECK_S
            self._mosquitto.renew_certificate(now)
        return stamp


def evict(broker_url: str, devices: Mapping[str, bool], wait_s: float = RELOADED_S) -> threading.Thread | None:
    """End the connections of these devices when the broker has read its files; in a thread, for it may take a while."""
    if not devices:
        return None

    def work() -> None:
        time.sleep(wait_s)
        failed = end_connections(broker_url, devices)
        gone = {serial: True for serial, is_gone in devices.items() if is_gone or serial in failed}
        if gone:
            time.sleep(AGAIN_S)
            failed = end_connections(broker_url, gone)
        if failed:
            say(f"The broker keeps the connection of {failed[0]!r} and {len(failed) - 1} more: see its log.")

    thread = threading.Thread(target=work, name="evictions", daemon=True)
    thread.start()
    return thread
