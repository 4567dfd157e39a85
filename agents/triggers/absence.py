"""What is said of somebody who has not come back: the figures behind a trigger, and the sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from agents.decisions import Trigger, spell
from agents.models.mixture import Floats
from agents.models.planning import horizon_days
from agents.models.timing import Rhythm
from tables.clock import Clock
from tables.orders import DAY, Orders
from tables.parameters import TimingPrior

State = tuple[int, float, float, float, float]
"""Of one customer: number of gaps, and the sums s1, s2, e1, e2 over them."""


class Spent(NamedTuple):
    """What a customer has spent in all, and the revenue from which on one belongs to the upper `share`."""

    revenue: float
    currency: str
    least: float
    share: float


@dataclass(slots=True)
class Told:
    """A trigger whose sentence and figures are still to be filled in, with the customer's rhythm as it was then."""

    trigger: Trigger
    window: float
    horizon: int
    count: int
    state: State
    last_at: int
    due_at: int
    spent: Spent | None = None
    """Of loyal customers, where that is why they are told of."""


def state_of(orders: Orders) -> State:
    """What the model of timing needs of a customer."""
    return orders.gaps, orders.s1, orders.s2, *orders.fast


def rhythm_of(prior: TimingPrior, states: Sequence[State]) -> Rhythm:
    """The rhythm of several customers, by which is decided before the population's clock has run."""
    x, s1, s2, e1, e2 = np.array(states, dtype=np.float64).T
    return Rhythm(prior, x, s1, s2, e1, e2, unsure=prior.unsure)


def complete(told: Sequence[Told], prior: TimingPrior, clock: Clock, version: str) -> None:
    """Fill in figures and sentences. Days in them are the calendar's, by the clock as far as it is known."""
    rhythm = rhythm_of(prior, [one.state for one in told])
    last, due = (
        np.array(times, dtype=np.float64) for times in zip(*((t.last_at, t.due_at) for t in told), strict=True)
    )
    began = clock.all_at(last)
    ages = (clock.all_at(due) - began) / DAY

    def days(clock_days: Floats) -> list[float]:
        found: list[float] = ((clock.all_when(began + clock_days * DAY) - last) / DAY).tolist()
        return found

    low, typical, high = (days(rhythm.window(p)) for p in (0.1, 0.5, 0.9))
    windows = {p: days(rhythm.window(p)) for p in sorted({t.window for t in told})}
    horizons = sorted({t.horizon for t in told})
    alive = rhythm.p_alive(ages).tolist()
    silent = {h: rhythm.p_silent(ages, horizon_days(clock, due, h)).tolist() for h in horizons}
    for i, t in enumerate(told):
        t.trigger.evidence |= {
            "usual_days": round(typical[i], 1),
            "usual_days_low": round(low[i], 1),
            "usual_days_high": round(high[i], 1),
            "days_since_last_order": round((t.due_at - t.last_at) / DAY, 1),
            "window_days": round(windows[t.window][i], 1),
            "window": t.window,
            "horizon_days": round(t.horizon / DAY, 1),
            "p_no_order": round(silent[t.horizon][i], 3),
            "parameters": version,
        }
        if t.spent is not None:
            t.trigger.evidence |= {
                "p_alive": round(alive[i], 3),
                "revenue": round(t.spent.revenue, 2),
                "currency": t.spent.currency,
                "revenue_of_top": round(t.spent.least, 2),
                "top_share": t.spent.share,
            }
        t.trigger.reason = _sentence(t, t.trigger.evidence)


def _sentence(told: Told, evidence: dict[str, Any]) -> str:
    usual = f"{_days(evidence['usual_days'])} ({evidence['usual_days_low']:.0f} to {evidence['usual_days_high']:.0f})"
    since = f"{_days(evidence['days_since_last_order'])} ago"
    chance = f"chance of an order in the next {spell(told.horizon)} {100 * (1 - evidence['p_no_order']):.0f} %"
    if told.count == 1:
        return f"customers usually order again after {usual}; the only order was {since}; {chance}"
    if told.state[0] == 0:
        return f"{told.count} orders on one day, {since}; customers usually return after {usual}; {chance}"
    if told.spent is None:
        return f"usually orders every {usual}; last order {since}; {chance}"
    spent = f"{told.spent.revenue:,.2f} {told.spent.currency} in {told.count} orders"
    return (
        f"one of the best {100 * told.spent.share:g} % of customers, {spent}; "
        f"usually orders every {usual}, last order {since}; "
        f"chance that another order ever comes {100 * evidence['p_alive']:.0f} %"
    )


def _days(count: float) -> str:
    return f"{count:.0f} {'day' if f'{count:.0f}' == '1' else 'days'}"
