"""Trade a claim code for this device's identity: a certificate for a key that never leaves it, or a password."""

from __future__ import annotations

import hashlib
import platform
import ssl
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edge_agent import wire
from edge_agent.asking import AskFailed, post
from edge_agent.config import Config, SensorConfig, default_spool_path
from edge_agent.identity import CA, Facts, IdentityUnusable, forget_pending, install, moment_ms, pending_request
from edge_agent.keys import KeyFailed
from edge_agent.link import BrokerAddress


class ClaimFailed(Exception):
    """No identity was given; the text says why and what to do."""


def split_code(text: str, server: str | None) -> tuple[str, str]:
    """Return code and server of what was typed or scanned: a code, or a label's `https://SERVER/claim/CODE`."""
    if "://" not in text:
        if server is None:
            raise ClaimFailed("add --server URL, the server's address")
        return text, server
    before, found, code = text.rpartition("/claim/")
    if not found or not code:
        raise ClaimFailed(f"{text!r} is no claim address: expected https://SERVER/claim/CODE")
    return code, server or before


def claim(
    server: str,
    code: str,
    ca_file: str | None = None,
    spool_path: Path | None = None,
    folder: Path | None = None,
    ca_sha256: str | None = None,
) -> Config:
    """Ask the server for the identity behind a code; return a configuration with the host driver as sensor.

    With a folder the device makes a key there and asks for a certificate; without one it asks for a password. Raise
    ClaimFailed when the server cannot be reached, refuses the code or answers something else.
    """
    url = server.rstrip("/") + "/api/v1/devices/claim"
    if urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname:
        raise ClaimFailed(f"{server!r} is no server address: expected http://HOST:PORT or https://HOST:PORT")
    question = {"code": code, "hostname": platform.node()}
    try:
        if folder is not None:
            question["csr"] = pending_request(folder)
        body = post(url, question, ca_file)
        is_certificate = bool(body.get("certificate"))
        texts = _texts(server, body, "certificate" if is_certificate else "password")
        config = Config(
            serial=texts["serial"],
            model=str(body.get("model") or "computer"),
            broker_url=texts["broker"],
            username=texts["username"],
            password=texts.get("password", ""),
            spool_path=spool_path or default_spool_path(texts["serial"]),
            http=str(body.get("http") or server),
            ca_file=ca_file,
            sensors=(SensorConfig("host", 10),),
        )
        if folder is None:
            return config
        if not is_certificate:
            forget_pending(folder)
            return config
        identity = _install(server, folder, body, texts, ca_sha256)
        return replace(config, ca_file=str(folder / CA), identity_file=str(identity), http_ca_file=ca_file)
    except AskFailed as error:
        raise ClaimFailed(_explain(error)) from error
    except (KeyFailed, IdentityUnusable) as error:
        raise ClaimFailed(str(error)) from error


def _texts(server: str, body: dict[str, Any], secret: str) -> dict[str, str]:
    needed = ["serial", "broker", "username", secret]
    if secret == "certificate":
        needed += ["ca", "not_after", "renew_at"]
    texts: dict[str, str] = {}
    for key in needed:
        value = body.get(key)
        if not isinstance(value, str) or not value:
            raise ClaimFailed(f"{server} answered without {key}: is it a Forewarn server of a fitting version?")
        texts[key] = value
    if not wire.is_valid_serial(texts["serial"]):
        raise ClaimFailed(f"{server} gave the serial {texts['serial']!r}, which MQTT topics cannot carry")
    try:
        address = BrokerAddress.parse(texts["broker"], "", "")
    except ValueError as error:
        raise ClaimFailed(f"{server} gave a broker address that cannot be used: {error}") from error
    if secret == "certificate" and not address.tls:
        raise ClaimFailed(f"{server} gave a certificate but a broker without TLS ({texts['broker']})")
    return texts


def _install(server: str, folder: Path, body: dict[str, Any], texts: dict[str, str], ca_sha256: str | None) -> Path:
    if ca_sha256 is not None:
        found = hashlib.sha256(ssl.PEM_cert_to_DER_cert(texts["ca"])).hexdigest()
        if found != ca_sha256.replace(":", "").strip().lower():
            raise ClaimFailed(
                f"{server} shows the authority {found}, not the expected one: somebody may stand between"
                " this device and the server; nothing was written"
            )
    try:
        facts = Facts(texts["serial"], moment_ms(body["not_after"]), moment_ms(body["renew_at"]))
    except ValueError as error:
        raise ClaimFailed(f"{server} answered with a time that cannot be read: {error}") from error
    return install(folder, texts["certificate"], facts, texts["ca"])


def _explain(error: AskFailed) -> str:
    detail = str(error)
    inner = detail.partition(" (")[2].rpartition(")")[0] if " (" in detail else ""
    said = f" ({inner})" if inner else ""
    if error.status in (400, 403, 404, 409, 410, 422):
        return f"the server does not accept this claim code{said}; make a new one on its 'connect a device' page"
    if error.status == 429:
        return f"the server asks to wait after too many attempts{said}; try again in a minute"
    return detail
