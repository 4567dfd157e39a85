"""Why the rules of absence have told of a customer or have not: `repurchase.due`, `repurchase.overdue` and the like."""

from collections.abc import Iterator

import numpy as np

from agents.decisions import spell
from agents.grounds.ground import GONE, IMPORTED, Ground, day, decided, off, orders, percent
from agents.models.planning import horizon_days
from agents.models.timing import Rhythm
from agents.rulebook.rules import FirstPurchaseLapsed, RepurchaseOverdue, Rule, Rules
from agents.triggers.absence import rhythm_of, state_of
from agents.triggers.loyal import Loyalty
from tables.clock import Clock
from tables.customer import Customer
from tables.orders import AT_RISK, DAY, DUE, OVERDUE, Orders
from tables.parameters import Parameters

_AGAIN = "after another order"


class AbsenceGrounds:
    """Under rules and parameters."""

    def __init__(self, rules: Rules, parameters: Parameters) -> None:
        self._due, self._overdue = rules.repurchase_due, rules.repurchase_overdue
        self._lapsed, self._at_risk = rules.first_purchase_lapsed, rules.loyal_at_risk
        self._prior, self._clock = parameters.timing, Clock(parameters.clock)
        self._loyalty = Loyalty(parameters, rules.loyal_at_risk.share)
        self._standing = parameters.standing is not None

    def of(self, customer: Customer, now: int) -> Iterator[Ground]:
        """Of a customer as of `now` (epoch ms)."""
        placed = customer.orders
        rules: tuple[Rule, ...] = (self._due, self._overdue, self._lapsed, self._at_risk)
        if placed is None:
            for rule in rules:
                yield Ground(rule.NAME, "lacks", "there is no order yet") if rule.enabled else off(rule.NAME)
            return
        rhythm = rhythm_of(self._prior, [state_of(placed)])
        told = (
            self._of_due(placed),
            self._of_overdue(placed, rhythm, now),
            self._of_lapsed(placed, rhythm, now),
            self._of_risk(customer, placed, rhythm, now),
        )
        for rule, (least, due, bit, why) in zip(rules, told, strict=True):
            if not rule.enabled:
                yield off(rule.NAME)
            elif least:
                yield Ground(rule.NAME, "lacks", least)
            elif placed.told & bit:
                gone = IMPORTED if placed.imported or due <= placed.muted_until else GONE
                yield decided(rule.NAME, customer, due, gone, _AGAIN)
            elif due:
                yield Ground(rule.NAME, "waits", f"{why}; an order before that answers it", due)
            else:
                yield Ground(rule.NAME, "lacks", why)

    def _of_due(self, placed: Orders) -> tuple[str, int, int, str]:
        least = _too_few(placed, self._due.min_orders)
        when = f"the next order is expected on {day(placed.due_at)}" if placed.due_at else "no order is expected"
        return least, placed.due_at, DUE, when

    def _of_overdue(self, placed: Orders, rhythm: Rhythm, now: int) -> tuple[str, int, int, str]:
        least = _too_few(placed, max(2, self._overdue.min_orders))
        return least, placed.overdue_at, OVERDUE, self._silence(placed, rhythm, self._overdue, now)

    def _of_lapsed(self, placed: Orders, rhythm: Rhythm, now: int) -> tuple[str, int, int, str]:
        least = "" if placed.count == 1 else f"it is about a first order alone, and there are {placed.count}"
        return least, placed.overdue_at, OVERDUE, self._silence(placed, rhythm, self._lapsed, now)

    def _silence(self, placed: Orders, rhythm: Rhythm, rule: RepurchaseOverdue | FirstPurchaseLapsed, now: int) -> str:
        """Both conditions: how they stand, and when they hold."""
        clock, last = self._clock, placed.last_at
        window = clock.when(clock.at(last) + float(rhythm.window(rule.window)[0]) * DAY)
        ahead = horizon_days(clock, np.array([float(now)]), rule.horizon)
        silent = float(rhythm.p_silent(self._age(placed, now), ahead)[0])
        past = f"{'is' if window <= now else 'would be'} later than {percent(rule.window)} of such gaps"
        since = "since" if window <= now else "from"
        chance = f"the chance of no order within {spell(rule.horizon)} is {percent(silent)} now"
        reached = f"on {day(placed.overdue_at)} both hold" if placed.overdue_at else "never, as far as can be seen"
        return f"{past} {since} {day(window)} on; {chance}, and must be {percent(rule.probability)}: {reached}"

    def _of_risk(self, customer: Customer, placed: Orders, rhythm: Rhythm, now: int) -> tuple[str, int, int, str]:
        rule, basket = self._at_risk, customer.basket
        share = percent(rule.share)
        alive = percent(float(rhythm.p_alive(self._age(placed, now))[0]))
        why = f"the chance that another order ever comes is {alive} now, and must fall to {percent(rule.alive)}"
        if placed.risk_at:
            why += f": on {day(placed.risk_at)}"
        least = _too_few(placed, rule.min_orders)
        if not least and not self._standing:
            least = f"nobody knows what the upper {share} of customers spend: fit the parameters from a log of the shop"
        elif not least and placed.gaps == 0:
            least = "all orders are of one day"
        elif not least and not placed.told & AT_RISK and self._loyalty.least(customer) is None:
            spent = f"{basket.revenue:,.2f} {basket.currency}" if basket is not None else "nothing"
            least = f"spent {spent}, which is not among the upper {share} of customers"
        return least, placed.risk_at, AT_RISK, why

    def _age(self, placed: Orders, now: int) -> list[float]:
        return [max(0.0, self._clock.at(now) - self._clock.at(placed.last_at)) / DAY]


def _too_few(placed: Orders, least: int) -> str:
    return "" if placed.count >= least else f"{orders(placed.count)}, and {least} are needed"
