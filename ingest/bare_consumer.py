"""The least that a consumer built on paho does: take messages and acknowledge them, for comparison in benchmarks."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

ACKNOWLEDGE_EVERY = 200  # about what one commit would cover
SESSION_EXPIRY_S = 3600
WINDOW_MESSAGES = 1000


class BareConsumer:
    """A session of its own that counts what waits for it."""

    def __init__(self, broker_url: str, client_id: str, topics: str) -> None:
        self._client_id = client_id
        self._topics = topics
        self._parts = urlsplit(broker_url)
        self._mids: list[int] = []
        self._first_at = self._last_at = 0.0
        self.received = 0
        self._subscribed = False

    def prepare(self) -> None:
        """Make the session, so that the broker keeps messages for it."""
        client = self._connect()
        client.on_message = None
        self._turn_until(client, lambda: self._subscribed, 20.0)
        client.disconnect()
        client.loop(0.2)

    def drain(self, messages: int, most_s: float) -> float:
        """Take `messages` and return seconds from the first to the last one's acknowledgement."""
        client = self._connect()
        client.on_message = self._on_message
        self._turn_until(client, lambda: self.received >= messages, most_s)
        self._acknowledge(client)
        client.loop(0.2)
        client.disconnect()
        client.loop(0.2)
        return self._last_at - self._first_at

    def _connect(self) -> mqtt.Client:
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=self._client_id, protocol=mqtt.MQTTv5, manual_ack=True
        )
        if self._parts.username:
            client.username_pw_set(unquote(self._parts.username), unquote(self._parts.password or ""))
        client.on_connect = self._on_connect
        client.on_subscribe = self._on_subscribe
        connect = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        connect.SessionExpiryInterval = SESSION_EXPIRY_S
        connect.ReceiveMaximum = WINDOW_MESSAGES
        client.connect(
            self._parts.hostname or "127.0.0.1", self._parts.port or 1883, 60, clean_start=False, properties=connect
        )
        return client

    def _on_connect(self, client: mqtt.Client, *_: Any) -> None:
        client.subscribe(self._topics, options=SubscribeOptions(qos=1, retainHandling=2))

    def _on_subscribe(self, *_: Any) -> None:
        self._subscribed = True

    def _on_message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        if self.received == 0:
            self._first_at = time.monotonic()
        self.received += 1
        self._mids.append(message.mid)
        if len(self._mids) >= ACKNOWLEDGE_EVERY:
            self._acknowledge(client)

    def _acknowledge(self, client: mqtt.Client) -> None:
        for mid in self._mids:
            client.ack(mid, 1)
        self._mids.clear()
        self._last_at = time.monotonic()

    def _turn_until(self, client: mqtt.Client, done: Any, most_s: float) -> None:
        deadline = time.monotonic() + most_s
        while not done() and time.monotonic() < deadline:
            if client.loop(0.2) != mqtt.MQTT_ERR_SUCCESS:
                raise ConnectionError("the broker closed the connection")
