"""Exists: organisations, people, customers, sites, asset models, assets and their lives."""
