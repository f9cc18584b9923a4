"""End the connection of devices at the broker: take over their client id for a moment, which MQTT demands to work."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Mapping
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from ingest.brokers import broker_urls

log = logging.getLogger(__name__)

ANSWER_S = 5.0
TOLD_S = 1.0
OFFLINE_TOPIC = "$SYS/broker/clients/disconnected"  # Mosquitto's; told anew each `sys_interval`
SESSION_KEPT_S = 24 * 3600  # what the agent itself asks for


def end_connections(broker_url: str, devices: Mapping[str, bool]) -> list[str]:
    """Take over the client id of each device (its serial) as the service; return those for which it failed.

    True: the device is gone for good, its session with it. False: it may return at once, and finds its session and what
    waits in it. No broker reconsiders a connection that stands when a certificate is revoked; all end it when its
    client id is used elsewhere (MQTT 5, 3.1.4-3).
    """
    ended = {
        serial: [_end_connection(url, serial, keep=not gone) for url in broker_urls(broker_url)]
        for serial, gone in devices.items()
    }
    return [serial for serial, everywhere in ended.items() if not all(everywhere)]


def offline_sessions(broker_url: str) -> int | None:
    """Return how many sessions of clients that are away the broker keeps; None when it does not tell."""
    client = _client(broker_url, "", keep=False)
    found: list[int] = []
    client.on_connect = lambda _c, _u, _f, _reason, _p: client.subscribe(OFFLINE_TOPIC) and None
    client.on_message = lambda _c, _u, message: found.append(int(message.payload))
    try:
        _connect(client, broker_url, keep=False)
        deadline = time.monotonic() + TOLD_S
        while not found and time.monotonic() < deadline and client.loop(0.05) == mqtt.MQTT_ERR_SUCCESS:
            pass
        client.disconnect()
        client.loop(0.05)
    except (OSError, ValueError) as error:
        log.warning("the broker cannot be asked for its sessions: %s", error)
    return found[0] if found else None


def _end_connection(broker_url: str, serial: str, *, keep: bool) -> bool:
    client = _client(broker_url, serial, keep=keep)
    answers: list[bool] = []
    client.on_connect = lambda _c, _u, _f, reason, _p: answers.append(not reason.is_failure)
    try:
        _connect(client, broker_url, keep=keep)
        deadline = time.monotonic() + ANSWER_S
        while not answers and time.monotonic() < deadline and client.loop(0.1) == mqtt.MQTT_ERR_SUCCESS:
            pass
        client.disconnect()
        client.loop(0.05)
    except (OSError, ValueError) as error:
        log.warning("the connection of %s cannot be ended: %s", serial, error)
        return False
    return answers == [True]


def _client(broker_url: str, client_id: str, *, keep: bool) -> mqtt.Client:
    parts = urlsplit(broker_url)
    # Manual acknowledgement, and none given: what waits in the session stays there for the device.
    client = mqtt.Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        protocol=mqtt.MQTTv5,
        manual_ack=keep,
        reconnect_on_failure=False,
    )
    client.username_pw_set(unquote(parts.username or ""), unquote(parts.password or ""))
    client.connect_timeout = ANSWER_S
    if parts.scheme in ("mqtts", "ssl"):
        client.tls_set_context(ssl.create_default_context())
    return client


def _connect(client: mqtt.Client, broker_url: str, *, keep: bool) -> None:
    parts = urlsplit(broker_url)
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = SESSION_KEPT_S if keep else 0
    properties.ReceiveMaximum = 1
    port = parts.port or (8883 if parts.scheme in ("mqtts", "ssl") else 1883)
    client.connect(parts.hostname or "127.0.0.1", port, clean_start=not keep, properties=properties)
