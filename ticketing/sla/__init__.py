"""Service levels: what was promised, by when it is due, and who is told before it is late."""
