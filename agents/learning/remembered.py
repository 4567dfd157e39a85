"""The occasions that a sample's customers are remembered by, with the rhythm that each customer had after each of them.

A state holds the newest orders by name, and of all gaps the sums: of a customer with more orders, what was known before
the oldest of them is what the sums have left when the gaps that are remembered are taken out of them. The gaps that are
not remembered are those of who orders often, so a fit that looked at the others alone would take the shop for slower
than it is: `before` has them as sums, for a likelihood of their own (`agents.fit.timinglikelihood`, at the age 0).
"""

import numpy as np

from agents.fit.histories import Floats, Occasions, Orders, occasions_of
from agents.fit.timinglikelihood import Snapshot
from agents.learning.sample import Sample
from tables.clock import Clock
from tables.orders import KEPT


def occasions_in(sample: Sample, clock: Clock) -> Occasions:
    """The occasions before the sample's instant, by the clock; `customer` is the row in `sample.of`.

    A gap that was open then counts as open, whatever came later.
    """
    of, until = sample.of, sample.until
    nothing = np.zeros(sample.at.size)
    owner = np.repeat(np.arange(len(of)), of.orders)
    found = occasions_of(Orders(owner, sample.at, nothing, nothing.astype(np.int64)), clock)
    x, s1, s2, e1, e2 = (column[found.customer] for column in _unremembered(sample, found))
    fade = KEPT**found.x
    known = Occasions(
        found.customer,
        found.first_at,
        found.last_at,
        found.x + x.astype(np.int64),
        found.s1 + s1,
        found.s2 + s2,
        found.e1 + fade * e1,
        found.e2 + fade * e2,
        np.where(found.closes < until, found.gap, np.inf),
    )
    return known.take(known.last_at < until)


def before(occasions: Occasions) -> Snapshot:
    """What was known of each customer at the oldest occasion that is remembered, of those who had gaps by then."""
    first = np.ones(len(occasions), dtype=np.bool_)
    first[1:] = occasions.customer[1:] != occasions.customer[:-1]
    old = occasions.take(first & (occasions.x > 0))
    return Snapshot(old.x.astype(np.float64), old.s1, old.s2, np.zeros(len(old)), np.ones(len(old)))


def _unremembered(sample: Sample, found: Occasions) -> tuple[Floats, Floats, Floats, Floats, Floats]:
    """X, s1, s2, e1 and e2 of each customer's gaps before the oldest occasion that is remembered."""
    of = sample.of
    newest = (
        np.flatnonzero(np.append(found.customer[1:] != found.customer[:-1], True)) if len(found) else np.empty(0, int)
    )
    last = found.take(newest)
    x = np.where(of.x < 0, 0, np.maximum(of.x - last.x, 0)).astype(np.float64)
    more, fade = x > 0, KEPT ** last.x.astype(np.float64)
    s1, s2 = np.where(more, of.s1 - last.s1, 0.0), np.where(more, of.s2 - last.s2, 0.0)
    s2 = np.maximum(s2, s1 * s1 / np.maximum(x, 1.0))  # no less than rounding leaves of it
    e1, e2 = np.where(more, (of.e1 - last.e1) / fade, 0.0), np.where(more, (of.e2 - last.e2) / fade, 0.0)
    return x, s1, s2, e1, np.maximum(e2, 0.0)
