"""What customers are worth: orders and money expected within a horizon, each with an interval.

Orders are the days of `agents.models.outlook` times the orders of such a day. Their number is 0 with the model's chance
of no order; above it a gamma law of the same mean and variance stands for it, as for the money. An order's amount is
log-normal at the scale at which the next one is foretold (`agents.models.amounts`): with n amounts, mn, bn, an, kn as
there,

    A = exp(mn + s2 / 2)        s2 = (bn / an) (kn + 1) / kn

(a Student's t of logs has no mean of its own). One giant order moves the mean of logs by its share of it alone, and s2
counts up to four times the population's.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from agents.models.mixture import Floats
from agents.models.outlook import Outlook, Places
from tables.parameters import BasketPrior

HORIZON_DAYS = 365
LEVEL = 0.8
"""Of intervals: one in ten customers comes to less, one in ten to more."""
_WILDEST = 4.0
_HALVINGS = 11
_PLAIN_DAYS = 2.0
"""Days with one order that each customer's own orders per day are weighed against."""


class Amounts(NamedTuple):
    """The next orders' amounts of n customers, in the currency of their orders. Each (n,)."""

    mean: Floats
    scatter: Floats
    """Squared coefficient of variation, of one order around the customer's own mean."""
    doubt: Floats
    """The same, of that mean, which all orders share."""


class Expected(NamedTuple):
    """A figure of n customers, and where its interval begins and ends. Each (n,)."""

    mean: Floats
    low: Floats
    high: Floats


def amounts(prior: BasketPrior, n: ArrayLike, mean_ln: ArrayLike, ss: ArrayLike) -> Amounts:
    """Of customers with n amounts so far, the mean of their logs and the squared deviations from it; 0 for none."""
    seen, mean, squares = (np.asarray(values, dtype=np.float64) for values in (n, mean_ln, ss))
    kn, an = prior.k0 + seen, prior.a0 + 0.5 * seen
    off = np.where(seen > 0, mean - prior.m0, 0.0)
    bn = prior.b0 + 0.5 * np.maximum(squares, 0.0) + 0.5 * prior.k0 * seen * off * off / kn
    variance = np.minimum(bn / an, _WILDEST * prior.b0 / prior.a0)
    centre = prior.m0 + seen * off / kn
    return Amounts(np.exp(centre + 0.5 * variance * (kn + 1.0) / kn), np.expm1(variance), np.expm1(variance / kn))


def orders_a_day(orders: ArrayLike, days: ArrayLike) -> Floats:
    """How many orders a day with an order has, of customers with `orders` on `days`."""
    count, on = np.asarray(orders, dtype=np.float64), np.asarray(days, dtype=np.float64)
    return np.asarray((count + _PLAIN_DAYS) / (on + _PLAIN_DAYS), dtype=np.float64)


def expected_orders(ahead: Outlook, a_day: Floats) -> Expected:
    """Orders within the horizon; the interval's ends are whole numbers, and belong to it."""
    # a whole number n stands for the stretch that ends at n, and in the middle of that lies n - 1/2
    mean = ahead.staying - 0.5
    square = ahead.staying_square - ahead.staying + 1.0 / 6.0
    low, high = (np.ceil(end) for end in _interval(ahead, mean, square, np.ones(mean.size)))
    return Expected(a_day * ahead.mean, np.ceil(a_day * low), np.ceil(a_day * high))


def expected_value(ahead: Outlook, a_day: Floats, worth: Amounts) -> Expected:
    """Money within the horizon."""
    each = a_day * worth.mean
    mean = each * ahead.staying
    square = each * (each * ahead.staying_square * (1.0 + worth.doubt) + worth.mean * worth.scatter * ahead.staying)
    return Expected(each * ahead.mean, *_interval(ahead, mean, square, each))


def _interval(ahead: Outlook, mean: Floats, square: Floats, each: Floats) -> tuple[Floats, Floats]:
    """The ends of the interval at LEVEL of a sum over orders of about `each`.

    `mean`, `square`: of that sum for who orders once and never leaves. To that belongs a gamma law (by its cube root,
    which is nearly normal: Wilson & Hilferty 1931); the chance to have stayed for so many orders is multiplied to it.
    """
    shape = np.square(mean) / np.maximum(square - np.square(mean), 1e-6 * np.square(mean))
    ends = []
    for above in ((1.0 + LEVEL) / 2.0, (1.0 - LEVEL) / 2.0):
        end = np.zeros(mean.size)
        who = np.flatnonzero(ahead.some > above)
        end[who] = mean[who] * _reached(ahead, who, above / ahead.some[who], shape[who], mean[who] / each[who])
        ends.append(end)
    return ends[0], ends[1]


def _reached(ahead: Outlook, who: Places, share: Floats, shape: Floats, orders: Floats) -> Floats:
    """What a share of some customers' sums reaches, in means; `orders` make a mean. By halving. (m,)."""
    centre, steep = 1.0 - 1.0 / (9.0 * shape), 3.0 * np.sqrt(shape)
    low = np.zeros(who.size)
    high = np.maximum(centre - ndtri(share) / steep, 0.0)  # as if nobody ever left
    for _ in range(_HALVINGS):
        root = 0.5 * (low + high)
        more = np.maximum(orders * root * root * root - 0.5, 0.0)
        reached = ndtr(steep * (centre - root)) * ahead.stays(more, who) > share
        low, high = np.where(reached, root, low), np.where(reached, high, root)
    root = 0.5 * (low + high)
    return np.asarray(root * root * root, dtype=np.float64)
