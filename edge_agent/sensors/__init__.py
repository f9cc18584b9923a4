"""Sensor drivers, one file each."""
