"""How strict the trend rules must be in a shop, so that of its customers, were they stable, one in ten is told a year.

Whose own amounts are put in any order drifts nowhere. So each customer's amounts are shuffled among the times of their
orders, the rules' statistics run over them, and of the largest of each customer and year the 90 % quantile is taken: as
a factor on the rules' default limits, and on the p of `basket.shrunk` where one order in a hundred would be too many.
Regular amounts need it below 1, amounts with heavy tails and customers who order every week above.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtr

from agents.fit.histories import Floats, Ints, Mask, Orders
from agents.models import amounts
from agents.rulebook.rules import BasketGrown, BasketShrinking, BasketShrunk
from tables.orders import DAY
from tables.parameters import BasketPrior

ALARMS = 0.1
"""Share of stable customers who may be told of a trend within a year, in each direction."""
EARLIER = 3
MIN_YEARS = 100
"""Years of customers; with fewer the limits stay as they are."""
LEAST, LARGEST = 0.7, 3.0
_CUSTOMERS = 4000
_ORDERS = 200
"""Of a customer, so many are looked at."""
_RAREST = 1e-9
_YEAR = 365 * DAY


class Trends(NamedTuple):
    """What each order comes to, (n, k): the larger share of their limits that EWMA and CUSUM reach, by direction."""

    down: Floats
    up: Floats
    small: Floats
    """-ln p of each order that is small enough for `basket.shrunk`, else 0."""


class Strictness(NamedTuple):
    """Factors on the limits of `basket.shrinking` and `basket.grown`, and on the p of `basket.shrunk`."""

    down: float = 1.0
    up: float = 1.0
    rarer: float = 1.0


def strictness(paid: Orders, prior: BasketPrior, end: int) -> Strictness:
    """The factors for a shop; 1 where too little is known.

    `paid`: orders with an amount, of one currency; `end` (epoch ms): until then the shop was watched.
    """
    at, logs = _regulars(paid)
    there = ~np.isnan(logs)
    if not len(at):
        return Strictness()
    year, span = _years(at, there, end)
    rng = np.random.default_rng(1)
    found = [
        [_largest(reached, year, there) for reached in trends_of(_shuffled(logs, rng), prior)]
        for _ in range(max(1, _CUSTOMERS // len(at)))
    ]
    if found[0][0].size * span < MIN_YEARS:
        return Strictness()
    quantile = (1.0 - ALARMS) ** span
    down, up, small = (float(np.quantile(np.concatenate(one), quantile)) for one in zip(*found, strict=True))
    rarer = float(np.exp(-small)) / BasketShrunk().p
    down, up = (min(max(factor, LEAST), LARGEST) for factor in (down, up))
    return Strictness(down, up, min(max(rarer, _RAREST), 1.0))


def trends_of(logs: Floats, prior: BasketPrior) -> Trends:
    """Of customers' log amounts in their order, (n, k), NaN after the last: what triggers of baskets would follow."""
    size, orders = logs.shape
    n, mean, ss, ewma, down, up = np.zeros((6, size))
    shrinking, grown = BasketShrinking(), BasketGrown()
    found = Trends(*np.zeros((3, size, orders)))
    for k in range(orders):
        there = ~np.isnan(logs[:, k])
        z, joins, small = _score(prior, n, mean, ss, np.where(there, logs[:, k], 0.0))
        if k >= EARLIER:
            found.small[:, k] = np.where(there, small, 0.0)
            weight = _weighed(z)
            ewma = np.where(there, (1.0 - amounts.MEMORY) * weight + amounts.MEMORY * ewma, ewma)
            down = np.where(there, np.maximum(0.0, down - weight - amounts.SLACK), down)
            up = np.where(there, np.maximum(0.0, up + weight - amounts.SLACK), up)
            found.down[:, k] = np.where(there, np.maximum(-ewma / shrinking.ewma, down / shrinking.cusum), 0.0)
            found.up[:, k] = np.where(there, np.maximum(ewma / grown.ewma, up / grown.cusum), 0.0)
        n = n + there
        off = joins - mean
        mean = np.where(there, mean + off / np.maximum(n, 1.0), mean)
        ss = np.where(there, ss + off * (joins - mean), ss)
    return found


def _score(prior: BasketPrior, n: Floats, mean: Floats, ss: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """`agents.models.amounts.score` of many: z, what joins, and -ln p where it is small enough to be told of."""
    off = np.where(n > 0, mean - prior.m0, 0.0)
    d2 = off * off * prior.a0 / (prior.b0 * (1.0 / prior.k0 + 1.0 / np.maximum(n, 1.0)))
    k0 = prior.k0 * np.where(d2 > 1.0, (amounts.HEAVY + 1.0) / (amounts.HEAVY + d2), 1.0)
    kn, an = k0 + n, prior.a0 + 0.5 * n
    mn = (k0 * prior.m0 + n * mean) / kn
    bn = prior.b0 + 0.5 * ss + 0.5 * k0 * n * off * off / kn
    scale = np.sqrt(bn * (kn + 1.0) / (an * kn))
    t = (y - mn) / scale
    tail = np.maximum(stdtr(2.0 * an, -np.abs(t)), amounts.LEAST_P)
    z = -np.sign(t) * ndtri(tail)
    small = np.where(y <= mn + np.log(BasketShrunk().ratio), -np.log(tail), 0.0)
    return z, np.where(n > 0, mn + _weighed(t) * scale, y), small


def _weighed(z: Floats) -> Floats:
    """`agents.models.amounts.weighed` of many."""
    size = np.abs(z)
    odd = np.maximum(amounts.REST, amounts.FULL * (amounts.ODD - size) / (amounts.ODD - amounts.DOUBTED))
    return np.sign(z) * np.minimum(np.where(size > amounts.DOUBTED, odd, size), amounts.FULL)


def _regulars(paid: Orders) -> tuple[Ints, Floats]:
    """When those ordered who did so more than EARLIER times, and the logs of what they paid; (n, k), NaN at the end."""
    _, begins, count = np.unique(paid.customer, return_index=True, return_counts=True)
    chosen = np.flatnonzero(count > EARLIER)
    chosen = chosen[:: max(1, -(-chosen.size // _CUSTOMERS))]
    length = np.minimum(count[chosen], _ORDERS)
    place = np.arange(int(length.max(initial=0)))
    there = place < length[:, None]
    rows = np.where(there, begins[chosen][:, None] + place, 0)
    return paid.at[rows], np.where(there, np.log(paid.total[rows]), np.nan)


def _shuffled(logs: Floats, rng: np.random.Generator) -> Floats:
    """Each row in an order of its own; NaN stays at the end."""
    key = np.where(np.isnan(logs), 2.0, rng.random(logs.shape))
    return np.take_along_axis(logs, np.argsort(key, axis=1), axis=1)


def _years(at: Ints, there: Mask, end: int) -> tuple[Ints, float]:
    """The year of each order, counted from the customer's first that is judged, -1: none that is whole; and its length.

    In a shop too young for years it is its own age that counts, in years.
    """
    first = at[:, EARLIER][:, None]
    length = min(_YEAR, max(end - int(first.min()), DAY))
    last = np.where(there.all(axis=1), at[:, -1], end)[:, None]  # who has more orders is watched up to the last here
    year = np.where(at >= first, (at - first) // length, -1)
    year[first + (year + 1) * length > last] = -1
    return year, length / _YEAR


def _largest(reached: Floats, year: Ints, there: Mask) -> Floats:
    """The largest of each customer's years in which there was an order."""
    judged = there & (year >= 0) & (np.arange(year.shape[1]) >= EARLIER)
    size = int(year.max(initial=0)) + 1
    place = np.nonzero(judged)[0] * size + year[judged]
    found = np.zeros(year.shape[0] * size)
    np.maximum.at(found, place, reached[judged])
    there = np.unique(place)
    return found[there]
