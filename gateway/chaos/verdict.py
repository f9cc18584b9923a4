"""Compare what each agent says it kept with the rows in the database: one row for each sample, no more, no fewer."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from gateway.chaos.agent import Account

EXAMPLES = 10

_ROWS = """
SELECT s.values[r.slot]::bigint FROM devices d JOIN streams t ON t.device_id = d.id
JOIN series r ON r.stream_id = t.id AND r.metric = 'count' JOIN samples s ON s.stream_id = t.id
WHERE d.serial = %s AND s.values[r.slot] IS NOT NULL
"""
_GIVEN_UP = """
SELECT b.boot, lower(r), upper(r) FROM devices d JOIN device_boots b ON b.device_id = d.id,
       unnest(b.given_up - b.received) AS r WHERE d.serial = %s
"""
_CONFLICTS = """
SELECT b.boot, b.first, b.n, b.conflicting FROM devices d JOIN ingest_batches b ON b.device_id = d.id
WHERE d.serial = %s AND b.conflicting > 0
"""
_QUARANTINE = """
SELECT q.payload FROM devices d JOIN quarantine q ON q.device_id = d.id OR q.device_id IS NULL WHERE d.serial = %s
"""
_OPEN = """
SELECT coalesce(sum((SELECT coalesce(sum(upper(r) - lower(r)), 0)
       FROM unnest(int8multirange(int8range(0, b.highest)) - b.received - b.given_up) AS r)), 0)::bigint
FROM devices d JOIN device_boots b ON b.device_id = d.id WHERE d.serial = %s
"""


@dataclass(frozen=True, slots=True)
class DeviceVerdict:
    """One device: kept = rows + dropped + quarantined + conflicting + lost, with `undecided` rows beside.

    dropped: given up by the agent's own rule when its spool was full, and reported. quarantined: kept whole, but not
    stored. conflicting: another value has the same time, as after a clock stepped back. undecided: being written when
    the agent was killed; how many of them are rows. ledger_missing: what the service itself says is missing.
    """

    serial: str
    kept: int
    rows: int
    undecided: int
    dropped: int
    quarantined: int
    conflicting: int
    lost: int
    duplicates: int
    unexpected: int
    ledger_missing: int
    examples: list[int]

    @property
    def ok(self) -> bool:
        """True when every sample has exactly one row or a stated reason why it has none."""
        return not (self.lost or self.duplicates or self.unexpected or self.ledger_missing)

    def as_dict(self) -> dict[str, Any]:
        """Return it for the report."""
        return {**asdict(self), "ok": self.ok}


def judge(connection: psycopg.Connection[Any], serial: str, account: Account) -> DeviceVerdict:
    """Compare one device's account with its rows, sample by sample."""
    rows = Counter(int(count) for (count,) in connection.execute(_ROWS, [serial]))
    given_up = [(boot, range(low, high)) for boot, low, high in connection.execute(_GIVEN_UP, [serial])]
    conflicts = connection.execute(_CONFLICTS, [serial]).fetchall()
    in_quarantine = _counts_in(payload for (payload,) in connection.execute(_QUARANTINE, [serial]))
    (ledger_missing,) = connection.execute(_OPEN, [serial]).fetchone() or (0,)

    missing = [count for count in account.kept if count not in rows]
    dropped = {c for c in missing if any(account.kept[c][0] == b and account.kept[c][1] in r for b, r in given_up)}
    quarantined = {count for count in missing if (account.kept[count][0], count) in in_quarantine} - dropped
    rest = [count for count in missing if count not in dropped and count not in quarantined]
    lost = _without_conflicts(account, rest, conflicts)
    known = account.kept.keys() | account.undecided
    unexpected = [count for count in rows if count not in known]
    duplicates = [count for count, n in rows.items() if n > 1]
    return DeviceVerdict(
        serial=serial,
        kept=len(account.kept),
        rows=sum(count in rows for count in account.kept),
        undecided=sum(count in rows for count in account.undecided - account.kept.keys()),
        dropped=len(dropped),
        quarantined=len(quarantined),
        conflicting=len(rest) - len(lost),
        lost=len(lost),
        duplicates=len(duplicates),
        unexpected=len(unexpected),
        ledger_missing=int(ledger_missing),
        examples=[*lost[:EXAMPLES], *duplicates[:EXAMPLES], *unexpected[:EXAMPLES]],
    )


def _without_conflicts(
    account: Account, missing: list[int], conflicts: Iterable[tuple[str, int, int, int]]
) -> list[int]:
    """Return what is still missing after each batch's own count of conflicts has explained as many of its samples."""
    left = {(boot, first, first + n): conflicting for boot, first, n, conflicting in conflicts}
    lost = []
    for count in missing:
        boot, index = account.kept[count]
        key = next((k for k, n in left.items() if n > 0 and k[0] == boot and k[1] <= index < k[2]), None)
        if key is None:
            lost.append(count)
        else:
            left[key] -= 1
    return lost


def _counts_in(payloads: Iterable[bytes]) -> set[tuple[str, int]]:
    """Return (boot, count) of all samples in payloads that were kept whole."""
    found: set[tuple[str, int]] = set()
    for payload in payloads:
        try:
            body = json.loads(bytes(payload))
            found |= {(str(body["boot"]), int(each["values"]["count"])) for each in body["samples"]}
        except (ValueError, AttributeError, KeyError, TypeError):  # the beginning of one, or something else
            continue
    return found
