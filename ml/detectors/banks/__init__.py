"""Stacked state of many settled assets, one file for each kind of detector."""
