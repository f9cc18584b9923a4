"""Supervision of the embedded servers and of our own processes on one machine."""
