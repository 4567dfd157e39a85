"""What is refunded or cancelled is taken out of the customer's baskets, and so is what was told on account of it.

As long as every basket of the customer is remembered by name, the baskets are those of the other orders, as if the one
had never been. Else it is taken out of mean and spread as what it would count today, and the trend fades by itself. An
order that is not remembered stays in. A part refunded leaves the rest of the order behind.
"""

from collections.abc import Iterator
from typing import Any

from agents.decisions import RuleRef, trigger_id
from agents.emitter import Emitter
from agents.triggers.basket import Baskets
from tables.basket import GROWN, SHRINKING, Basket
from tables.basketchanges import join, leave
from tables.customer import Customer
from tables.orders import RecentOrder


class Returns:
    """Looks at each order that has lost money."""

    def __init__(self, baskets: Baskets, emitter: Emitter) -> None:
        self._baskets, self._emit = baskets, emitter
        self._trends = {baskets.shrinking.NAME: SHRINKING, baskets.grown.NAME: GROWN}
        self._names = (baskets.shrunk.NAME, *self._trends)

    def take(
        self, customer_id: str, customer: Customer, order: RecentOrder, before: float, cause: dict[str, Any]
    ) -> None:
        """More of `order` was returned than `before`."""
        first, foreign = customer.basket, customer.foreign
        if first is None:
            return
        given = first.currency if foreign is None else foreign.orders.get(order.order_id, first.currency)
        currency, was = self._baskets.turned(given, order.total - before)
        left = self._baskets.turned(given, order.total - order.returned)[1]
        basket = _of(customer, currency)
        if basket is None or basket.n == 0 or was <= 0.0:
            return
        whole = left <= 0.0
        ended = self._of_order(customer_id, customer, order) if whole else set()
        told = basket.alarms
        if foreign is None and (rest := _all_others(customer, order, was, basket)) is not None:
            again = self._baskets.again(currency, rest)
            again.alarms &= told  # what was not told may be, with the next order
            customer.basket = again
            ended |= self._trends_of(customer, told & ~again.alarms)
        else:
            leave(basket, was, self._baskets.counted(basket, was))
            if not whole:
                join(basket, left, self._baskets.counted(basket, left))
        if ended:
            self._unsay(customer, currency, ended)
            self._emit.cancel_where(
                customer_id, customer, lambda one: one.trigger_id in ended, "the order was taken back", cause
            )

    def _unsay(self, customer: Customer, currency: str, ended: set[str]) -> None:
        """A trend that is taken back may be told again."""
        basket = _of(customer, currency)
        for opened in customer.open:
            if basket is not None and opened.trigger_id in ended:
                basket.alarms &= ~self._trends.get(opened.rule, 0)

    def _of_order(self, customer_id: str, customer: Customer, order: RecentOrder) -> set[str]:
        """What was told on account of this order: a trigger's id says of which."""
        named = (opened for opened in customer.open if opened.rule in self._names)
        ids = {opened.trigger_id: RuleRef(opened.rule, opened.version) for opened in named}
        return {id_ for id_, ref in ids.items() if id_ == trigger_id(ref, customer_id, order.order_id)}

    def _trends_of(self, customer: Customer, alarms: int) -> set[str]:
        """What was told of these trends."""
        return {opened.trigger_id for opened in customer.open if self._trends.get(opened.rule, 0) & alarms}


def _of(customer: Customer, currency: str) -> Basket | None:
    """The customer's baskets of a currency."""
    there = [] if customer.foreign is None else customer.foreign.baskets
    first = customer.basket
    return next((b for b in (first, *there) if b is not None and b.currency == currency), None)


def _all_others(customer: Customer, order: RecentOrder, was: float, basket: Basket) -> list[float] | None:
    """The amounts of all that is in the baskets, with what is left of the order; None: not all are remembered."""
    if customer.orders is None:
        return None
    recent = customer.orders.recent
    counted = sum(was > 0.0 if one is order else one.total > one.returned for one in recent)
    return list(_left(recent)) if counted == basket.n else None


def _left(recent: list[RecentOrder]) -> Iterator[float]:
    for order in recent:
        if order.total > order.returned:
            yield order.total - order.returned
