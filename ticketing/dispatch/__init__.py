"""Dispatch: who goes where and when; one simulator is the referee of every plan."""
