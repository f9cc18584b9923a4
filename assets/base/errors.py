"""Errors that rules raise; the gateway alone translates them to HTTP and to the reader's language."""

from __future__ import annotations


class RuleError(Exception):
    """A rule said no. `code` names the text people read, `params` fill it in."""

    code = "rule_error"

    def __init__(self, message: str = "", **params: object) -> None:
        super().__init__(message or self.code)
        self.params = params


class NotFound(RuleError):
    """Nothing under that id that the caller may see."""

    code = "not_found"


class Forbidden(RuleError):
    """The caller's roles do not allow this action."""

    code = "forbidden"


class Conflict(RuleError):
    """The thing changed in the meantime, or already exists."""

    code = "conflict"


class IllegalMove(Conflict):
    """A state change that the table of legal moves does not hold; params: `state`, `to`, `legal`."""

    code = "illegal_move"


class Invalid(RuleError):
    """A value cannot be accepted; params: `field` and what was expected."""

    code = "invalid"
