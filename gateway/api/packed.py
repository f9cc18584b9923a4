"""Long answers, packed where the reader takes that."""

from __future__ import annotations

import gzip

from fastapi import Request
from fastapi.responses import Response

WORTH = 20_000  # bytes; below, packing costs more than it saves
LEVEL = 3


def packed(request: Request, answer: str) -> Response:
    """Return an answer that is JSON already."""
    body = answer.encode()
    headers = {"Vary": "Accept-Encoding"}
    if len(body) > WORTH and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, LEVEL)
        headers["Content-Encoding"] = "gzip"
    return Response(body, media_type="application/json", headers=headers)
