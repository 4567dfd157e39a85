"""Population parameters from a shop's orders, with what could not be told from them and what stands in for it.

Timing is fitted from MIN_GAPS gaps on. With fewer (a young shop, or one to which nobody comes back) the built-in rhythm
stays and only the chance to be gone after an order is fitted; with fewer than MIN_CUSTOMERS customers, or when no
sensible rhythm comes out, the built-in figures stay as they are. Baskets are fitted from MIN_BASKETS customers with an
amount on, in the currency that most orders have; else the built-in figures stay. Where customers stand among each other
is found for each currency in which enough of them have an amount; without any, `loyal.at_risk` stays silent.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from agents.fit.basketfit import Baskets, baskets, fit_basket
from agents.fit.clockfit import Timing, refine
from agents.fit.histories import Orders, Sold, occasions_of
from agents.fit.productfit import fit_products
from agents.fit.standings import MIN_CUSTOMERS as MIN_STANDING
from agents.fit.standings import standing_of
from agents.fit.timingfit import NoFitError, fit_drop_out, fit_timing, sensible
from agents.fit.timinglikelihood import Snapshot, snapshot
from agents.fit.trendfit import strictness
from tables.orders import DAY, WEEK
from tables.parameters import BUILTIN, BasketPrior, Parameters, TimingPrior

MIN_CUSTOMERS = 30
MIN_GAPS = 30
MIN_BASKETS = 10
SHORT_DAYS = 90
"""With less history than this the fit is told to be young."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a fit came to."""

    parameters: Parameters
    customers: int
    gaps: int
    notes: list[str]
    """What is not from this shop, or is not to be trusted yet, and why: a line each."""


def fit(
    orders: Orders,
    end: int,
    sold: Sold | None = None,
    categories: tuple[str, ...] = (),
    *,
    currencies: Sequence[str] = (),
) -> Fitted:
    """The parameters of a shop as it stood at `end` (epoch ms); of products only where it is known what was sold.

    `currencies`: the names of `orders.currency`.

    The version follows from the numbers: the same orders give the same. Nothing fitted: the built-in parameters. Raises
    ValueError for a later order: a fit must not look ahead.
    """
    if orders.at.max(initial=end) > end:
        raise ValueError(f"an order at {orders.at.max()} lies after {end}")
    seen = snapshot_at(orders, end)
    timing, notes = timing_of(seen)
    refined = refined_timing(orders, timing, end) if not notes else Timing(timing, ())
    if timing is not BUILTIN.timing and end - int(orders.at.min()) < SHORT_DAYS * DAY:
        days = (end - int(orders.at.min())) / DAY
        notes.append(f"timing: only {days:.0f} days of history; longer gaps than that are not known yet")
    basket, told = _basket(orders, end)
    products, missing = (BUILTIN.products, []) if sold is None else fit_products(sold, categories)
    found = Parameters("fit", rounded(refined.prior), basket, refined.clock, products)
    standing = standing_of(orders, currencies, found, end)
    found = msgspec.structs.replace(found, standing=standing)
    named = msgspec.structs.replace(found, version=f"fit-{found.fingerprint}")
    nothing = (
        timing is BUILTIN.timing and basket is BUILTIN.basket and products is BUILTIN.products and standing is None
    )
    if currencies and standing is None and (orders.total > 0).any():
        why = f"in none of its currencies do {MIN_STANDING} customers have an amount"
        told.append(f"standing: unknown, so loyal.at_risk stays silent; {why}")
    return Fitted(BUILTIN if nothing else named, round(seen.customers), round(seen.gaps), [*notes, *told, *missing])


def snapshot_at(orders: Orders, end: int) -> Snapshot:
    """Every customer's gaps and the age of the open one."""
    newest = occasions_of(orders).newest()
    return snapshot(newest.x.astype(np.float64), newest.s1, newest.s2, (end - newest.last_at) / WEEK)


def baskets_of(orders: Orders) -> Baskets:
    """Sums of the log amounts per customer; an amount of 0 is unknown or a gift, and is left out."""
    paid = orders.take(orders.total > 0)
    _, owner, n = np.unique(paid.customer, return_inverse=True, return_counts=True)
    ln = np.log(paid.total)
    mean = np.bincount(owner, ln) / n
    ss = np.bincount(owner, np.square(ln - mean[owner]))
    return baskets(n.astype(np.float64), mean, ss.astype(np.float64))


def timing_of(seen: Snapshot) -> tuple[TimingPrior, list[str]]:
    """The rhythm that a snapshot gives, or as much of the built-in one as must stand in for it, and why."""
    customers, gaps = round(seen.customers), round(seen.gaps)
    if customers < MIN_CUSTOMERS:
        return BUILTIN.timing, [f"timing: the built-in figures; {customers} customers, {MIN_CUSTOMERS} are needed"]
    notes: list[str] = []
    try:
        if gaps >= MIN_GAPS:
            return fit_timing(seen), notes
        notes.append(
            f"timing: the built-in rhythm, with this shop's chance of not coming back; {gaps} gaps between orders, "
            f"{MIN_GAPS} are needed"
        )
        return fit_drop_out(seen), notes
    except NoFitError as error:
        return BUILTIN.timing, [f"timing: the built-in figures; {error}"]


def refined_timing(orders: Orders, timing: TimingPrior, end: int) -> Timing:
    """With all parts that hold; the rhythm that a snapshot gives where what comes out is none."""
    found = refine(orders, timing, end)
    try:
        sensible(found.prior)
    except NoFitError:  # gaps that follow no rhythm at all: the plain one is as good
        return Timing(timing, ())
    return found


def _basket(orders: Orders, end: int) -> tuple[BasketPrior, list[str]]:
    paid = orders.take(orders.total > 0)
    if not len(paid):
        return BUILTIN.basket, [
            "baskets: the built-in figures; no order has an amount, so the basket rules stay silent"
        ]
    notes = []
    currencies = np.bincount(paid.currency)
    most = int(currencies.argmax())
    if currencies[most] < len(paid):
        share = currencies[most] / len(paid)
        notes.append(f"baskets: from the currency of {share:.0%} of the orders; amounts in others mean something else")
    paid = paid.take(paid.currency == most)
    seen = baskets_of(paid)
    customers = round(float(seen.count.sum()))
    if customers < MIN_BASKETS:
        why = f"baskets: the built-in figures; {customers} customers with an amount, {MIN_BASKETS} are needed"
        return BUILTIN.basket, [*notes, why]
    found = basket_of(seen)
    down, up, rarer = (float(f"{factor:.3g}") for factor in strictness(paid, found, end))
    return msgspec.structs.replace(found, strict_down=down, strict_up=up, rarer=rarer), notes


def basket_of(seen: Baskets) -> BasketPrior:
    """The likeliest baskets of one customer or more, to six digits."""
    found = fit_basket(seen)
    return BasketPrior(*map(_short, (found.m0, found.k0, found.a0, found.b0)))


def rounded(prior: TimingPrior) -> TimingPrior:
    """To six digits, which is more than any shop can tell: the last ones differ from machine to machine."""
    weights = [round(weight, 6) for weight in prior.weights]
    largest = weights.index(max(weights))
    weights[largest] = round(1.0 - (sum(weights) - weights[largest]), 6)
    short = {name: _short(getattr(prior, name)) for name in ("mu0", "tau2", "a", "b", "omega", "level", "unsure")}
    several = {name: tuple(map(_short, getattr(prior, name))) for name in ("shift", "bend", "bend_first")}
    if prior.skip:
        short["skip"] = _short(prior.skip)
    return msgspec.structs.replace(prior, weights=tuple(weights), **short, **several)


def _short(value: float) -> float:
    return float(f"{value:.6g}")
