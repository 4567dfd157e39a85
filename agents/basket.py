"""Whose baskets change: `basket.shrunk` (one order), `basket.shrinking` and `basket.grown` (a trend)."""

from dataclasses import dataclass
from typing import Any

from agents.amounts import Score, drift_down, drift_up, is_shrunk, score, smooth
from agents.decisions import RuleRef, iso, trigger_id
from agents.emitter import Emitter
from agents.rules import BasketGrown, BasketShrinking, Rule, Rules
from tables.basket import GROWN, SHRINKING, Basket
from tables.customer import NEVER, Customer
from tables.events import OrderCompleted
from tables.parameters import BasketPrior


@dataclass(frozen=True, slots=True)
class _Case:
    """An order, whose it is, and how it scored."""

    customer_id: str
    customer: Customer
    basket: Basket
    order: OrderCompleted
    at: int
    found: Score


class Baskets:
    """Scores each order against the customer's own history, before it becomes part of it."""

    def __init__(self, rules: Rules, prior: BasketPrior, emitter: Emitter) -> None:
        self._shrunk, self._shrinking, self._grown = rules.basket_shrunk, rules.basket_shrinking, rules.basket_grown
        self._refs = {
            rule.NAME: RuleRef(rule.NAME, rules.versions[rule.NAME])
            for rule in (self._shrunk, self._shrinking, self._grown)
        }
        self._least = min(self._shrunk.min_orders, self._shrinking.min_orders, self._grown.min_orders)
        self._prior = prior
        self._emit = emitter

    def look(self, customer_id: str, customer: Customer, basket: Basket, order: OrderCompleted, at: int) -> None:
        """Score an order that is about to join `basket`, and tell what is out of the ordinary."""
        earlier = basket.n
        if earlier < self._least or order.total <= 0.0 or order.currency != basket.currency:
            return
        found = score(self._prior, earlier, earlier * basket.mean_ln, basket.ss, order.total)
        basket.ewma = smooth(basket.ewma, found.z)
        basket.down = drift_down(basket.down, found.z)
        basket.up = drift_up(basket.up, found.z)
        case = _Case(customer_id, customer, basket, order, at, found)
        shrunk = self._shrunk
        if shrunk.enabled and earlier >= shrunk.min_orders and is_shrunk(found, order.total, shrunk.p, shrunk.ratio):
            self._tell(shrunk, case, {"p": _short(found.p)}, _shrunk(order, found))
        self._trend(self._shrinking, SHRINKING, case, -basket.ewma, basket.down)
        self._trend(self._grown, GROWN, case, basket.ewma, basket.up)

    def _trend(self, rule: BasketShrinking | BasketGrown, alarm: int, case: _Case, ewma: float, cusum: float) -> None:
        """Tell a trend once; it can be told again after it has ended (half way back)."""
        basket, order = case.basket, case.order
        if basket.alarms & alarm:
            if ewma < rule.ewma / 2 and cusum < rule.cusum / 2:
                basket.alarms &= ~alarm
        elif rule.enabled and basket.n >= rule.min_orders and (ewma >= rule.ewma or cusum >= rule.cusum):
            basket.alarms |= alarm
            way = "smaller" if alarm == SHRINKING else "larger"
            reason = (
                f"baskets are getting {way}: the last was {order.total:.2f} {order.currency}, "
                f"usual until now about {case.found.typical:.2f}"
            )
            self._tell(rule, case, {"ewma": round(basket.ewma, 3), "cusum": round(cusum, 3)}, reason)

    def _tell(self, rule: Rule, case: _Case, evidence: dict[str, Any], reason: str) -> None:
        order, found = case.order, case.found
        if order.backfill:
            return
        ref = self._refs[rule.NAME]
        self._emit.trigger(
            case.customer,
            rule=rule,
            ref=ref,
            trigger_id=trigger_id(ref, case.customer_id, order.order_id),
            customer_id=case.customer_id,
            due=case.at,
            since=NEVER,
            order_id=order.order_id,
            evidence={
                "total": order.total,
                "currency": order.currency,
                "usual": round(found.typical, 2),
                "z": round(found.z, 3),
                "earlier_orders": case.basket.n,
                "order_at": iso(case.at),
                "order_event": order.event_id,
                **evidence,
            },
            reason=reason,
        )


def _shrunk(order: OrderCompleted, found: Score) -> str:
    return (
        f"the last basket of {order.total:.2f} {order.currency} is {order.total / found.typical:.0%} of the usual "
        f"{found.typical:.2f}; by chance that happens in {max(found.p, 0.0001):.2%} of orders"
    )


def _short(p: float) -> float:
    return float(f"{p:.3g}")
