"""The server's own key for web push: made once, kept with the other secrets, and the same for all its workers."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from uuid import UUID

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from gateway.notify.rule_models import PushKey

_THE_KEY = UUID("01900000-0000-7000-8000-000000000001")  # one row: whoever comes second finds the first one's


def push_key(session: Session, now: datetime | None = None) -> PushKey:
    """Return the key, made when there is none. Needs the service role."""
    found = session.get(PushKey, _THE_KEY)
    if found is not None:
        return found
    made = ec.generate_private_key(ec.SECP256R1())
    pem = made.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    point = made.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    values = {
        "id": _THE_KEY,
        "private_pem": pem.decode(),
        "public_key": base64.urlsafe_b64encode(point).decode().rstrip("="),
        "created_at": now or datetime.now(UTC),
    }
    session.execute(insert(PushKey).values(**values).on_conflict_do_nothing())
    return session.get_one(PushKey, _THE_KEY)
