"""Send a content of the file store on."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from fastapi.responses import FileResponse, Response, StreamingResponse

from assets.documents.store import DiskFiles, FileStore


def file_response(
    files: FileStore, content: str, media_type: str, headers: Mapping[str, str], *, name: str | None = None
) -> Response:
    """Return a content piece by piece, to be saved under a name when there is one. Raises NotFound, StoreAway.

    From a bucket it goes through here: who may see it is asked for each time, and what is damaged never arrives whole.
    """
    if isinstance(files, DiskFiles):
        return FileResponse(files.path(content), media_type=media_type, filename=name, headers=dict(headers))
    found = files.read(content)
    more = {"Content-Length": str(found.size)}
    if name is not None:
        more["Content-Disposition"] = f"attachment; filename*=utf-8''{quote(name)}"
    return StreamingResponse(found.chunks, media_type=media_type, headers=dict(headers) | more)
