"""Who is loyal and who may become so: by what a customer has spent, and is worth, among the shop's customers."""

from math import log

from tables.basket import GROWN, Basket
from tables.customer import Customer
from tables.orders import Orders, fast_weight
from tables.parameters import Parameters
from tables.standing import top

VIP_SHARE = 0.1
_LN_QUICKER = log(0.8)
"""Of the newest gaps against all of them, from which on the interval gets shorter: geometric means."""
_TREND_GAPS = 3


class Loyalty:
    """Who belongs to the upper `share` of customers by revenue, where the parameters know of that."""

    def __init__(self, parameters: Parameters, share: float) -> None:
        standing = parameters.standing
        self._least = {} if standing is None else top(standing.revenue, share)

    def least(self, customer: Customer) -> float | None:
        """The revenue from which on a customer is loyal, if this one is; else None."""
        basket = customer.basket
        least = None if basket is None else self._least.get(basket.currency)
        return least if basket is not None and least is not None and basket.revenue >= least > 0.0 else None


class VipCandidates:
    """Who may become one of the best, and is not yet by revenue (segment `vip.candidate`).

    That is, who is worth as much as the top tenth by what is to be expected, where the parameters know of that; or
    whose interval gets shorter while the baskets grow.
    """

    def __init__(self, parameters: Parameters) -> None:
        standing = parameters.standing
        self._revenue = {} if standing is None else top(standing.revenue, VIP_SHARE)
        self._value = {} if standing is None else top(standing.value, VIP_SHARE)

    def holds(self, customer: Customer, value: float | None) -> bool:
        """Of a customer worth `value` in the next twelve months, in the currency of the baskets; None: unknown."""
        orders, basket = customer.orders, customer.basket
        if orders is None or basket is None or not basket.n:
            return False
        worth, spent = self._value.get(basket.currency), self._revenue.get(basket.currency)
        if spent is not None and basket.revenue >= spent:
            return False
        if value is not None and worth is not None and value >= worth > 0.0:
            return True
        return _rises(orders, basket)


def _rises(orders: Orders, basket: Basket) -> bool:
    """The interval gets shorter and the baskets grow."""
    gaps = orders.gaps
    if gaps < _TREND_GAPS or not basket.alarms & GROWN:
        return False
    newest = orders.fast[0] / fast_weight(gaps)
    return newest - orders.s1 / gaps <= _LN_QUICKER
