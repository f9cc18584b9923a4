"""Schema migrations of all rooms."""
