"""Whose baskets change: `basket.shrunk` (one order), `basket.shrinking` and `basket.grown` (a trend)."""

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from typing import Any

from agents.decisions import RuleRef, iso, trigger_id
from agents.emitter import Emitter
from agents.models.amounts import FULL, Score, drift_down, drift_up, is_shrunk, joining, score, smooth, weighed
from agents.rulebook.rules import BasketGrown, BasketShrinking, Rule, Rules
from tables.basket import GROWN, SHRINKING, Basket, Foreign, used
from tables.basketchanges import join
from tables.customer import NEVER, Customer
from tables.events import OrderCompleted
from tables.orders import REMEMBERED
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
    rate: float
    """What its amount was multiplied by."""

    @property
    def usual(self) -> float:
        """The median amount expected, in the currency of the order."""
        return self.found.typical / self.rate


@dataclass(frozen=True, slots=True)
class _Trend:
    """A rule of trends, and its thresholds in this shop."""

    rule: BasketShrinking | BasketGrown
    alarm: int
    ewma: float
    cusum: float

    def begins(self, basket: Basket, ewma: float, cusum: float) -> bool:
        """Whether it does with an amount that is about to join; again only after it has ended (half way)."""
        if basket.alarms & self.alarm:
            if ewma < self.ewma / 2 and cusum < self.cusum / 2:
                basket.alarms &= ~self.alarm
        elif (ewma >= self.ewma or cusum >= self.cusum) and self.rule.enabled and basket.n >= self.rule.min_orders:
            basket.alarms |= self.alarm
            return True
        return False


class Baskets:
    """Scores each order against the customer's own history in its currency, then makes it part of it."""

    def __init__(self, rules: Rules, prior: BasketPrior, emitter: Emitter) -> None:
        self.shrunk, self.shrinking, self.grown = rules.basket_shrunk, rules.basket_shrinking, rules.basket_grown
        self._refs = {
            rule.NAME: RuleRef(rule.NAME, rules.versions[rule.NAME])
            for rule in (self.shrunk, self.shrinking, self.grown)
        }
        self._least = min(self.shrunk.min_orders, self.shrinking.min_orders, self.grown.min_orders)
        self._prior = prior
        self._rare = self.shrunk.p * prior.rarer
        down, up = prior.strict_down, prior.strict_up
        self._falls = _Trend(self.shrinking, SHRINKING, self.shrinking.ewma * down, self.shrinking.cusum * down)
        self._rises = _Trend(self.grown, GROWN, self.grown.ewma * up, self.grown.cusum * up)
        self._rates, self._turned = rules.currencies.rates, rules.currencies.turned
        self._emit = emitter

    def add(self, customer_id: str, customer: Customer, order: OrderCompleted, at: int) -> None:
        """An order joins the customer's baskets; tell what is out of the ordinary.

        A total of 0 is unknown or a gift: it does not count.
        """
        paid = order.currency
        currency, amount, rate = paid, order.total, 1.0
        if self._rates:
            currency, amount, rate = self._turned(currency, amount)
        basket = customer.basket
        if basket is None:
            if amount > 0.0 and paid == currency:
                customer.basket = Basket(currency, 1, log(amount), revenue=amount)
                return
            basket = customer.basket = Basket(currency)
        if paid != basket.currency:
            basket = _foreign(customer, basket, order, currency)
        if amount <= 0.0:
            return
        n = basket.n
        if n < self._least:
            join(basket, amount, self.counted(basket, amount))
            return
        found, shrunk = self._score(basket, amount), self.shrunk
        small = is_shrunk(found, amount, self._rare, shrunk.ratio) and shrunk.enabled and n >= shrunk.min_orders
        begun = self._begun(basket, found)
        if (small or begun) and not order.backfill:
            case = _Case(customer_id, customer, basket, order, at, found, rate)
            if small:
                self._tell(shrunk, case, {"p": _short(found.p)}, _shrunk(case))
            for rule, evidence in begun:
                self._tell(rule, case, evidence, _drifting(rule, case))
        join(basket, amount, found.joins)

    def again(self, currency: str, amounts: Iterable[float]) -> Basket:
        """The baskets that positive amounts of one currency come to, in their order, as if they were all there are."""
        basket = Basket(currency)
        for amount in amounts:
            if basket.n >= self._least:
                self._begun(basket, self._score(basket, amount))
            join(basket, amount, self.counted(basket, amount))
        return basket

    def counted(self, basket: Basket, amount: float) -> float:
        """As what the log of an amount counts among these baskets."""
        n = basket.n
        return joining(self._prior, n, n * basket.mean_ln, basket.ss, amount)

    def turned(self, currency: str, amount: float) -> tuple[str, float]:
        """The currency in which an amount is compared, and the amount in it."""
        return self._turned(currency, amount)[:2]

    def _score(self, basket: Basket, amount: float) -> Score:
        n = basket.n
        return score(self._prior, n, n * basket.mean_ln, basket.ss, amount)

    def _begun(self, basket: Basket, found: Score) -> list[tuple[BasketShrinking | BasketGrown, dict[str, float]]]:
        """The trends that begin with an amount that is about to join."""
        weight = found.z if abs(found.z) <= FULL else weighed(found.z)
        ewma = smooth(basket.ewma or 0.0, weight)
        down, up = drift_down(basket.down or 0.0, weight), drift_up(basket.up or 0.0, weight)
        basket.ewma, basket.down, basket.up = ewma, down or None, up or None
        begun: list[tuple[BasketShrinking | BasketGrown, dict[str, float]]] = []
        if self._falls.begins(basket, -ewma, down):
            begun.append((self.shrinking, {"ewma": round(ewma, 3), "cusum": round(down, 3)}))
        if self._rises.begins(basket, ewma, up):
            begun.append((self.grown, {"ewma": round(ewma, 3), "cusum": round(up, 3)}))
        return begun

    def _tell(self, rule: Rule, case: _Case, evidence: dict[str, Any], reason: str) -> None:
        order, found = case.order, case.found
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
                "usual": round(case.usual, 2),
                "z": round(found.z, 3),
                "earlier_orders": case.basket.n,
                "order_at": iso(case.at),
                "order_event": order.event_id,
                **evidence,
            },
            reason=reason,
        )


def _foreign(customer: Customer, first: Basket, order: OrderCompleted, currency: str) -> Basket:
    """The baskets of an order that is not in the currency of the first ones; the order is remembered for that."""
    foreign = customer.foreign
    if foreign is None:
        foreign = customer.foreign = Foreign([], {})
    foreign.orders[order.order_id] = order.currency
    if len(foreign.orders) > REMEMBERED:
        del foreign.orders[next(iter(foreign.orders))]
    return first if currency == first.currency else used(foreign, currency)


def _shrunk(case: _Case) -> str:
    order, usual = case.order, case.usual
    return (
        f"the last basket of {order.total:.2f} {order.currency} is {order.total / usual:.0%} of the usual "
        f"{usual:.2f}; by chance that happens in {max(case.found.p, 0.0001):.2%} of orders"
    )


def _drifting(rule: BasketShrinking | BasketGrown, case: _Case) -> str:
    way = "smaller" if isinstance(rule, BasketShrinking) else "larger"
    order = case.order
    return (
        f"baskets are getting {way}: the last was {order.total:.2f} {order.currency}, "
        f"usual until now about {case.usual:.2f}"
    )


def _short(p: float) -> float:
    return float(f"{p:.3g}")
