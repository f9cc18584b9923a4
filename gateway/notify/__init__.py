"""Notifications: written when somebody is to be told, sent by one file per way."""
