"""What every server room stands on: database, access rules, event log, queue door, units, calendars."""
