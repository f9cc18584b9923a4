"""Who asks is told by trusted proxies alone, so that one address's bound is neither shared nor dodged."""

from __future__ import annotations

from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from pydantic import ValidationError

from gateway.public_limit import BURST, PublicLimit
from gateway.serve import common
from gateway.settings import Settings


def caller(peer: str, forwarded: str, **named: Any) -> str:
    """Return the address that the application sees of a request from `peer`."""
    app = FastAPI()

    @app.get("/who")
    def who(request: Request) -> str:
        return request.client.host if request.client else ""

    return str(client(app, peer, **named).get("/who", headers={"X-Forwarded-For": forwarded}).json())


def client(app: FastAPI, peer: str, **named: Any) -> TestClient:
    config = uvicorn.Config(app, **common(Settings(**named)))
    config.load()
    return TestClient(config.loaded_app, client=(peer, 50000))


@pytest.mark.parametrize(
    ("peer", "forwarded", "named", "seen"),
    [
        ("127.0.0.1", "203.0.113.7", {}, "203.0.113.7"),
        ("127.0.0.1", "198.51.100.1, 203.0.113.7", {}, "203.0.113.7"),  # the first may be made up by the caller
        ("192.0.2.1", "203.0.113.7", {}, "192.0.2.1"),
        ("10.0.0.5", "203.0.113.7", {"trusted_proxies": "10.0.0.0/8, ::1"}, "203.0.113.7"),
        ("127.0.0.1", "203.0.113.7", {"trusted_proxies": ""}, "127.0.0.1"),
    ],
)
def test_only_trusted_proxies_say_who_asks(peer: str, forwarded: str, named: dict[str, Any], seen: str) -> None:
    assert caller(peer, forwarded, **named) == seen


def test_callers_of_one_proxy_have_bounds_of_their_own() -> None:
    app = FastAPI()
    app.add_middleware(PublicLimit)
    asked = client(app, "127.0.0.1")

    def status(address: str) -> int:
        return int(asked.get("/a/x", headers={"X-Forwarded-For": address}).status_code)

    for _ in range(BURST * 5):
        if status("203.0.113.7") == 429:
            break
    else:
        pytest.fail("no bound")
    assert status("203.0.113.8") == 404


@pytest.mark.parametrize("wrong", ["*", "proxy.example.org", "10.0.0.1/8", "10.0.0.5;10.0.0.6"])
def test_what_is_no_address_is_no_trusted_proxy(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Settings(trusted_proxies=wrong)
