"""When something is to be fitted. Pure."""

from dataclasses import dataclass

from agents.learning.sampling import MOST
from agents.learning.worth import FIRST, GROWN
from streams.refit.board import Board
from streams.refit.records import SampleOf
from tables.clock import week_of
from tables.orders import DAY, WEEK
from tables.parameters import Parameters

ROUND = DAY
"""Rounds begin at midnight UTC: each partition number takes a sample then, of what it knew."""
CUSTOMERS = 20_000
"""Of all partition numbers' samples together: more tell hardly more, and what a refit takes grows with them."""


@dataclass(frozen=True, slots=True)
class Due:
    """What is to be done by agents.learning.refit.renew, which knows what exactly."""

    until: int
    """The round, epoch ms."""
    samples: list[SampleOf]


def round_at(now: int) -> int:
    """The round that began last, epoch ms."""
    return now - now % ROUND


def most_of(partitions: int) -> int:
    """Customers in the sample of one partition number of so many."""
    return max(20, min(MOST, CUSTOMERS // partitions))


def due(board: Board, current: Parameters, partitions: int, *, waited: bool) -> Due | None:
    """What the newest round is good for; None: nothing, or not yet.

    At each week's end something is; in between for a shop that has just come to orders enough, or to many more than at
    the last refit; and after one that has failed. `waited`: long enough for the partition numbers whose samples are
    missing; older ones of theirs will do then, of up to a week before.
    """
    until, samples = board.round_of(partitions)
    tried, published = board.tried, board.in_force
    done = max(tried.until if tried is not None else 0, published.until if published is not None else 0)
    if until <= done:
        return None
    samples = [sample for sample in samples if sample.until > until - (WEEK if waited else ROUND)]
    if len(samples) < partitions and not waited:
        return None
    orders, live = sum(sample.orders for sample in samples), current.live
    if orders < FIRST:
        return None
    again = week_of(until) > week_of(done) or (tried is not None and tried.outcome == "failed")
    grown = live is None or not live.fitted_at or orders >= GROWN * live.orders
    return Due(until, samples) if again or grown else None
