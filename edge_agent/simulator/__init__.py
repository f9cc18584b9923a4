"""Simulated machines that wear, break and get repaired, one file each, and their table."""

from __future__ import annotations

from edge_agent.simulator.base import Machine
from edge_agent.simulator.chiller import Chiller
from edge_agent.simulator.compressor import Compressor
from edge_agent.simulator.fan import Fan
from edge_agent.simulator.pump import Pump

MACHINES: dict[str, type[Machine]] = {each.kind: each for each in (Pump, Compressor, Chiller, Fan)}
