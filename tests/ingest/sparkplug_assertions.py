"""Put the specification's assertions into the names of the tests that hold them."""

from __future__ import annotations

import pytest

PREFIX = "tck-id-"


def holds(*assertions: str) -> pytest.MarkDecorator:
    """Run a test once for each assertion that it holds, whose id, without its prefix, becomes part of its name."""
    return pytest.mark.parametrize("assertion", [PREFIX + each for each in assertions])
