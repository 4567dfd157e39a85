"""When something is to be fitted. Pure."""

from dataclasses import dataclass

from streams.refit.board import Board
from streams.refit.records import SampleOf
from tables.orders import DAY, WEEK

ROUND = DAY
"""Rounds begin at midnight UTC: each partition number takes a sample then, of what it knew."""
LEAST_ORDERS = 100
"""With fewer nothing is fitted: the parameters that a worker starts with say more."""
GROWTH = 2
"""So many times as many orders as at the last whole fit are worth another one."""
_MONDAY = 4 * DAY
"""The first Monday of Unix time."""
CUSTOMERS = 20_000
"""Of all partition numbers' samples together: more tell hardly more, and what a refit takes grows with them."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be fitted."""

    until: int
    """The round, epoch ms."""
    samples: list[SampleOf]
    whole: bool
    """Everything; else the population's clock alone, by the weeks that are over."""
    orders: int


def round_at(now: int) -> int:
    """The round that began last, epoch ms."""
    return now - now % ROUND


def week_of(at: int) -> int:
    """Weeks begin on Mondays, UTC."""
    return (at - _MONDAY) // WEEK


def most_of(partitions: int) -> int:
    """Customers in the sample of one partition number of so many."""
    return max(20, min(2000, CUSTOMERS // partitions))


def due(board: Board, partitions: int, every: int, *, waited: bool) -> Due | None:
    """What the newest round is good for; None: nothing, or not yet.

    `every`: ms after which everything is fitted anew at the latest. `waited`: long enough for the partition numbers
    whose samples are missing; older ones of theirs will do then, of up to a week before.
    """
    until, samples = board.round_of(partitions)
    tried = board.tried
    if not samples or (tried is not None and tried.until >= until):
        return None
    samples = [sample for sample in samples if sample.until > until - (WEEK if waited else ROUND)]
    if len(samples) < partitions and not waited:
        return None
    orders = sum(sample.orders for sample in samples)
    if orders < LEAST_ORDERS:
        return None
    whole = (
        tried is None
        or tried.outcome == "failed"
        or orders >= GROWTH * tried.fitted_orders
        or until - tried.fitted_until >= every
    )
    if not whole and tried is not None and week_of(until) <= week_of(tried.until):
        return None
    return Due(until, samples, whole, orders)
