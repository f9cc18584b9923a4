"""Payload formats, one file each."""
