"""The one error that supervision raises: a sentence that says what to do."""

from __future__ import annotations


class SupervisorError(Exception):
    """Something that a person has to put right; the message is one line that says how."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
