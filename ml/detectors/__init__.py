"""Detectors, one file each, behind one Protocol."""
