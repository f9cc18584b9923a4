"""Decided: findings and alert episodes, policies, predicted jobs."""
