"""The pages' types are made from a description of this API; `python -m tests.gateway.test_openapi` renews it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from assets.base.db import Database
from gateway.app import make_app
from gateway.settings import Settings

DOCUMENT = Path(__file__).resolve().parents[2] / "gateway" / "web" / "openapi.json"


def described() -> dict[str, Any]:
    """Return the API's own description; no database is asked for it."""
    database = Database("postgresql+psycopg://nobody@127.0.0.1:1/none")
    try:
        return make_app(Settings(), database).openapi()
    finally:
        database.dispose()


def outline(document: dict[str, Any]) -> dict[str, Any]:
    """Return what pages rely on: routes, and the fields of what they give and take."""
    fields = {
        name: {"fields": sorted(schema.get("properties", ())), "required": sorted(schema.get("required", ()))}
        for name, schema in document["components"]["schemas"].items()
        if "ValidationError" not in name
    }
    return {"paths": {path: sorted(methods) for path, methods in document["paths"].items()}, "schemas": fields}


def test_pages_are_checked_against_this_api() -> None:
    kept = json.loads(DOCUMENT.read_text(encoding="utf-8"))
    assert outline(kept) == outline(described()), "run: python -m tests.gateway.test_openapi"


if __name__ == "__main__":
    DOCUMENT.write_text(json.dumps(described(), indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
