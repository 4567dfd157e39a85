"""Who has not come back: `repurchase.due`, `repurchase.overdue`, `first_purchase.lapsed`, `loyal.at_risk`."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from agents.decisions import RuleRef, iso, trigger_id
from agents.emitter import Emitter
from agents.models.mixture import Floats
from agents.models.planning import due_after, fading_after, silent_after
from agents.models.timing import Rhythm
from agents.rulebook.rules import FirstPurchaseLapsed, LoyalAtRisk, RepurchaseDue, RepurchaseOverdue, Rules
from agents.triggers.absence import Spent, State, Told, complete, rhythm_of, state_of
from agents.triggers.loyal import Loyalty
from tables.clock import Clock
from tables.customer import NEVER, Customer
from tables.orders import AT_RISK, DAY, DUE, OVERDUE, Orders
from tables.parameters import Parameters

Planned = tuple[int, int, int, int]
"""Ms from the last order to `repurchase.due`, `repurchase.overdue`, `first_purchase.lapsed` and `loyal.at_risk`; 0:
never."""

FLOOR_MS: Final = DAY
"""Nobody is late within a day of an order: orders of one day are one occasion, so no gap is shorter."""


class Repurchase:
    """Plans when a customer's absence means something, and says so. One per partition: it gathers work per batch."""

    def __init__(self, rules: Rules, parameters: Parameters, emitter: Emitter) -> None:
        self._due, self._overdue = rules.repurchase_due, rules.repurchase_overdue
        self._lapsed, self._at_risk = rules.first_purchase_lapsed, rules.loyal_at_risk
        self._loyalty = Loyalty(parameters, rules.loyal_at_risk.share)
        self._refs = {rule.NAME: RuleRef(rule.NAME, rules.versions[rule.NAME]) for rule in self._rules}
        self._prior = parameters.timing
        self._clock = Clock(parameters.clock)
        self._version = parameters.version
        self._emit = emitter
        self.unplanned: dict[bytes, Customer] = {}
        """Who ordered and waits to be planned."""
        self._waited: dict[bytes, tuple[int, int, int, int]] = {}
        """Of some of them: when the rules of absence were to fire, and when they were planned anew."""
        self._told: list[Told] = []
        self.plan_by = NEVER
        """The event time before which the customers that ordered last must be planned."""
        self._without_gap = self._plan_of([(0, 0.0, 0.0, 0.0, 0.0)], np.zeros(1), [False])[0]
        """By a clock that is even."""

    @property
    def _rules(self) -> tuple[RepurchaseDue, RepurchaseOverdue, FirstPurchaseLapsed, LoyalAtRisk]:
        return self._due, self._overdue, self._lapsed, self._at_risk

    @staticmethod
    def wake(orders: Orders) -> int:
        """When the customer's absence is to be looked at next."""
        told, overdue, risk = orders.told, orders.overdue_at, orders.risk_at
        wake = 0 if told & DUE else orders.due_at
        if overdue and not told & OVERDUE and (not wake or overdue < wake):
            wake = overdue
        if risk and not told & AT_RISK and (not wake or risk < wake):
            wake = risk
        return wake or NEVER

    @staticmethod
    def timers(orders: Orders) -> list[tuple[str, int]]:
        """The rules that wait for the customer's absence, and when they fire."""
        absent = FirstPurchaseLapsed.NAME if orders.count == 1 else RepurchaseOverdue.NAME
        each = (
            (RepurchaseDue.NAME, orders.due_at, DUE),
            (absent, orders.overdue_at, OVERDUE),
            (LoyalAtRisk.NAME, orders.risk_at, AT_RISK),
        )
        return [(rule, at) for rule, at, told in each if at and not orders.told & told]

    def replan(self, key: bytes, customer: Customer, orders: Orders, now: int = 0) -> None:
        """The rhythm has changed. Who has no gap yet is planned at once, others together, by `plan_by`.

        `now` (epoch ms), where nothing but parameters has changed: what was to come after it does not come before it.
        """
        waited = (orders.due_at, orders.overdue_at, orders.risk_at, now) if now else None
        if orders.occasions == 1 and self._clock.even:
            self._date(orders, self._without_gap)
            if waited is not None:
                _hold(orders, *waited)
            return
        if waited is not None:
            self._waited[key] = waited
        orders.due_at = orders.overdue_at = orders.risk_at = 0
        self.unplanned[key] = customer
        plan_by = orders.last_at + DAY
        if plan_by < self.plan_by:  # noqa: PLR1730 - asked for every order; min() takes four times as long
            self.plan_by = plan_by

    def _date(self, orders: Orders, planned: Planned) -> None:
        """Set when the rules of absence fire."""
        count, last_at = orders.count, orders.last_at
        due, overdue, lapsed, risk = planned
        if count == 1:
            overdue = lapsed
        elif count < self._overdue.min_orders:
            overdue = 0
        orders.overdue_at = last_at + overdue if overdue else 0
        orders.due_at = last_at + due if due and count >= self._due.min_orders else 0
        orders.risk_at = last_at + risk if risk else 0

    def forget(self, key: bytes) -> None:
        """The customer was erased."""
        self.unplanned.pop(key, None)
        self._waited.pop(key, None)

    def plan(self) -> list[tuple[bytes, Customer, int]]:
        """Set the due times of all that wait for it: (key, customer, wake) of each."""
        self.plan_by = NEVER
        waiting = [(key, customer, customer.orders) for key, customer in self.unplanned.items() if customer.orders]
        self.unplanned.clear()
        waited, self._waited = self._waited, {}
        if not waiting:
            return []
        states = [state_of(orders) for _, _, orders in waiting]
        last_at = np.array([orders.last_at for _, _, orders in waiting], dtype=np.float64)
        loyal = [self._may_be_at_risk(customer, orders) for _, customer, orders in waiting]
        planned = []
        for (key, customer, orders), dates in zip(waiting, self._plan_of(states, last_at, loyal), strict=True):
            self._date(orders, dates)
            if key in waited:
                _hold(orders, *waited[key])
            planned.append((key, customer, self.wake(orders)))
        return planned

    def _may_be_at_risk(self, customer: Customer, orders: Orders) -> bool:
        """A loyal customer with a rhythm."""
        enough = orders.gaps > 0 and orders.count >= self._at_risk.min_orders
        return enough and self._at_risk.enabled and self._loyalty.least(customer) is not None

    def _plan_of(self, states: Sequence[State], last_at: Floats, loyal: Sequence[bool]) -> list[Planned]:
        rhythm, clock = rhythm_of(self._prior, states), self._clock
        due, never = self._due, np.full(len(states), np.inf)
        dues = due_after(rhythm, clock, last_at, due.within) if due.enabled else never
        overdues = self._silences(rhythm, last_at, self._overdue)
        lapses, new = never.copy(), np.flatnonzero([state[0] == 0 for state in states])
        if new.size:
            lapses[new] = self._silences(rhythm.take(new), last_at[new], self._lapsed)
        risks, who = never.copy(), np.flatnonzero(loyal)
        if who.size:
            risks[who] = fading_after(rhythm.take(who), clock, last_at[who], self._at_risk.alive)
        return list(zip(_whole(dues), _whole(overdues), _whole(lapses), _whole(risks), strict=True))

    def _silences(self, rhythm: Rhythm, last_at: Floats, rule: RepurchaseOverdue | FirstPurchaseLapsed) -> Floats:
        if not rule.enabled:
            return np.full(len(rhythm), np.inf)
        return silent_after(rhythm, self._clock, last_at, rule.window, rule.horizon, rule.probability)

    def fire(self, customer_id: str, customer: Customer, orders: Orders, due: int, live_from: int) -> None:
        """Tell what is due at `due`, but not of an imported customer what was due before `live_from`."""
        muted = due <= orders.muted_until or (orders.imported and due < live_from)
        if orders.due_at and orders.due_at <= due and not orders.told & DUE:
            orders.told |= DUE
            if not muted:
                self._tell(customer_id, customer, orders, self._due, orders.due_at)
        if orders.overdue_at and orders.overdue_at <= due and not orders.told & OVERDUE:
            orders.told |= OVERDUE
            if not muted:
                rule = self._lapsed if orders.count == 1 else self._overdue
                self._tell(customer_id, customer, orders, rule, orders.overdue_at)
        if orders.risk_at and orders.risk_at <= due and not orders.told & AT_RISK:
            orders.told |= AT_RISK
            least = self._loyalty.least(customer)  # who has sent back what made them loyal is so no more
            if not muted and least is not None:
                self._tell(customer_id, customer, orders, self._at_risk, orders.risk_at, least)

    def _tell(
        self,
        customer_id: str,
        customer: Customer,
        orders: Orders,
        rule: RepurchaseDue | RepurchaseOverdue | FirstPurchaseLapsed | LoyalAtRisk,
        due: int,
        least: float | None = None,
    ) -> None:
        """`least`: the revenue that makes the customer a loyal one, where that matters."""
        last, basket = orders.recent[-1], customer.basket
        limits = self._overdue if isinstance(rule, RepurchaseDue | LoyalAtRisk) else rule
        ref = self._refs[rule.NAME]
        trigger = self._emit.trigger(
            customer,
            rule=rule,
            ref=ref,
            trigger_id=trigger_id(ref, customer_id, last.order_id),
            customer_id=customer_id,
            due=due,
            since=orders.last_at + 1,
            order_id=last.order_id,
            evidence={"orders": orders.count, "last_order_at": iso(orders.last_at), "last_order_event": last.event_id},
        )
        told = Told(trigger, limits.window, limits.horizon, orders.count, state_of(orders), orders.last_at, due)
        if least is not None and basket is not None:
            told.spent = Spent(basket.revenue, basket.currency, least, self._at_risk.share)
        self._told.append(told)

    def finish(self) -> None:
        """Fill in figures and sentences of what was told since the last time, all at once."""
        told, self._told = self._told, []
        if told:
            complete(told, self._prior, self._clock, self._version)


def _hold(orders: Orders, due_at: int, overdue_at: int, risk_at: int, now: int) -> None:
    """What was to fire at `now` or after it, and was to have fired before it by new parameters, fires at `now`."""
    if due_at >= now > orders.due_at > 0:
        orders.due_at = now
    if overdue_at >= now > orders.overdue_at > 0:
        orders.overdue_at = now
    if risk_at >= now > orders.risk_at > 0:
        orders.risk_at = now


def _whole(ms: Floats) -> list[int]:
    """Whole milliseconds, FLOOR_MS at the least; 0 for never."""
    reached = np.isfinite(ms)
    whole = np.rint(np.maximum(np.where(reached, ms, 0.0), FLOOR_MS))
    return [int(time) if known else 0 for time, known in zip(whole.tolist(), reached.tolist(), strict=True)]
