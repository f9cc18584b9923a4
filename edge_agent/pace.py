"""How patient the publisher is: windows, time-outs and intervals."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """Windows and waits; the defaults suit a machine, tests use shorter ones."""

    window: int = 8  # batches awaiting the server's ack: enough for a slow link, small in memory
    # Of these for backfill and replay, so that live data never waits behind them: neither here, nor at the server when
    # hundreds of machines come back at once. Two are enough to keep a link busy while one is being committed.
    background_window: int = 2
    ack_timeout_s: float = 15.0  # ingest commits within a second; after this the batch or its ack is lost
    ack_timeout_max_s: float = 60.0
    reconnect_base_s: float = 1.0
    reconnect_max_s: float = 60.0
    refused_wait_s: float = 30.0  # a wrong password does not heal by itself: ask seldom
    twin_wait_s: float = 120.0  # half of it at least: two with one identity come back once a minute at most
    stable_s: float = 20.0  # a connection that lasted this long resets the reconnect delay
    keepalive_s: int = 30
    session_expiry_s: int = 24 * 3600  # commands and acks wait this long at the broker
    turn_s: float = 0.2
    status_every_s: float = 60.0
    clock_every_s: float = 600.0
    clock_wait_s: float = 2.0  # batches wait so long for the first answer about the time, so that they can tell it
    stalled_after_s: float = 60.0
