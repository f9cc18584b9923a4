"""Device passwords as the broker stores them: mosquitto's `$7$`, PBKDF2 with SHA-512."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets

ITERATIONS = 101  # mosquitto's own figure: the passwords are random, so stretching adds nothing
MOST_ITERATIONS = 1_000_000
_SALT_BYTES = 12
PASSWORD_BYTES = 24


def new_password() -> str:
    """Return a random password of 192 bits, safe in URLs and configuration files."""
    return secrets.token_urlsafe(PASSWORD_BYTES)


def hash_password(password: str) -> str:
    """Return what the broker's password file and the table of devices hold."""
    salt = secrets.token_bytes(_SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, ITERATIONS)
    return f"$7${ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def verify_password(password: str, hashed: str | None) -> bool:
    """Return whether the password belongs to the hash; False for anything that is no such hash."""
    try:
        empty, kind, iterations, salt, digest = (hashed or "").split("$")
        rounds = int(iterations)
        if empty or kind != "7" or not 0 < rounds <= MOST_ITERATIONS:
            return False
        expected = base64.b64decode(digest, validate=True)
        found = hashlib.pbkdf2_hmac("sha512", password.encode(), base64.b64decode(salt, validate=True), rounds)
    except (ValueError, binascii.Error):
        return False
    return hmac.compare_digest(expected, found)
