"""A NUL in whatever is sent to whichever route is the sender's mistake, never the server's."""

from __future__ import annotations

import json
from pathlib import Path
from uuid import uuid4

import gateway
from gateway.guard import _NUL
from tests.gateway.conftest import Plant

OPENAPI = json.loads((Path(gateway.__file__).parent / "web" / "openapi.json").read_text())
ANY = str(uuid4())


def operations() -> list[tuple[str, str, bool]]:
    """Every operation as (method, path with ids filled in, whether it takes JSON)."""
    found = []
    for path, methods in OPENAPI["paths"].items():
        filled = "/".join(ANY if part.startswith("{") else part for part in path.split("/"))
        for method, operation in methods.items():
            taken = operation.get("requestBody", {}).get("content", {})
            found.append((method.upper(), filled, "application/json" in taken))
    return found


def test_nul_in_any_body_of_any_route_is_422(plant: Plant) -> None:
    desk = plant.administrator()
    body = rb'{"name": "a\u0000b", "text": "\u0000", "deep": [{"x": "\u0000"}]}'
    for method, path, takes_json in operations():
        if not takes_json or "/inbound/" in path or path.startswith("/api/v1/devices/"):
            continue
        answer = desk.request(method, path, content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 422, (method, path, answer.status_code)
    keyed = {"content-type": "application/json", "idempotency-key": "k"}
    assert desk.post("/api/v1/cases", content=body, headers=keyed).status_code == 422


def test_nul_in_an_address_is_no_error_of_the_server(plant: Plant) -> None:
    desk = plant.administrator()
    for method, path, _ in operations():
        if method != "GET" or path == "/api/v1/events":
            continue
        said = path.replace(ANY, "%00") if ANY in path else f"{path}?q=%00&number=%00&serial=%00&state=%00&code=%00"
        assert desk.get(said).status_code < 500, said


def test_escape_is_told_from_the_letters_of_it() -> None:
    """Also where it is cut in two by the network: the bytes before are looked at again."""
    for sent, is_one in (
        (rb'"\u0000"', True),
        (rb'"\\u0000"', False),
        (rb'"\\\u0000"', True),
        (rb'"\u00001"', True),
        (rb'"u0000"', False),
        (b"\0", True),
    ):
        assert bool(_NUL.search(sent)) is is_one, sent
