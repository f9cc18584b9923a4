"""Reliability: what failures, repairs and plans say about machines; rules are pure, every figure names its events."""
