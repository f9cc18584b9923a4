"""A mailbox on a socket: as much of IMAP4rev1 as a reader of new mail asks for."""

from __future__ import annotations

import re
import socketserver
import threading
from typing import Any


class ImapServer:
    """Holds mails by their number; `seen` are those that a reader marked."""

    def __init__(self, user: str, password: str) -> None:
        self.user, self.password = user, password
        self.mails: dict[int, bytes] = {}
        self.seen: set[int] = set()
        self.validity, self.following = 1, 1
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Talk, bind_and_activate=True)
        self._server.daemon_threads = True
        self._server.box = self  # type: ignore[attr-defined]
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    def __enter__(self) -> ImapServer:
        self._thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def add(self, raw: bytes) -> None:
        """Deliver a mail."""
        self.mails[self.following] = raw
        self.following += 1

    def renumber(self) -> None:
        """Give all mails new numbers, as a server does that was restored."""
        self.validity += 1
        self.mails = {number + 100: raw for number, raw in enumerate(self.mails.values())}
        self.following = max(self.mails, default=99) + 1


class _Talk(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        self._say(b"* OK here")
        for line in self.rfile:
            tag, _, command = line.strip().partition(b" ")
            done = self._answer(command.decode())
            self._say(tag + b" " + done)
            if command.upper().startswith(b"LOGOUT"):
                return

    def _answer(self, command: str) -> bytes:
        box: ImapServer = self.server.box  # type: ignore[attr-defined]
        upper = command.upper()
        if upper.startswith("CAPABILITY"):
            self._say(b"* CAPABILITY IMAP4rev1")
        elif upper.startswith("LOGIN"):
            said = re.findall(r'"([^"]*)"|(\S+)', command)[1:]
            if [one or other for one, other in said] != [box.user, box.password]:
                return b"NO wrong"
        elif upper.startswith("SELECT"):
            self._say(b"* %d EXISTS" % len(box.mails))
        elif upper.startswith("STATUS"):
            self._say(b'* STATUS "INBOX" (UIDVALIDITY %d UIDNEXT %d)' % (box.validity, box.following))
        elif upper.startswith("UID SEARCH UID"):
            first = int(re.findall(r"(\d+):\*", command)[0])
            last = max(box.mails, default=0)
            # `n:*` names the last mail even when n is beyond it.
            found = [number for number in box.mails if number >= first or number == last]
            self._say(b"* SEARCH " + b" ".join(b"%d" % number for number in found))
        elif upper.startswith("UID SEARCH SINCE"):
            assert re.search(r"SINCE \d{1,2}-[A-Z][a-z]{2}-\d{4}$", command), command
            self._say(b"* SEARCH " + b" ".join(b"%d" % number for number in box.mails))
        elif upper.startswith("UID FETCH"):
            number = int(command.split()[2])
            raw = box.mails[number]
            if "BODY.PEEK" in upper:
                self._say(b"* 1 FETCH (UID %d BODY[] {%d}" % (number, len(raw)))
                self.wfile.write(raw)
                self._say(b")")
            else:
                self._say(b"* 1 FETCH (UID %d RFC822.SIZE %d)" % (number, len(raw)))
        elif upper.startswith("UID STORE"):
            box.seen.add(int(command.split()[2]))
        return b"OK done"

    def _say(self, line: bytes) -> None:
        self.wfile.write(line + b"\r\n")
        self.wfile.flush()
