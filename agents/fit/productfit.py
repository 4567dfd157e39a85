"""How long products last the customers of a shop: the prior of `agents.models.lasting` from what was sold.

Of each customer and product bought on three days or more: the intervals between them. The slope of ln(interval) on
ln(quantity) is that within these pairs (who always buys two may need twice as much), level and scatter are the
likeliest ones (`agents.fit.basketfit`, whose amounts are intervals here), of each category with MIN_PAIRS pairs apart.

Intervals that are still open do not count, so in a log of a few months the long ones are missing.
"""

from dataclasses import dataclass

import numpy as np

from agents.fit.basketfit import Floats, baskets, fit_basket
from agents.fit.histories import Ints, Sold, differs
from tables.orders import DAY
from tables.parameters import BUILTIN_PRODUCTS, BasketPrior
from tables.productprior import MOST_CATEGORIES, ProductPrior, ProductRhythm
from tables.products import REGULAR, clipped

MIN_PAIRS = 30
_MOST_K = 0.2
"""The customer's own intervals outweigh the population from the first one on."""
_SLOPE_HOLD = 5.0
"""What the built-in slope weighs, in squared deviations of ln(quantity)."""
_SLOPES = (0.0, 1.5)


@dataclass(frozen=True, slots=True)
class _Intervals:
    """One element per interval, by pair of customer and product."""

    pair: Ints
    category: Ints
    """Of the pair."""
    x: Floats
    y: Floats


def fit_products(sold: Sold, categories: tuple[str, ...]) -> tuple[ProductPrior, list[str]]:
    """The prior, and what it could not tell, a line each; `categories`: what the numbers in `sold` stand for."""
    if not len(sold):
        return BUILTIN_PRODUCTS, ["products: the built-in figures; no order says what was bought"]
    seen = _intervals(sold)
    pairs = int(np.unique(seen.pair).size)
    if pairs < MIN_PAIRS:
        why = f"products that a customer bought on {REGULAR} days: {pairs}, {MIN_PAIRS} are needed"
        return BUILTIN_PRODUCTS, [f"products: the built-in figures; {why}"]
    slope = _slope(seen)
    level = seen.y - slope * seen.x
    found = {}
    of_pair = seen.category[np.unique(seen.pair, return_index=True)[1]]
    numbers, counts = np.unique(of_pair[of_pair >= 0], return_counts=True)
    for place in np.argsort(-counts, kind="stable")[:MOST_CATEGORIES].tolist():
        if counts[place] >= MIN_PAIRS:
            rows = seen.category == numbers[place]
            found[categories[numbers[place]]] = _rhythm(seen.pair[rows], level[rows])
    prior = ProductPrior(_rhythm(seen.pair, level), _short(slope), BUILTIN_PRODUCTS.slope_k, found)
    return prior, []


def _intervals(sold: Sold) -> _Intervals:
    """Purchases of a day are one, as in `tables.products`."""
    rows = sold.take(np.lexsort((sold.at, sold.product, sold.customer)))
    new = differs(rows.customer) | differs(rows.product)
    begins = np.flatnonzero(new | differs(rows.at // DAY))
    quantity = np.clip(np.add.reduceat(rows.quantity, begins), clipped(0.0), clipped(np.inf))
    at, new = rows.at[begins], new[begins]
    pair = np.cumsum(new) - 1
    often = np.bincount(pair) >= REGULAR
    inside = ~new[1:] & often[pair[1:]]
    days = np.maximum(np.diff(at) / DAY, 1.0)[inside]
    last = np.append(np.flatnonzero(new)[1:], new.size) - 1
    category = rows.category[begins][last][pair[1:][inside]]
    return _Intervals(pair[1:][inside], category, np.log(quantity[:-1][inside]), np.log(days))


def _slope(seen: _Intervals) -> float:
    x, y = _within(seen.pair, seen.x), _within(seen.pair, seen.y)
    hold = _SLOPE_HOLD
    slope = (float(np.dot(x, y)) + hold * BUILTIN_PRODUCTS.slope) / (float(np.dot(x, x)) + hold)
    return min(max(slope, _SLOPES[0]), _SLOPES[1])


def _within(pair: Ints, values: Floats) -> Floats:
    """Deviations from each pair's mean."""
    n = np.maximum(np.bincount(pair), 1)
    centred: Floats = values - (np.bincount(pair, values) / n)[pair]
    return centred


def _rhythm(pair: Ints, level: Floats) -> ProductRhythm:
    _, own, n = np.unique(pair, return_inverse=True, return_counts=True)
    ss = np.bincount(own, np.square(_within(own, level)))
    whole = BUILTIN_PRODUCTS.overall
    held = BasketPrior(whole.mu, whole.k, whole.a, whole.b)
    found = fit_basket(baskets(n.astype(np.float64), np.bincount(own, level) / n, ss.astype(np.float64)), held)
    return ProductRhythm(_short(found.m0), min(_short(found.k0), _MOST_K), _short(found.a0), _short(found.b0))


def _short(value: float) -> float:
    """To six digits, which is more than any shop can tell."""
    return float(f"{value:.6g}")
