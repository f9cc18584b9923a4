"""Tables sent as CSV or XLSX files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from assets.imports.exporting import export_csv, export_xlsx

SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Format = Literal["csv", "xlsx"]


def sheet_file(
    name: str, headings: Sequence[str], rows: Iterator[Sequence[Any]], format: Format, *, title: str = "Figures"
) -> FileResponse:
    """Answer with a file, its ending put behind `name`, that is removed when it has been sent."""
    path = _written(title, headings, rows, format)
    return FileResponse(
        path,
        media_type=SHEET_TYPE if format == "xlsx" else "text/csv; charset=utf-8",
        filename=f"{name}.{format}",
        headers={"Cache-Control": "no-store"},
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _written(title: str, headings: Sequence[str], rows: Iterator[Sequence[Any]], format: Format) -> Path:
    with tempfile.NamedTemporaryFile(prefix="forewarn-table-", suffix=f".{format}", delete=False) as file:
        path = Path(file.name)
        try:
            if format == "csv":
                for piece in export_csv(headings, rows):
                    file.write(piece)
            else:
                export_xlsx(path, title, headings, rows)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    return path
