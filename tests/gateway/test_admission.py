"""Requests wait for a place without holding anything, and those who hold one are never more than there are places."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.api import deps
from gateway.api.deps import ADMITTED, POOL, Admission


def test_no_more_are_let_in_than_there_are_places_and_all_get_their_turn() -> None:
    inside = most = served = 0

    async def one(admission: Admission) -> None:
        nonlocal inside, most, served
        async with admission.place():
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0)
            inside -= 1
            served += 1

    async def all_at_once() -> None:
        admission = Admission(3)
        await asyncio.gather(*(one(admission) for _ in range(50)))

    asyncio.run(all_at_once())
    assert (most, served, inside) == (3, 50, 0)


def test_whoever_waits_too_long_is_refused_and_leaves_the_places_as_they_were(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deps, "ADMISSION_S", 0.01)

    async def crowd() -> None:
        admission = Admission(1)
        async with admission.place():
            with pytest.raises(PoolTimeout):
                async with admission.place():
                    pass
        async with admission.place():
            pass

    asyncio.run(crowd())


def test_there_are_more_connections_than_places() -> None:
    assert ADMITTED < POOL  # else those who hold one could wait for threads that wait for theirs
