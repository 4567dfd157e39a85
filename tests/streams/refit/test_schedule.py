"""When something is fitted, and by whose samples."""

from typing import Any

import msgspec
import pytest

from streams.refit.board import Board
from streams.refit.records import Tried
from streams.refit.schedule import CUSTOMERS, LEAST_ORDERS, Due, due, most_of, round_at, week_of
from tests.support.published import sample

DAY, WEEK = 86_400_000, 7 * 86_400_000
MONDAY = 1_600_041_600_000
"""2020-09-14."""
EVERY = 28 * DAY


def board_of(*untils: int, tried: Tried | None = None, **told: Any) -> Board:
    """A sample of each partition number of two, until then; those of 0 left out."""
    board = Board()
    board.samples = {number: sample(until, **told) for number, until in enumerate(untils) if until}
    board.tried = tried
    return board


def tried(until: int, **told: Any) -> Tried:
    found = Tried(until=until, outcome="kept", why="", by="", ended_at=0, fitted_until=until, fitted_orders=1000)
    return msgspec.structs.replace(found, **told)


def asked(board: Board, *, waited: bool = False) -> Due | None:
    return due(board, 2, EVERY, waited=waited)


def test_rounds_begin_at_midnight_and_weeks_on_mondays() -> None:
    assert (round_at(MONDAY), round_at(MONDAY - 1), round_at(MONDAY + DAY - 1)) == (MONDAY, MONDAY - DAY, MONDAY)
    assert week_of(MONDAY) == week_of(MONDAY + WEEK - 1) == week_of(MONDAY - 1) + 1


def test_a_shop_that_begins_is_fitted_once_it_has_orders_enough() -> None:
    assert asked(board_of()) is None
    assert asked(board_of(MONDAY, MONDAY, orders=LEAST_ORDERS // 2 - 1)) is None
    found = asked(board_of(MONDAY, MONDAY, orders=LEAST_ORDERS // 2))
    assert found is not None
    assert (found.until, found.whole, found.orders, len(found.samples)) == (MONDAY, True, LEAST_ORDERS, 2)


def test_a_round_is_fitted_once() -> None:
    assert asked(board_of(MONDAY, MONDAY, tried=tried(MONDAY))) is None
    assert asked(board_of(MONDAY, MONDAY, tried=tried(MONDAY + DAY))) is None


def test_a_round_waits_for_all_and_then_takes_older_samples_of_who_is_away() -> None:
    assert asked(board_of(MONDAY, 0)) is None
    assert asked(board_of(MONDAY, MONDAY - DAY)) is None
    for other, count in ((0, 1), (MONDAY - DAY, 2), (MONDAY - WEEK, 1)):
        found = asked(board_of(MONDAY, other), waited=True)
        assert found is not None
        assert (found.until, len(found.samples)) == (MONDAY, count)


@pytest.mark.parametrize(
    ("days", "orders", "whole"),
    [
        (1, 500, None),  # nothing new
        (7, 500, False),  # a week is over
        (3, 1000, True),  # twice as many orders
        (28, 500, True),  # the time has come
    ],
)
def test_what_is_fitted_again_and_when(days: int, orders: int, whole: bool | None) -> None:
    at = MONDAY + days * DAY
    found = asked(board_of(at, at, tried=tried(MONDAY), orders=orders))
    assert (None if found is None else found.whole) == whole


def test_the_week_counts_from_the_last_try_and_the_rest_from_the_last_fit() -> None:
    at = MONDAY + 8 * DAY
    since = tried(MONDAY + WEEK, fitted_until=MONDAY)
    assert asked(board_of(at, at, tried=since)) is None
    at = MONDAY + EVERY
    found = asked(board_of(at, at, tried=since))
    assert found is not None
    assert found.whole


def test_what_failed_is_tried_again_in_the_next_round() -> None:
    at = MONDAY + DAY
    found = asked(board_of(at, at, tried=tried(MONDAY, outcome="failed")))
    assert found is not None
    assert found.whole


def test_samples_are_bounded_together() -> None:
    assert [most_of(partitions) for partitions in (1, 10, 100, 1000, 10_000)] == [2000, 2000, 200, 20, 20]
    assert all(most_of(partitions) * partitions <= CUSTOMERS for partitions in range(10, 1001))
