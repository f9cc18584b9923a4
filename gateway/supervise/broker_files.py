"""Keep the files of a Mosquitto that somebody else runs, such as the one of compose.yaml, and end what was revoked."""

from __future__ import annotations

import argparse
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy.exc import SQLAlchemyError

from assets.base.db import Database
from gateway.ca import Authority
from gateway.settings import Settings
from gateway.supervise.access import Access, Evictions, access_stamp, evict, read_access
from gateway.supervise.access_list import access_list, is_username
from gateway.supervise.broker_tls import CRL_FILE, BrokerTls, numbers_in, read
from gateway.supervise.mosquitto import hash_password
from gateway.supervise.progress import say
from ingest.eviction import offline_sessions

LOOK_SECONDS = 1.0
RELOAD_SECONDS = 3.0  # the broker's script looks at the files once a second
RENEWAL_SECONDS = 3600.0


def main() -> int:
    """Write the files whenever devices' credentials have changed; the broker's own script reloads them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder that the broker reads its files from")
    folder = parser.parse_args().folder
    url = os.environ["FOREWARN_BROKER_URL"]
    service = urlsplit(url)
    user, password = unquote(service.username or ""), hash_password(unquote(service.password or ""))
    if not user:
        print("FOREWARN_BROKER_URL names no user: write mqtt://USER:PASSWORD@HOST.", file=sys.stderr)
        return 1
    keeper = Files(folder, user, password)
    keeper.begin(Settings())
    database = Database(os.environ["FOREWARN_DATABASE_URL"], pool_size=1)
    stamp: object = None
    renewed_at = time.monotonic()
    while True:
        try:
            with database.as_service() as session:
                found = access_stamp(session)
                access = read_access(session, datetime.now(UTC)) if found != stamp else None
            if access is not None:
                evict(url, keeper.write(access, url), RELOAD_SECONDS)
                stamp = found
        except SQLAlchemyError as error:  # not migrated yet, or restarting: the present files stay in force
            say(f"The database cannot be asked for credentials now: {str(error).splitlines()[0]}")
            time.sleep(5)
        if time.monotonic() - renewed_at > RENEWAL_SECONDS:
            keeper.renew(url)
            renewed_at = time.monotonic()
        time.sleep(LOOK_SECONDS)


class Files:
    """The folder that the broker reads: accounts, access list and, with an authority, its TLS files."""

    def __init__(self, folder: Path, user: str, password_hash: str) -> None:
        self.folder, self.user = folder, user
        self._own_line = f"{user}:{password_hash}\n"
        self._tls: BrokerTls | None = None
        self._evictions = Evictions(())

    def begin(self, settings: Settings) -> None:
        """Write what the broker needs to start: the services may connect before the first device is there."""
        if settings.public_broker_tls:
            authority = Authority.of(settings, datetime.now(UTC))
            host = urlsplit(settings.public_broker_tls).hostname or "localhost"
            self._tls = BrokerTls(authority, sorted({host, "localhost"}))
            self._tls.prepare(self.folder, self._write, datetime.now(UTC))
            self._evictions = Evictions(numbers_in(read(self.folder / CRL_FILE)))
        self._write("acl", access_list(self.user))
        self._write("passwords", self._own_line)
        self._write("how", "reload 0\n")

    def write(self, access: Access, url: str) -> dict[str, bool]:
        """Write what has changed and have it read; return whose connection must end."""
        entries = sorted(access.passwords.items())
        lines = [f"{name}:{hashed}\n" for name, hashed in entries if is_username(name) and name != self.user]
        changed = self._replace("acl", access_list(self.user, access.rights))
        if self._tls is not None:
            changed |= self._tls.refuse(self.folder, self._write, access.refused_numbers, datetime.now(UTC))
        changed |= self._replace("passwords", self._own_line + "".join(lines))
        if changed:
            self._ask_to_read(url)
        return self._evictions.newly_refused(access) if self._tls is not None else {}

    def renew(self, url: str) -> None:
        """Make the broker's certificate anew when it is due."""
        if self._tls is not None and self._tls.renew(self.folder, self._write, datetime.now(UTC)):
            self._ask_to_read(url)

    def _ask_to_read(self, url: str) -> None:
        """Tell the broker's script: by a signal, or by a restart where a signal is not safe (see EmbeddedMosquitto)."""
        is_safe = self._tls is None or offline_sessions(url) == 0
        self._write("how", f"{'reload' if is_safe else 'restart'} {time.time_ns()}\n")

    def _replace(self, name: str, text: str) -> bool:
        if read(self.folder / name) == text.encode():
            return False
        self._write(name, text)
        return True

    def _write(self, name: str, text: str) -> None:
        """Replace a file at once; readable by the broker, which runs as another user in its own container."""
        unfinished = self.folder / f"{name}.new"
        unfinished.write_text(text)
        unfinished.chmod(0o644)
        unfinished.rename(self.folder / name)


if __name__ == "__main__":
    sys.exit(main())
