"""Invented shops with known truth: each kind breaks another habit of a model of timing.

A customer's gaps are log-normal around a mean of their own (in a few kinds of a gamma law), in the shop's own time; the
shop's clock says how fast that time runs on each day, and after every order the customer may have gone for good.
`SHOPS` names the kinds.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
YEAR = 365


@dataclass(frozen=True)
class Log:
    """Orders sorted by time: `customer` counts from 0, `time` in days from the shop's first day, `amount` in money."""

    customer: NDArray[np.int64]
    time: Floats
    amount: Floats


@dataclass(frozen=True)
class Shop:
    """How the customers of a shop behave. Gaps in days of the shop's clock."""

    days: int = 2 * YEAR
    customers: int = 2500
    joined_within: float = 1.0
    """Share of the span in which they come for the first time."""
    typical: float = 35.0
    """Median over customers of their median gap."""
    between: float = 0.7
    """Standard deviation between customers, of the log gap; `within`: the classes of scatter of one customer."""
    within: tuple[float, ...] = (0.3, 0.6, 0.9)
    shapes: tuple[float, ...] = ()
    """Where there are any, gaps are of a gamma law with one of them as its shape, and no log-normal ones."""
    leaves: tuple[float, float] = (0.5, 3.5)
    """Beta distribution of the chance to have gone after an order."""
    slower: float = 0.0
    """What each order adds to the log of the customer's next gaps."""
    skips: float = 0.0
    """The chance that a gap is two in one."""
    whole_days: bool = False
    own_weekday: bool = False
    """Each customer shops on one day of the week."""
    speed: Callable[[Floats], Floats] = np.ones_like
    """How fast the shop's clock runs on each day, counted from 0; also how many join."""


def _seasonal(day: Floats) -> Floats:
    """A quiet summer, a high season from October to Christmas, then a slump."""
    of_year = day % YEAR
    rush = 1.6 * np.clip((of_year - 265) / 60, 0, 1) * (of_year < 357)
    slump = 0.5 * (of_year < 45)
    summer = 0.25 * np.exp(-0.5 * np.square((of_year - 205) / 25))
    return 1.0 + rush - slump - summer


def _presents(day: Floats) -> Floats:
    """Little but in the five weeks before Christmas, when everything runs up to eight times as fast."""
    return 0.6 + 4.5 * np.exp(-0.5 * np.square((day % YEAR - 335) / 14))


def _promoted(day: Floats) -> Floats:
    """Every 61 days five days of triple speed, and a fortnight of rest after it."""
    since = day % 61
    return np.where(since < 5, 3.0, np.where(since < 19, 0.7, 1.0))


def _fading(day: Floats) -> Floats:
    """The shop slows down by a third a year."""
    return np.exp(-0.4 * day / YEAR)


_MONTHS = np.array((0.75, 0.75, 0.9, 0.85, 0.95, 0.95, 0.9, 0.9, 1.25, 1.4, 1.75, 0.9))
"""How fast a shop that sells to shops runs in each month."""


def _trade(day: Floats) -> Floats:
    """Shops buy for their own season, in autumn; on Saturdays and around Christmas nobody is there, on Sundays few.

    The first day is one of December, and so the first half ends when most is bought.
    """
    of_year = ((day + 334) % YEAR).astype(np.int64)
    speed: Floats = _MONTHS[np.minimum(of_year * 12 // YEAR, 11)]
    week = np.array((1.0, 1.0, 1.0, 1.0, 1.0, 0.02, 0.6))
    found: Floats = speed * week[day.astype(np.int64) % 7] * np.where((of_year >= 356) | (of_year < 4), 0.02, 1.0)
    return found


SHOPS: dict[str, Shop] = {
    "steady": Shop(),
    "cohort": Shop(days=546, joined_within=0.16, typical=60),
    "seasonal": Shop(speed=_seasonal),
    "seasonal cohort": Shop(joined_within=0.2, typical=45, speed=_seasonal),
    "presents": Shop(typical=50, speed=_presents),
    "trade": Shop(typical=55, between=0.8, shapes=(0.8, 1.2, 2.0, 4.0), leaves=(1, 6), speed=_trade),
    "trade cohort": Shop(
        typical=55, between=0.8, shapes=(0.8, 1.2, 2.0, 4.0), leaves=(1, 6), speed=_trade, joined_within=0.15
    ),
    "drifting": Shop(slower=0.05),
    "fading": Shop(speed=_fading),
    "subscription": Shop(typical=30, between=0.03, within=(0.04, 0.1), leaves=(1, 15), skips=0.08),
    "weekdays": Shop(typical=18, between=0.5, whole_days=True, own_weekday=True, customers=1500),
    "promotions": Shop(speed=_promoted),
    "month": Shop(days=30, customers=4000, typical=6, leaves=(0.5, 5)),
    "decade": Shop(days=10 * YEAR, customers=2500, typical=60, leaves=(0.5, 6)),
}
"""The kinds; twice the same name and seed give the same log."""

MORE: dict[str, Shop] = {
    "four seasons": Shop(days=4 * YEAR, speed=_seasonal),
    "seasonal, drifting": Shop(speed=_seasonal, slower=0.05),
}
"""More of them, for rolling origins alone: one whose first half has two years, and one in which two habits meet."""
KINDS = {**SHOPS, **MORE}


def clock_of(shop: Shop) -> Floats:
    """The shop's true clock: its time at the beginning of each day, and at the end of the last. (days + 1,)."""
    speed = shop.speed(np.arange(shop.days, dtype=np.float64))
    return np.concatenate([[0.0], np.cumsum(speed)])


def orders_of(name: str, seed: int = 1, *, customers: int | None = None) -> Log:
    """The log of a kind of shop; raises KeyError for a name that is not among KINDS."""
    shop = KINDS[name]
    rng = np.random.default_rng([seed, *name.encode()])
    size = shop.customers if customers is None else customers
    clock = clock_of(shop)
    joined = rng.uniform(0, shop.joined_within * clock[-1], size)
    owner, at = _live(shop, rng, joined, clock[-1])
    # The clock's own days are turned into the calendar's.
    time = np.interp(at, clock, np.arange(shop.days + 1, dtype=np.float64))
    if shop.own_weekday:
        weekday = rng.integers(0, 7, size)[owner]
        time = time + (weekday - np.floor(time)) % 7
    if shop.whole_days:
        time = np.floor(time)
    inside = time < shop.days
    owner, time = owner[inside], time[inside]
    taste = rng.normal(3.5, 0.5, size)[owner]
    amount: Floats = np.exp(rng.normal(taste, 0.4)).round(2)
    order = np.lexsort((owner, time))
    return Log(owner[order], time[order], amount[order])


def _live(shop: Shop, rng: np.random.Generator, joined: Floats, end: float) -> tuple[NDArray[np.int64], Floats]:
    """Everybody's orders up to `end`: whose, and when by the shop's clock."""
    size = joined.size
    mean = rng.normal(np.log(shop.typical), shop.between, size)
    scatter = rng.choice(shop.shapes or shop.within, size)
    leaves = rng.beta(*shop.leaves, size)
    here, at = np.arange(size), joined
    owners, times = [here], [at]
    while here.size:
        stay = rng.random(here.size) >= leaves[here]
        here, at = here[stay], at[stay]
        mean[here] += shop.slower
        gap = _gaps(shop, rng, mean[here], scatter[here])
        gap[rng.random(here.size) < shop.skips] *= 2
        at = at + gap
        inside = at < end
        here, at = here[inside], at[inside]
        owners.append(here)
        times.append(at)
    return np.concatenate(owners), np.concatenate(times)


def _gaps(shop: Shop, rng: np.random.Generator, mean: Floats, scatter: Floats) -> Floats:
    if shop.shapes:
        return rng.gamma(scatter, np.exp(mean) / scatter)
    return np.exp(rng.normal(mean, scatter))
