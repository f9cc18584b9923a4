"""Ask the server something over HTTP: one JSON object there, one back, and each failure in one sentence."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from edge_agent.tls import ignore_time, is_about_time, make_context

TIMEOUT_S = 15.0
MAX_ANSWER_BYTES = 64 * 1024


class AskFailed(Exception):
    """No usable answer; `status` is the HTTP status when there was one, `reason` the server's word for it."""

    def __init__(self, text: str, status: int | None = None, reason: str = "") -> None:
        super().__init__(text)
        self.status, self.reason = status, reason


def post(url: str, question: Mapping[str, Any], ca_file: str | None) -> dict[str, Any]:
    """Send an object and return the object that comes back. Raise AskFailed."""
    request = urllib.request.Request(
        url, json.dumps(question).encode(), {"Content-Type": "application/json", "Accept": "application/json"}
    )
    try:
        content = _send(request, ca_file)
    except urllib.error.HTTPError as error:
        detail, reason = _refusal(error)
        said = f" ({detail})" if detail else ""
        raise AskFailed(f"{url} answered {error.code}{said}; look at the server's log", error.code, reason) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "reason", error)
        raise AskFailed(f"{url} cannot be reached ({why}); check the address and that the server runs") from error
    try:
        body = json.loads(content)
    except ValueError as error:
        raise AskFailed(f"{url} did not answer with JSON; is it a Forewarn server?") from error
    if not isinstance(body, dict):
        raise AskFailed(f"{url} did not answer with an object; is it a Forewarn server?")
    return body


def _send(request: urllib.request.Request, ca_file: str | None) -> bytes:
    context = make_context(ca_file) if request.type == "https" else None
    try:
        return _read(request, context)
    except OSError as error:
        if context is None or not is_about_time(error):
            raise
        ignore_time(context)
        return _read(request, context)


def _read(request: urllib.request.Request, context: ssl.SSLContext | None) -> bytes:
    with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=context) as answer:
        content: bytes = answer.read(MAX_ANSWER_BYTES)
        return content


def _refusal(error: urllib.error.HTTPError) -> tuple[str, str]:
    try:
        body = json.loads(error.read(MAX_ANSWER_BYTES))
        if not isinstance(body, dict):
            return "", ""
        params = body.get("params")
        reason = params.get("reason") if isinstance(params, dict) else None
        return str(body.get("detail") or body.get("title") or ""), str(reason or body.get("code") or "")
    except (OSError, ValueError):
        return "", ""
