"""Renew the device's key well before its certificate expires, in a thread of its own, until it is done."""

from __future__ import annotations

import base64
import logging
import threading
import time
from pathlib import Path

from edge_agent.asking import AskFailed, post
from edge_agent.clock import now_ms
from edge_agent.config import Config
from edge_agent.identity import (
    CURRENT,
    PENDING,
    PREVIOUS,
    Facts,
    IdentityUnusable,
    forget_pending,
    install,
    moment_ms,
    pending_request,
    read_facts,
)
from edge_agent.keys import KeyFailed, sign
from edge_agent.link import BrokerAddress, Problem
from edge_agent.publisher import Publisher

log = logging.getLogger(__name__)

COMMAND = "renew_identity"
FIRST_RETRY_S = 60.0
LONGEST_RETRY_S = 3600.0
LOOK_S = 5.0
EARLIEST_CLOCK_MS = 1_735_689_600_000  # 2025-01-01: before that the clock was never set
_REFUSED = "certificate_refused"


def renew(folder: Path, serial: str, server: str, ca_file: str | None) -> Facts:
    """Get a certificate for a new key and make it the identity in this folder.

    Raise AskFailed, KeyFailed or IdentityUnusable; then the present identity is as it was, and the next attempt uses
    the same new key, so that an answer that was lost is given again.
    """
    current, pending = folder / CURRENT, folder / PENDING
    if pending.exists() and pending.read_text().strip() in current.read_text():
        forget_pending(folder)  # left over from what was cut off: this key is in use already
    csr = pending_request(folder)
    signature = base64.b64encode(sign(current, csr.encode())).decode()
    question = {"serial": serial, "csr": csr, "signature": signature}
    try:
        body = post(f"{server.rstrip('/')}/api/v1/devices/renew", question, ca_file)
    except AskFailed as error:
        if error.status == 422:
            forget_pending(folder)
        raise
    try:
        facts = Facts(serial, moment_ms(body["not_after"]), moment_ms(body["renew_at"]))
        certificate = str(body["certificate"])
    except (KeyError, ValueError) as error:
        raise AskFailed(f"{server} answered the renewal with something else: {error}") from error
    install(folder, certificate, facts)
    forget_pending(folder)
    return facts


class Keeper:
    """Looks after the identity of a running agent; `tick` is called about twice a second and never waits."""

    def __init__(self, config: Config, publisher: Publisher) -> None:
        self._config, self._publisher = config, publisher
        self._file = Path(config.identity_file) if config.identity_file else None
        self._facts = read_facts(self._file) if self._file else None
        self._is_asked = False
        self._thread: threading.Thread | None = None
        self._due = self._look_due = 0.0
        self._retry_s = FIRST_RETRY_S
        self._refused_fingerprint = ""
        self.problem: Problem | None = None

    def ask(self) -> bool:
        """Renew now, as the server wishes; False when this device has no certificate."""
        self._is_asked, self._due, self._retry_s = True, 0.0, FIRST_RETRY_S
        return self._file is not None

    def tick(self) -> None:
        """Begin a renewal when one is due; go back to the certificate before when the new one is refused."""
        now = time.monotonic()
        if self._file is None or now < self._look_due or (self._thread is not None and self._thread.is_alive()):
            return
        self._look_due = now + (0.0 if self._is_asked else LOOK_S)
        self._try_the_other()
        if now >= self._due and self._is_due():
            self._due = now + self._retry_s
            self._retry_s = min(self._retry_s * 2, LONGEST_RETRY_S)
            self._thread = threading.Thread(target=self._renew, args=(self._file.parent,), name="renewal", daemon=True)
            self._thread.start()

    def _is_due(self) -> bool:
        """By the server's word, or by its clock as far as we know it; a clock that was never set decides nothing."""
        if self._is_asked or _REFUSED in self._publisher.status.problems:
            return True
        offset_ms = self._publisher.status.offset_ms
        now = now_ms() + (offset_ms or 0)
        is_known = offset_ms is not None or now > EARLIEST_CLOCK_MS
        return self._facts is not None and is_known and now >= self._facts.renew_at

    def _renew(self, folder: Path) -> None:
        try:
            self._facts = renew(folder, self._config.serial, self._config.http or "", self._config.http_ca_file)
        except (AskFailed, KeyFailed, IdentityUnusable, OSError) as error:
            self.problem = Problem("renewal_failed", f"the certificate could not be renewed: {error}")
            log.warning("%s", self.problem.text)
            if isinstance(error, AskFailed) and error.status in (403, 404):
                self._is_asked = False  # asking again without being told to would change nothing
            return
        log.info("the certificate is renewed; the connection is made anew with it")
        self.problem, self._is_asked, self._retry_s, self._due = None, False, FIRST_RETRY_S, 0.0
        self._publisher.use(self._address(folder / CURRENT))

    def _try_the_other(self) -> None:
        """A new certificate that the broker refuses (its server was restored from a backup) must not lock us out."""
        assert self._file is not None
        previous = self._file.with_name(PREVIOUS)
        refused = self._publisher.status.problems.get(_REFUSED)
        if refused is None or not previous.exists() or self._refused_fingerprint == refused.text:
            self._refused_fingerprint = refused.text if refused else ""
            return
        self._refused_fingerprint = refused.text
        now_used = self._publisher.broker.identity_file
        other = previous if now_used == str(self._file) else self._file
        self._publisher.use(self._address(other))

    def _address(self, file: Path) -> BrokerAddress:
        address = self._config.broker
        return BrokerAddress(
            address.host, address.port, address.username, address.password, address.tls, address.ca_file, str(file)
        )
