"""Simulated machines that wear, break and get repaired."""
