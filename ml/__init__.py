"""Noticed: features, detectors, calibration, labels, scoring, evaluation."""
