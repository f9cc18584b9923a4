"""`forewarn up` with HTTPS: the printed addresses work, and an open event stream does not hold up the stop."""

from __future__ import annotations

import re
import socket
import ssl
from pathlib import Path

import pytest

from tests.journeys.conftest import free_port, start_service, stop_service

pytestmark = [pytest.mark.journey, pytest.mark.timeout(300)]


def test_printed_secure_address_answers_and_the_stop_is_as_fast_as_ever(own_folder: Path) -> None:
    port = free_port()
    running = start_service(own_folder / "https", free_port(), variables={"FOREWARN_HTTPS": f"127.0.0.1:{port}"})
    try:
        assert f"https://127.0.0.1:{port}" in running.printed
        assert f"{running.base}/trust" in running.printed
        desk = running.desk
        cookie = "; ".join(f"{each.name}={each.value}" for each in desk.jar)
        trusting = ssl.create_default_context(cafile=str(running.data / "ca" / "ca.crt"))
        with (
            socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
            trusting.wrap_socket(plain, server_hostname="localhost") as secured,
        ):
            secured.sendall(f"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie}\r\n\r\n".encode())
            answer = b""
            while b"retry: 3000" not in answer:
                received = secured.recv(4096)
                assert received, answer
                answer += received
            assert re.match(rb"HTTP/1.1 200 ", answer)
            assert stop_service(running.process) < 5
        assert running.process.returncode == 0
    finally:
        stop_service(running.process)
