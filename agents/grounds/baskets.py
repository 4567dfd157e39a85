"""Why the rules of baskets have told of a customer or have not, and which order would make them do so."""

from collections.abc import Iterator
from math import exp, log

from agents.grounds.ground import Ground, off, orders, percent
from agents.models.amounts import is_shrunk, score
from agents.rulebook.rules import BasketGrown, BasketShrinking, Rules
from tables.basket import GROWN, SHRINKING, Basket
from tables.customer import Customer
from tables.parameters import Parameters

_STEPS = 60
_FAR = 50.0
"""An amount by e to this power smaller than the usual one is none."""


class BasketGrounds:
    """Under rules and parameters; by the baskets in the currency of the first order."""

    def __init__(self, rules: Rules, parameters: Parameters) -> None:
        self._shrunk, self._shrinking, self._grown = rules.basket_shrunk, rules.basket_shrinking, rules.basket_grown
        self._prior = parameters.basket

    def of(self, customer: Customer) -> Iterator[Ground]:
        basket = customer.basket or Basket("")
        for rule in (self._shrunk, self._shrinking, self._grown):
            if not rule.enabled:
                yield off(rule.NAME)
            elif basket.n < rule.min_orders:
                few = f"{orders(basket.n)} with an amount, and {rule.min_orders} earlier ones are needed"
                yield Ground(rule.NAME, "lacks", few)
            elif isinstance(rule, BasketShrinking | BasketGrown):
                yield self._trend(rule, basket)
            else:
                least = self._smallest(basket)
                usual = score(self._prior, basket.n, basket.n * basket.mean_ln, basket.ss, 1.0).typical
                yield Ground(
                    rule.NAME,
                    "next_order",
                    f"an order of {least:,.2f} {basket.currency} or less would be told of; usual are {usual:,.2f}",
                )

    def _smallest(self, basket: Basket) -> float:
        """The largest amount that would be told of as small."""
        rule, prior = self._shrunk, self._prior
        known = basket.n, basket.n * basket.mean_ln, basket.ss
        high = log(rule.ratio * score(prior, *known, 1.0).typical)
        low, p = high - _FAR, rule.p * prior.rarer

        def small(ln: float) -> bool:
            return is_shrunk(score(prior, *known, exp(ln)), exp(ln), p, 1.0)

        if small(high):
            return exp(high)
        for _ in range(_STEPS):  # rarer the smaller it is
            middle = (low + high) / 2
            low, high = (middle, high) if small(middle) else (low, middle)
        return exp(low)

    def _trend(self, rule: BasketShrinking | BasketGrown, basket: Basket) -> Ground:
        down = isinstance(rule, BasketShrinking)
        strict = self._prior.strict_down if down else self._prior.strict_up
        ewma = -(basket.ewma or 0.0) if down else basket.ewma or 0.0
        cusum = (basket.down if down else basket.up) or 0.0
        way = max(0.0, ewma / (rule.ewma * strict), cusum / (rule.cusum * strict))
        if basket.alarms & (SHRINKING if down else GROWN):
            return Ground(rule.NAME, "told", f"told; again when the trend, now at {percent(way)}, was below 50 %")
        which = "smaller" if down else "larger"
        return Ground(
            rule.NAME, "next_order", f"the trend to {which} baskets is at {percent(way)} of what must be reached"
        )
