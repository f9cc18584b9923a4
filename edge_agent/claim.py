"""Trade a claim code for this device's identity."""

from __future__ import annotations

import json
import platform
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge_agent import wire
from edge_agent.config import Config, SensorConfig, default_spool_path
from edge_agent.link import BrokerAddress

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64 * 1024


class ClaimFailed(Exception):
    """No identity was given; the text says why and what to do."""


def claim(server: str, code: str, ca_file: str | None = None, spool_path: Path | None = None) -> Config:
    """Ask the server for the identity behind a code; return a configuration with the host driver as sensor.

    Raise ClaimFailed when the server cannot be reached, refuses the code or answers something else.
    """
    url = server.rstrip("/") + "/api/v1/devices/claim"
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ClaimFailed(f"{server!r} is no server address: expected http://HOST:PORT or https://HOST:PORT")
    body = _ask(url, {"code": code, "hostname": platform.node()}, ca_file)
    texts: dict[str, str] = {}
    for key in ("serial", "broker", "username", "password"):
        value = body.get(key)
        if not isinstance(value, str) or not value:
            raise ClaimFailed(f"{server} answered without {key}: is it a Forewarn server of a fitting version?")
        texts[key] = value
    if not wire.is_valid_serial(texts["serial"]):
        raise ClaimFailed(f"{server} gave the serial {texts['serial']!r}, which MQTT topics cannot carry")
    try:
        BrokerAddress.parse(texts["broker"], "", "")
    except ValueError as error:
        raise ClaimFailed(f"{server} gave a broker address that cannot be used: {error}") from error
    return Config(
        serial=texts["serial"],
        model=str(body.get("model") or "computer"),
        broker_url=texts["broker"],
        username=texts["username"],
        password=texts["password"],
        spool_path=spool_path or default_spool_path(texts["serial"]),
        http=str(body.get("http") or server),
        ca_file=ca_file,
        sensors=(SensorConfig("host", 10),),
    )


def _ask(url: str, question: dict[str, str], ca_file: str | None) -> dict[str, Any]:
    import ssl

    request = urllib.request.Request(
        url, json.dumps(question).encode(), {"Content-Type": "application/json", "Accept": "application/json"}
    )
    context = ssl.create_default_context(cafile=ca_file) if url.startswith("https:") else None
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:
            content = answer.read(MAX_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        raise ClaimFailed(_refusal(url, error)) from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        raise ClaimFailed(f"{url} cannot be reached ({reason}); check the address and that the server runs") from error
    try:
        body = json.loads(content)
    except ValueError as error:
        raise ClaimFailed(f"{url} did not answer with JSON; is it a Forewarn server?") from error
    if not isinstance(body, dict):
        raise ClaimFailed(f"{url} did not answer with an object; is it a Forewarn server?")
    return body


def _refusal(url: str, error: urllib.error.HTTPError) -> str:
    try:
        body = json.loads(error.read(MAX_ANSWER_BYTES))
        detail = str(body.get("detail") or body.get("title") or "") if isinstance(body, dict) else ""
    except (OSError, ValueError):
        detail = ""
    said = f" ({detail})" if detail else ""
    if error.code in (400, 403, 404, 409, 410, 422):
        return f"the server does not accept this claim code{said}; make a new one on its 'connect a device' page"
    if error.code == 429:
        return f"the server asks to wait after too many attempts{said}; try again in a minute"
    return f"{url} answered {error.code}{said}; look at the server's log"
