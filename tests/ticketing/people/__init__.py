"""Rules of people at work."""
