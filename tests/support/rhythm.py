"""Customers who order, and when the model of timing has the next order due: for tests of the repurchase family."""

import math

from agents.decisions import Trigger, iso
from agents.models.timing import Rhythm
from agents.rulebook.rules import Rules
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters, TimingPrior
from tests.support.core import Shop, Style, day, order

SHOP = Parameters(
    version="test-1",
    timing=TimingPrior(mu0=1.5, tau2=1.0, a=0.3, b=0.6, weights=(0.2, 0.2, 0.2, 0.2, 0.2)),
    basket=BUILTIN.basket,
)
"""A population of all kinds of regularity, so that nothing here hangs on the built-in figures."""


def rhythm_of(gaps: list[float]) -> Rhythm:
    """From gaps in days, each between two days with orders."""
    logs = [math.log(gap / 7) for gap in gaps]
    return Rhythm(SHOP.timing, [len(gaps)], [math.fsum(logs)], [math.fsum(y * y for y in logs)])


def due_after(gaps: list[float], within: float = 365) -> int:
    """Milliseconds from the last order to the expected next one."""
    return round(float(rhythm_of(gaps).expected(within)[0]) * DAY)


def overdue_after(gaps: list[float], window: float = 0.8, horizon: float = 90, probability: float = 0.8) -> int:
    return round(float(rhythm_of(gaps).overdue(window, horizon, probability)[0]) * DAY)


def shop_of(style: Style = "one batch", rules: Rules | None = None) -> Shop:
    return Shop(rules, SHOP, style=style)


def ordering(shop: Shop, *days: float) -> None:
    for number, at in enumerate(days):
        shop.send(order(day(at, 10), order_id=f"o{number}", event_id=f"e-{at}"))


def of_the_last_gap(shop: Shop) -> list[Trigger]:
    """The triggers about the newest order; half of all gaps are longer than their median, so earlier ones told too."""
    newest = shop.triggers[-1].order_id
    return [trigger for trigger in shop.triggers if trigger.order_id == newest]


def near(found: int, wanted: int) -> bool:
    """The search for the date is right to 1e-6 of itself; sums in another order differ in the last bits."""
    return abs(found - wanted) <= 1e-6 * 4000 * DAY


def fired_at(trigger: Trigger, days: float, hours: float, after: int) -> bool:
    """Whether it fired that long after an order, when it was due; to the second, as dates are found to that."""
    return trigger.due_at == trigger.fired_at and trigger.fired_at[:19] in {
        iso(day(days, hours) + after + ms)[:19] for ms in (-1000, 0, 1000)
    }
