"""Keep the password and access files of a Mosquitto that somebody else runs, such as the one of compose.yaml."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from sqlalchemy.exc import SQLAlchemyError

from assets.base.db import Database
from gateway.supervise.mosquitto import access_list, hash_password, is_username
from gateway.supervise.progress import say
from ingest.devices import broker_credentials, credentials_stamp

LOOK_SECONDS = 1.0


def main() -> int:
    """Write the files whenever devices' credentials have changed; the broker's own script reloads them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="folder that the broker reads `passwords` and `acl` from")
    folder = parser.parse_args().folder
    service = urlsplit(os.environ["FOREWARN_BROKER_URL"])
    user, password = unquote(service.username or ""), hash_password(unquote(service.password or ""))
    if not user:
        print("FOREWARN_BROKER_URL names no user: write mqtt://USER:PASSWORD@HOST.", file=sys.stderr)
        return 1
    replace(folder / "acl", access_list(user))
    replace(folder / "passwords", f"{user}:{password}\n")  # the services may connect before the first device is there
    database = Database(os.environ["FOREWARN_DATABASE_URL"], pool_size=1)
    stamp: object = None
    while True:
        try:
            with database.as_service() as session:
                found = credentials_stamp(session)
                if found != stamp:
                    entries = sorted(broker_credentials(session).items())
                    lines = [f"{name}:{hashed}\n" for name, hashed in entries if is_username(name) and name != user]
                    replace(folder / "passwords", f"{user}:{password}\n{''.join(lines)}")
                    stamp = found
        except SQLAlchemyError as error:  # not migrated yet, or restarting: the present files stay in force
            say(f"The database cannot be asked for credentials now: {str(error).splitlines()[0]}")
            time.sleep(5)
        time.sleep(LOOK_SECONDS)


def replace(file: Path, text: str) -> None:
    """Replace a file at once; readable by the broker, which runs as another user in its own container."""
    unfinished = file.with_name(f"{file.name}.new")
    unfinished.write_text(text)
    unfinished.chmod(0o644)
    unfinished.rename(file)


if __name__ == "__main__":
    sys.exit(main())
