"""Who has not come back: `repurchase.due`, `repurchase.overdue`, `first_purchase.lapsed`."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.decisions import RuleRef, Trigger, iso, spell, trigger_id
from agents.emitter import Emitter
from agents.rules import FirstPurchaseLapsed, RepurchaseDue, RepurchaseOverdue, Rules
from agents.timing import Rhythm
from tables.customer import NEVER, Customer
from tables.orders import DAY, DUE, OVERDUE, Orders
from tables.parameters import Parameters

Floats = NDArray[np.float64]

FLOOR_DAYS = 1.0
"""Nobody is late within a day of an order: orders of one day are one occasion, so no gap is shorter."""


@dataclass(slots=True)
class _Told:
    """A trigger whose sentence and figures are still to be filled in, with the customer's rhythm as it was then."""

    trigger: Trigger
    window: float
    horizon: int
    count: int
    gaps: int
    s1: float
    s2: float
    last_at: int
    due_at: int


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
        self._version = parameters.version
        self._emit = emitter
        self.unplanned: dict[bytes, Customer] = {}
        """Who ordered and waits to be planned."""
        self._told: list[_Told] = []
        self.plan_by = NEVER
        """The event time before which the customers that ordered last must be planned."""
        nobody = Rhythm(self._prior, [0], [0.0], [0.0])
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
        """Set when the rules of absence fire, given the ms after the last order; 0: never."""
        count, last_at = orders.count, orders.last_at
        if count == 1:
            overdue = self._first_overdue
        elif count < self._overdue.min_orders:
            overdue = 0
        orders.overdue_at = last_at + overdue if overdue else 0
        orders.due_at = last_at + due if due and count >= self._due.min_orders else 0

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
        rhythm = Rhythm(
            self._prior,
            np.array([orders.gaps for _, _, orders in waiting]),
            np.array([orders.s1 for _, _, orders in waiting]),
            np.array([orders.s2 for _, _, orders in waiting]),
        )
        planned = []
        dates = zip(self._dues(rhythm), self._overdues(rhythm, self._overdue), strict=True)
        for (key, customer, orders), (due, overdue) in zip(waiting, dates, strict=True):
            self._date(orders, due, overdue)
            planned.append((key, customer, self.wake(orders)))
        return planned

    def _dues(self, rhythm: Rhythm) -> list[int]:
        """Per customer: ms from the last order to `repurchase.due`; 0: never."""
        rule = self._due
        return _days_to_ms(rhythm.expected(rule.within / DAY)) if rule.enabled else [0] * len(rhythm)

    @staticmethod
    def _overdues(rhythm: Rhythm, rule: RepurchaseOverdue | FirstPurchaseLapsed) -> list[int]:
        """Per customer: ms from the last order to the rule's trigger; 0: never."""
        if not rule.enabled:
            return [0] * len(rhythm)
        return _days_to_ms(rhythm.overdue(rule.window, rule.horizon / DAY, rule.probability))

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
            _Told(
                trigger,
                limits.window,
                limits.horizon,
                orders.count,
                orders.gaps,
                orders.s1,
                orders.s2,
                orders.last_at,
                due,
            )
        )

    def finish(self) -> None:
        """Fill in figures and sentences of what was told since the last time, all at once."""
        told, self._told = self._told, []
        if not told:
            return
        rhythm = Rhythm(
            self._prior,
            np.array([t.gaps for t in told]),
            np.array([t.s1 for t in told]),
            np.array([t.s2 for t in told]),
        )
        ages = np.array([(t.due_at - t.last_at) / DAY for t in told])
        low, typical, high = (rhythm.window(p).tolist() for p in (0.1, 0.5, 0.9))
        windows = {p: rhythm.window(p).tolist() for p in sorted({t.window for t in told})}
        silent = {h: rhythm.p_silent(ages, h / DAY).tolist() for h in sorted({t.horizon for t in told})}
        for i, t in enumerate(told):
            horizon = t.horizon
            t.trigger.evidence |= {
                "usual_days": round(typical[i], 1),
                "usual_days_low": round(low[i], 1),
                "usual_days_high": round(high[i], 1),
                "days_since_last_order": round(float(ages[i]), 1),
                "window_days": round(windows[t.window][i], 1),
                "window": t.window,
                "horizon_days": round(horizon / DAY, 1),
                "p_no_order": round(silent[horizon][i], 3),
                "parameters": self._version,
            }
            t.trigger.reason = _sentence(t, t.trigger.evidence)


def _sentence(told: _Told, evidence: dict[str, float]) -> str:
    usual = f"{evidence['usual_days']:.0f} days ({evidence['usual_days_low']:.0f} to {evidence['usual_days_high']:.0f})"
    since = f"{evidence['days_since_last_order']:.0f} days ago"
    chance = f"chance of an order in the next {spell(told.horizon)} {100 * (1 - evidence['p_no_order']):.0f} %"
    if told.count == 1:
        return f"customers usually order again after {usual}; the only order was {since}; {chance}"
    if told.gaps == 0:
        return f"{told.count} orders on one day, {since}; customers usually return after {usual}; {chance}"
    return f"usually orders every {usual}; last order {since}; {chance}"


def _days_to_ms(days: Floats) -> list[int]:
    """Whole milliseconds, at least the floor; 0 where there is no such day."""
    reached = np.isfinite(days)
    ms = np.rint(np.maximum(np.where(reached, days, 0.0), FLOOR_DAYS) * DAY)
    return [int(time) if known else 0 for time, known in zip(ms.tolist(), reached.tolist(), strict=True)]
