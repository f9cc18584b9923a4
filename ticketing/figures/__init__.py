"""Figures of service: how soon, how long, how well, how much is waiting; each of them drills down to its events."""
