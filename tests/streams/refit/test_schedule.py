"""When something is fitted, and by whose samples."""

from datetime import date
from typing import Any

import msgspec
import pytest

from agents.learning.sampling import MOST
from agents.learning.worth import FIRST, GROWN
from streams.refit.board import Board
from streams.refit.records import Tried
from streams.refit.schedule import CUSTOMERS, Due, due, most_of, round_at
from tables.clock import week_of
from tables.live import Live
from tables.parameters import BUILTIN
from tests.support.published import published, sample

DAY, WEEK = 86_400_000, 7 * 86_400_000
MONDAY = 1_600_041_600_000
"""2020-09-14."""
FITTED = msgspec.structs.replace(BUILTIN, live=Live(date(2020, 1, 6), 1.0, fitted_at=MONDAY, orders=1000))
"""Parameters that know of a refit."""


def board_of(*untils: int, tried: Tried | None = None, **told: Any) -> Board:
    """A sample of each partition number of two, until then; those of 0 left out."""
    board = Board()
    board.samples = {number: sample(until, **told) for number, until in enumerate(untils) if until}
    board.tried = tried
    return board


def tried(until: int, **told: Any) -> Tried:
    return msgspec.structs.replace(Tried(until=until, outcome="kept", why="", by="", ended_at=0), **told)


def asked(board: Board, *, waited: bool = False) -> Due | None:
    return due(board, FITTED, 2, waited=waited)


def test_rounds_begin_at_midnight_and_weeks_on_mondays() -> None:
    assert (round_at(MONDAY), round_at(MONDAY - 1), round_at(MONDAY + DAY - 1)) == (MONDAY, MONDAY - DAY, MONDAY)
    assert week_of(MONDAY) == week_of(MONDAY + WEEK - 1) == week_of(MONDAY - 1) + 1


@pytest.mark.parametrize("weekday", range(7))
def test_a_shop_that_begins_is_looked_at_as_soon_as_it_has_orders_enough(weekday: int) -> None:
    at = MONDAY + weekday * DAY
    assert due(board_of(), BUILTIN, 2, waited=True) is None
    assert due(board_of(at, at, orders=FIRST // 2 - 1), BUILTIN, 2, waited=True) is None
    found = due(board_of(at, at, orders=FIRST // 2), BUILTIN, 2, waited=False)
    assert found is not None
    assert (found.until, len(found.samples)) == (at, 2)
    assert due(board_of(at, at, orders=FIRST // 2, tried=tried(at - DAY)), BUILTIN, 2, waited=False) == found


def test_a_round_is_looked_at_once() -> None:
    assert asked(board_of(MONDAY, MONDAY, tried=tried(MONDAY))) is None
    assert asked(board_of(MONDAY, MONDAY, tried=tried(MONDAY + DAY))) is None
    board = board_of(MONDAY, MONDAY)
    assert asked(board) is not None
    board.in_force = published(1, until=MONDAY)
    assert asked(board) is None, "the line about it was not written; what came of it was"


def test_a_round_waits_for_all_and_then_takes_older_samples_of_who_is_away() -> None:
    assert asked(board_of(MONDAY, 0)) is None
    assert asked(board_of(MONDAY, MONDAY - DAY)) is None
    for other, count in ((0, 1), (MONDAY - DAY, 2), (MONDAY - WEEK, 1)):
        found = asked(board_of(MONDAY, other), waited=True)
        assert found is not None
        assert (found.until, len(found.samples)) == (MONDAY, count)


@pytest.mark.parametrize(
    ("days", "orders", "is_due"),
    [
        (1, 600, False),  # nothing new
        (6, 600, False),
        (7, 600, True),  # a week is over
        (1, round(GROWN * 500), True),  # many more orders
        (1, round(GROWN * 500) - 1, False),
    ],
)
def test_what_is_looked_at_again_and_when(days: int, orders: int, is_due: bool) -> None:
    at = MONDAY + days * DAY
    assert (asked(board_of(at, at, tried=tried(MONDAY), orders=orders)) is not None) == is_due


def test_what_failed_is_tried_again_in_the_next_round() -> None:
    at = MONDAY + DAY
    assert asked(board_of(at, at, tried=tried(MONDAY))) is None
    assert asked(board_of(at, at, tried=tried(MONDAY, outcome="failed"))) is not None


def test_samples_are_bounded_together() -> None:
    assert [most_of(partitions) for partitions in (1, 5, 100, 1000, 10_000)] == [MOST, MOST, 200, 20, 20]
    assert all(most_of(partitions) * partitions <= CUSTOMERS for partitions in range(1, 1001))
