"""Read mailboxes by IMAP: what is new since last time, each mail in a transaction of its own, none taken twice."""

from __future__ import annotations

import imaplib
import logging
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from sqlalchemy import or_, select

from assets.base.db import Database
from gateway.mail.taking import take
from gateway.notify.webhook_rules import Networks, reachable
from gateway.settings import Settings
from ticketing.channels.mail_reading import MAX_MAIL
from ticketing.channels.tables import Channel

log = logging.getLogger(__name__)

EVERY = timedelta(seconds=30)
AT_ONCE = 10  # mailboxes in one go
BATCH = 50  # mails of one mailbox in one go
TIME_OUT_S = 20
BACK = timedelta(days=3)  # so far back is looked when a server has numbered its mails anew
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


class NotRead(Exception):
    """A mailbox that cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a mailbox is, and how far it has been read."""

    channel_id: UUID
    settings: dict[str, Any]
    password: str
    progress: dict[str, Any]


def poll_mailboxes(database: Database, settings: Settings, now: datetime) -> int:
    """Read the mailboxes that are due; return how many mails were taken."""
    taken = 0
    for box in _due(database, now):
        error: str | None = None
        try:
            taken += _poll(database, settings, box, now)
        except (NotRead, OSError, imaplib.IMAP4.error, ValueError) as wrong:
            error = f"{type(wrong).__name__}: {wrong}"[:500]
            log.warning("mailbox of channel %s: %s", box.channel_id, error)
        with database.as_service() as session:
            channel = session.get(Channel, box.channel_id, with_for_update=True)
            if channel is not None:
                channel.error = error
    return taken


def _due(database: Database, now: datetime) -> list[Box]:
    with database.as_service() as session:
        wanted = select(Channel).where(
            Channel.kind == "mail",
            Channel.enabled,
            Channel.password.is_not(None),
            Channel.settings["imap_host"].astext.is_not(None),
            or_(Channel.tried_at.is_(None), Channel.tried_at <= now - EVERY),
        )
        found = []
        for channel in session.scalars(
            wanted.order_by(Channel.tried_at).limit(AT_ONCE).with_for_update(skip_locked=True)
        ):
            channel.tried_at = now
            found.append(Box(channel.id, dict(channel.settings), channel.password or "", dict(channel.progress)))
        return found


def _poll(database: Database, settings: Settings, box: Box, now: datetime) -> int:
    taken = 0
    with _opened(box, settings.webhook_allowed) as server:
        validity, following = _status(server, box.settings["imap_folder"])
        last = box.progress.get("last_uid")
        if last is None:  # what was there before the channel stays there
            _note(database, box.channel_id, validity, following - 1)
            return 0
        anew = box.progress.get("validity") != validity
        criteria = f"SINCE {imaplib.Time2Internaldate(now - BACK)[1:12].strip()}" if anew else f"UID {last + 1}:*"
        uids = sorted(uid for uid in _uids(server, criteria) if anew or uid > last)
        for uid in uids[:BATCH]:
            raw = _fetched(server, uid)
            with database.as_service() as session:
                channel = session.get(Channel, box.channel_id, with_for_update=True)
                if channel is None or not channel.enabled:
                    return taken
                if raw is not None:
                    take(session, settings, channel, raw, now)
                    taken += 1
                channel.progress = {"validity": validity, "last_uid": max(uid, 0 if anew else last)}
            server.uid("STORE", str(uid), "+FLAGS", r"(\Seen)")  # a courtesy to people who look into the mailbox
        if anew and not uids:
            _note(database, box.channel_id, validity, following - 1)
    return taken


@contextmanager
def _opened(box: Box, allowed: Networks) -> Iterator[imaplib.IMAP4]:
    host, port = str(box.settings["imap_host"]), int(box.settings["imap_port"])
    _check_place(host, port, allowed)
    secure = ssl.create_default_context()
    server: imaplib.IMAP4
    if box.settings["imap_security"] == "tls":
        server = imaplib.IMAP4_SSL(host, port, ssl_context=secure, timeout=TIME_OUT_S)
    else:
        server = imaplib.IMAP4(host, port, timeout=TIME_OUT_S)
    try:
        if box.settings["imap_security"] == "starttls":
            server.starttls(secure)
        server.login(str(box.settings.get("imap_user") or box.settings["address"]), box.password)
        yield server
    finally:
        try:
            server.logout()
        except (OSError, imaplib.IMAP4.error):
            log.debug("the mailbox hung up first")


def _check_place(host: str, port: int, allowed: Networks) -> None:
    """An administrator of one organisation does not look around in the network that the server stands in."""
    for _, _, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        if not reachable(ip_address(str(place[0]).partition("%")[0]), allowed):
            raise NotRead("private addresses are not read from, unless FOREWARN_WEBHOOK_NETWORKS names them")


def _status(server: imaplib.IMAP4, folder: str) -> tuple[int, int]:
    quoted = '"' + folder.replace("\\", "\\\\").replace('"', '\\"') + '"'
    kind, _ = server.select(quoted)
    if kind != "OK":
        raise NotRead(f"there is no folder {folder}")
    kind, told = server.status(quoted, "(UIDVALIDITY UIDNEXT)")
    numbers = dict(
        re.findall(rb"(UIDVALIDITY|UIDNEXT) (\d+)", b" ".join(each for each in told if isinstance(each, bytes)))
    )
    if kind != "OK" or len(numbers) != 2:
        raise NotRead("the server does not say how its mails are numbered")
    return int(numbers[b"UIDVALIDITY"]), int(numbers[b"UIDNEXT"])


def _uids(server: imaplib.IMAP4, criteria: str) -> list[int]:
    kind, told = server.uid("SEARCH", *criteria.split(" ", 1))
    if kind != "OK":
        raise NotRead("the mailbox cannot be searched")
    return [int(each) for each in (told[0] or b"").split() if each.isdigit()]


def _fetched(server: imaplib.IMAP4, uid: int) -> bytes | None:
    """Return the mail; None for one that is too large, or gone."""
    _, told = server.uid("FETCH", str(uid), "(RFC822.SIZE)")
    size = _SIZE.search(b" ".join(each for each in told if isinstance(each, bytes)))
    if size is None or int(size.group(1)) > MAX_MAIL:
        log.warning("mail %s is gone or too large", uid)
        return None
    _, told = server.uid("FETCH", str(uid), "(BODY.PEEK[])")
    return next((bytes(each[1]) for each in told if isinstance(each, tuple)), None)


def _note(database: Database, channel_id: UUID, validity: int, last: int) -> None:
    with database.as_service() as session:
        channel = session.get(Channel, channel_id, with_for_update=True)
        if channel is not None:
            channel.progress = {"validity": validity, "last_uid": max(0, last)}
