"""Who has not come back: `repurchase.due`, `repurchase.overdue`, `first_purchase.lapsed`."""

import numpy as np
from numpy.typing import NDArray

from agents.absence import Told, complete, rhythm_of, state_of
from agents.decisions import RuleRef, iso, trigger_id
from agents.emitter import Emitter
from agents.rules import FirstPurchaseLapsed, RepurchaseDue, RepurchaseOverdue, Rules
from agents.timing import Rhythm
from tables.clock import Clock
from tables.customer import NEVER, Customer
from tables.orders import DAY, DUE, OVERDUE, Orders
from tables.parameters import Parameters

Floats = NDArray[np.float64]

FLOOR_MS = DAY
"""Nobody is late within a day of an order: orders of one day are one occasion, so no gap is shorter."""


class Repurchase:
    """Plans when a customer's absence means something, and says so. One per partition: it gathers work per batch."""

    def __init__(self, rules: Rules, parameters: Parameters, emitter: Emitter) -> None:
        self._due, self._overdue, self._lapsed = (
            rules.repurchase_due,
            rules.repurchase_overdue,
            rules.first_purchase_lapsed,
        )
        self._refs = {rule.NAME: RuleRef(rule.NAME, rules.versions[rule.NAME]) for rule in self._rules}
        self._prior = parameters.timing
        self._clock = Clock(parameters.clock)
        self._version = parameters.version
        self._emit = emitter
        self.unplanned: dict[bytes, Customer] = {}
        """Who ordered and waits to be planned."""
        self._told: list[Told] = []
        self.plan_by = NEVER
        """The event time before which the customers that ordered last must be planned."""
        nobody = rhythm_of(self._prior, [(0, 0.0, 0.0, 0.0, 0.0)])
        self._first_overdue = self._overdues(nobody, self._lapsed)[0]
        self._without_gap = self._dues(nobody)[0], self._overdues(nobody, self._overdue)[0]

    @property
    def _rules(self) -> tuple[RepurchaseDue, RepurchaseOverdue, FirstPurchaseLapsed]:
        return self._due, self._overdue, self._lapsed

    @staticmethod
    def wake(orders: Orders) -> int:
        """When the customer's absence is to be looked at next."""
        told = orders.told
        wake = NEVER
        if orders.due_at and not told & DUE:
            wake = orders.due_at
        if orders.overdue_at and not told & OVERDUE and orders.overdue_at < wake:
            wake = orders.overdue_at
        return wake

    @staticmethod
    def timers(orders: Orders) -> list[tuple[str, int]]:
        """The rules that wait for the customer's absence, and when they fire."""
        absent = FirstPurchaseLapsed.NAME if orders.count == 1 else RepurchaseOverdue.NAME
        each = ((RepurchaseDue.NAME, orders.due_at, DUE), (absent, orders.overdue_at, OVERDUE))
        return [(rule, at) for rule, at, told in each if at and not orders.told & told]

    def replan(self, key: bytes, customer: Customer, orders: Orders) -> None:
        """The rhythm has changed. Who has no gap yet is planned at once, others together, by `plan_by`."""
        if orders.occasions == 1:
            self._date(orders, *self._without_gap)
            return
        orders.due_at = orders.overdue_at = 0
        self.unplanned[key] = customer
        self.plan_by = min(self.plan_by, orders.last_at + DAY)

    def _date(self, orders: Orders, due: int, overdue: int) -> None:
        """Set when the rules of absence fire, given the ms of the clock after the last order; 0: never."""
        count, last_at = orders.count, orders.last_at
        if count == 1:
            overdue = self._first_overdue
        elif count < self._overdue.min_orders:
            overdue = 0
        if count < self._due.min_orders:
            due = 0
        if not self._clock.even:
            due, overdue = self._lasts(last_at, due), self._lasts(last_at, overdue)
        orders.overdue_at = last_at + overdue if overdue else 0
        orders.due_at = last_at + due if due else 0

    def _lasts(self, since: int, clock_ms: int) -> int:
        """How many ms pass, as far as the clock is known, until so many of its own have; a day at the least."""
        if not clock_ms:
            return 0
        clock = self._clock
        return max(round(clock.when(clock.at(since) + clock_ms)) - since, FLOOR_MS)

    def forget(self, key: bytes) -> None:
        """The customer was erased."""
        self.unplanned.pop(key, None)

    def plan(self) -> list[tuple[bytes, Customer, int]]:
        """Set the due times of all that wait for it: (key, customer, wake) of each."""
        self.plan_by = NEVER
        waiting = [(key, customer, customer.orders) for key, customer in self.unplanned.items() if customer.orders]
        self.unplanned.clear()
        if not waiting:
            return []
        rhythm = rhythm_of(self._prior, [state_of(orders) for _, _, orders in waiting])
        planned = []
        dates = zip(self._dues(rhythm), self._overdues(rhythm, self._overdue), strict=True)
        for (key, customer, orders), (due, overdue) in zip(waiting, dates, strict=True):
            self._date(orders, due, overdue)
            planned.append((key, customer, self.wake(orders)))
        return planned

    def _dues(self, rhythm: Rhythm) -> list[int]:
        """Per customer: ms of the clock from the last order to `repurchase.due`; 0: never."""
        rule = self._due
        if not rule.enabled:
            return [0] * len(rhythm)
        return _days_to_ms(rhythm.expected(rule.within / DAY * self._clock.last_pace))

    def _overdues(self, rhythm: Rhythm, rule: RepurchaseOverdue | FirstPurchaseLapsed) -> list[int]:
        """Per customer: ms of the clock from the last order to the rule's trigger; 0: never."""
        if not rule.enabled:
            return [0] * len(rhythm)
        horizon = rule.horizon / DAY * self._clock.last_pace
        return _days_to_ms(rhythm.overdue(rule.window, horizon, rule.probability))

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

    def _tell(
        self,
        customer_id: str,
        customer: Customer,
        orders: Orders,
        rule: RepurchaseDue | RepurchaseOverdue | FirstPurchaseLapsed,
        due: int,
    ) -> None:
        last = orders.recent[-1]
        limits = self._overdue if isinstance(rule, RepurchaseDue) else rule
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
        self._told.append(
            Told(trigger, limits.window, limits.horizon, orders.count, state_of(orders), orders.last_at, due)
        )

    def finish(self) -> None:
        """Fill in figures and sentences of what was told since the last time, all at once."""
        told, self._told = self._told, []
        if told:
            complete(told, self._prior, self._clock, self._version)


def _days_to_ms(days: Floats) -> list[int]:
    """Whole milliseconds, FLOOR_MS at the least; 0 where there is no such day."""
    reached = np.isfinite(days)
    ms = np.rint(np.maximum(np.where(reached, days, 0.0) * DAY, FLOOR_MS))
    return [int(time) if known else 0 for time, known in zip(ms.tolist(), reached.tolist(), strict=True)]
