"""A model as bytes and back: plain arrays and JSON, whose hash is checked before anything of them is read."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

from ml.detectors import plain
from ml.detectors.protocol import State

MAX_BYTES = 64 * 2**20  # of one model: a thousand trees take a few
LIBRARIES = ("forewarn", "numpy", "pandas", "scikit-learn", "scipy")


class ModelDamaged(ValueError):
    """The bytes are not those that were stored: their hash differs. Nothing of them was read."""


class ModelUnreadable(ValueError):
    """The bytes are as stored, and this version cannot read them."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """Content with its SHA-256 in hexadecimal."""

    content: bytes
    digest: str


def seal(state: State) -> Sealed:
    """Return the state as bytes with their hash; equal states give equal bytes.

    Raise ValueError beyond MAX_BYTES.
    """
    content = plain.pack(state)
    if len(content) > MAX_BYTES:
        raise ValueError(f"a model of {len(content)} bytes; at most {MAX_BYTES} are kept")
    return Sealed(content, digest_of(content))


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def unseal(content: bytes, digest: str) -> State:
    """Return the state, after its hash was found right.

    Raise ModelDamaged for other bytes, ModelUnreadable where they are right and of no format that is known.
    """
    found = digest_of(content)
    if found != digest:
        raise ModelDamaged(f"stored with hash {digest[:12]}, found {found[:12]}: not read")
    try:
        return plain.unpack(content)
    except plain.StateUnreadable as error:
        raise ModelUnreadable(str(error)) from error


@cache
def versions() -> dict[str, str]:
    """What arithmetic depends on: the libraries, the interpreter, the processor and the linear algebra in use."""
    found = {"python": platform.python_version(), "machine": platform.machine()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "unknown"
    for library in threadpool_info():
        if library.get("user_api") == "blas":
            words = (library.get("internal_api"), library.get("version"), library.get("architecture"))
            found["blas"] = " ".join(str(word) for word in words if word)
            break
    return found
