"""Whose fault is an error: the payload's, which would be refused again, or the server's, which passes."""

from __future__ import annotations

import psycopg
from sqlalchemy.exc import DBAPIError

# Value errors (22), broken constraints (23), beyond a limit of the database (54). Everything else (connection, disk,
# rights, a missing table, a deadlock) is the server's and passes: messages wait for that.
_PAYLOAD_CLASSES = ("22", "23", "54")


def blames_payload(error: BaseException) -> bool:
    """True when the same message would be refused again, whatever the state of the server."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        return True  # not the database at all: a value that our own code cannot handle
    if isinstance(cause, psycopg.DataError) and cause.sqlstate is None:
        return True  # refused by the driver: it cannot even be sent
    return (cause.sqlstate or "")[:2] in _PAYLOAD_CLASSES
