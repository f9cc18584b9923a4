"""Sparkplug B, specification 3.0, as a host application: edge nodes with their sessions become devices."""
