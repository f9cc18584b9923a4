"""What-if and groups as pure rules: load, windows, closed days, trips saved; no piece ever leaves its window."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from maintenance.desk import grouping, what_if
from maintenance.desk.grouping import Chance, Proposal, propose, slots
from maintenance.desk.what_if import Load, Move, Problem, try_out, week_of
from maintenance.plans.days import Blackout, Days, season

MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
SITE, OTHER = UUID(int=1), UUID(int=2)


def at(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC) + timedelta(hours=8)


def on(number: int) -> date:
    return MONDAY + timedelta(days=number)


def planned(number: int, day: int, **more: object) -> what_if.Piece:
    told: dict[str, object] = {"earliest": at(on(day - 3)), "latest": at(on(day + 3)), "minutes": {"pumps": 120}}
    return what_if.Piece(UUID(int=number), UUID(int=100 + number), at(on(day)), on(day), **{**told, **more})  # type: ignore[arg-type]


def put(piece: what_if.Piece, day: int) -> Move:
    return Move(piece, at(on(day)), on(day))


def test_a_draft_says_what_it_does_to_the_weeks_and_their_hours() -> None:
    one, two = planned(1, 3), planned(2, 10)
    load = {(MONDAY, "pumps"): (300, 4), (on(7), "pumps"): (120, 1)}
    found = try_out([put(one, 8), put(two, 9)], load, {(on(7), "pumps"): 200.0}, NOW)
    assert list(found.loads) == [
        Load(MONDAY, "pumps", 300, 180, 4, 3, None),
        Load(on(7), "pumps", 120, 240, 1, 2, 200.0),
    ]
    assert [each.over for each in found.loads] == [False, True]
    assert found.problems[one.id] == [Problem("too_late", days=2.0)]
    assert found.problems[two.id] == []
    assert (found.broken, found.hard) == (1, False)


def test_days_on_which_nobody_works_are_named() -> None:
    shut = Days(
        [season("01-01/03-20")], [Blackout(on(4), on(5))], is_working=lambda day: day.weekday() < 5, when_closed="next"
    )
    piece = planned(1, 7, days=shut, earliest=None, latest=None, before=at(on(1)), after=at(on(30)))
    codes = {
        day: [each.code for each in try_out([put(piece, day)], {}, {}, NOW).problems[piece.id]] for day in range(-3, 32)
    }
    assert codes[-3] == ["past", "overtakes"]
    assert codes[1] == ["overtakes"]
    assert codes[3] == []
    assert codes[4] == ["blackout"]
    assert codes[5] == ["blackout", "closed_day"]
    assert codes[21] == ["out_of_season"]
    assert codes[30] == ["out_of_season", "overtakes"]
    out = planned(2, 7, state="released")
    assert try_out([put(out, 8)], {}, {}, NOW).hard


def test_the_week_begins_on_monday() -> None:
    assert {week_of(on(number)) for number in range(7)} == {MONDAY}


def piece(number: int, day: int, before: int = 5, after: int = 5, **more: object) -> grouping.Piece:
    told: dict[str, object] = {"asset_id": UUID(int=100 + number), "site_id": SITE, "skill": "pumps", "minutes": 60}
    return grouping.Piece(
        id=UUID(int=number),
        day=on(day),
        first=on(day - before),
        last=on(day + after),
        **{**told, **more},  # type: ignore[arg-type]
    )


def days(proposal: Proposal) -> tuple[date, list[int], list[int]]:
    return proposal.day, [each.id.int for each in proposal.pieces], [each.id.int for each in proposal.moves]


def test_work_of_a_site_and_skill_that_fits_one_day_goes_there() -> None:
    pieces = [piece(1, 10), piece(2, 12), piece(3, 15), piece(4, 12, site_id=OTHER), piece(5, 12, skill="motors")]
    (found,) = propose(pieces, [], {SITE: 90.0}, MONDAY)
    assert days(found) == (on(12), [2, 1, 3], [1, 3])
    assert (found.kind, found.trips, found.travel_minutes, found.minutes) == ("same_site", 2, 180.0, 180)
    assert [moment.hour for _, moment in slots(found.pieces, found.day)] == [8, 9, 10]
    (unknown,) = propose(pieces, [], {}, MONDAY)
    assert (unknown.trips, unknown.travel_minutes) == (2, None)  # nobody drove there yet: no hours are made up


def test_what_lies_together_already_or_cannot_is_not_proposed() -> None:
    assert propose([piece(1, 10), piece(2, 10)], [], {}, MONDAY) == []
    assert propose([piece(1, 10, 1, 1), piece(2, 20, 1, 1)], [], {}, MONDAY) == []
    assert propose([piece(1, 10, minutes=400), piece(2, 12, minutes=400)], [], {}, MONDAY) == []
    assert propose([piece(1, -20), piece(2, -21)], [], {}, MONDAY) == []
    shut = {UUID(int=1): frozenset[date](), UUID(int=2): frozenset[date]()}
    assert propose([piece(1, 10), piece(2, 12)], [], {}, MONDAY, open_days=shut) == []


def test_a_machine_that_is_down_attracts_its_work_inside_the_window() -> None:
    stop = Chance(UUID(int=101), on(3), on(6), "down", UUID(int=900))
    near, far = piece(1, 10), piece(2, 40, asset_id=UUID(int=101))
    (found,) = propose([near, far], [stop], {SITE: 90.0}, MONDAY)
    assert days(found) == (on(5), [1], [1])
    assert (found.kind, found.stop_minutes, found.trips, found.travel_minutes) == ("opportunity", 60, 1, 90.0)
    assert found.chance == stop
    inside = piece(3, 4, asset_id=UUID(int=101))
    assert propose([inside], [stop], {}, MONDAY) == []


@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 9), st.integers(0, 9), st.integers(0, 1), st.integers(1, 500)),
        max_size=25,
    ),
    st.lists(st.tuples(st.integers(0, 24), st.integers(0, 40), st.integers(0, 5)), max_size=4),
)
@settings(max_examples=60)
def test_no_proposal_leaves_a_window_or_asks_for_a_piece_twice(
    told: list[tuple[int, int, int, int, int]], stops: list[tuple[int, int, int]]
) -> None:
    pieces = [
        piece(number, day, before, after, site_id=(SITE, OTHER)[where], minutes=minutes)
        for number, (day, before, after, where, minutes) in enumerate(told)
    ]
    chances = [
        Chance(UUID(int=100 + asset), on(day), on(day + long), "down", UUID(int=900 + number))
        for number, (asset, day, long) in enumerate(stops)
    ]
    found = propose(pieces, chances, {SITE: 30.0}, MONDAY)
    every = [each.id for one in found for each in one.pieces]
    assert len(every) == len(set(every))
    for one in found:
        assert one.trips >= 1
        assert one.moves
        assert all(each.first <= one.day <= each.last and one.day >= MONDAY for each in one.moves)
        assert len({(each.site_id, each.skill) for each in one.pieces}) == 1
        if one.kind == "same_site":
            assert one.minutes <= grouping.DAY_MINUTES
