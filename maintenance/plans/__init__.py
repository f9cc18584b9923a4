"""Maintenance plans: when work is due, made ahead as occurrences that everything else reads; rules are pure."""
