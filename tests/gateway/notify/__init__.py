"""Notifications: rules, ways, reminders, phones, calendars."""
