"""Why each rule has told of a customer or has not: which condition is missing, and when it would tell.

Read off the state as rules and parameters see it; nothing is decided here, and nothing changed.
"""

from collections.abc import Iterator

from agents.decisions import spell
from agents.emitter import Emitter
from agents.grounds.absence import AbsenceGrounds
from agents.grounds.baskets import BasketGrounds
from agents.grounds.ground import GONE, IMPORTED, Ground, day, decided, minute, off
from agents.models.lasting import lasts
from agents.rulebook.rules import NAMES, Rules
from agents.triggers.cart import Carts
from agents.triggers.replenish import LONGEST
from tables.cartchanges import is_empty
from tables.customer import Customer
from tables.parameters import Parameters
from tables.productform import unpack_products
from tables.products import NEVER, Regular

_MS = 1000


class Grounds:
    """Under rules and parameters."""

    def __init__(self, rules: Rules, parameters: Parameters) -> None:
        self._cart, self._checkout, self._browse = (
            rules.cart_abandoned,
            rules.checkout_abandoned,
            rules.browse_abandoned,
        )
        self._replenish, self._products = rules.product_replenish_due, parameters.products
        self._carts = Carts(rules, Emitter())
        self._absence, self._baskets = AbsenceGrounds(rules, parameters), BasketGrounds(rules, parameters)

    def of(self, customer: Customer, now: int) -> list[Ground]:
        """One of each rule, in the order of `NAMES`, as of `now` (epoch ms). Raises StateError."""
        found = [
            *self._absence.of(customer, now),
            self._of_products(customer),
            self._of_cart(customer),
            self._of_checkout(customer),
            self._of_views(customer),
            *self._baskets.of(customer),
        ]
        return sorted(found, key=lambda ground: NAMES.index(ground.rule))

    # -- carts

    def _of_cart(self, customer: Customer) -> Ground:
        rule, cart = self._cart.NAME, customer.cart
        if not self._cart.enabled:
            return off(rule)
        if cart is None or is_empty(cart):
            return Ground(rule, "lacks", "nothing lies in the cart")
        if cart.told:
            why = f"it was told with its checkout; or {IMPORTED}; or {GONE}"
            return decided(rule, customer, cart.touched_at + self._cart.after, why, "when the cart changes")
        if (due := self._waiting(rule, customer)) is None:
            return Ground(rule, "lacks", "a checkout is open, of which checkout.abandoned tells")
        return self._left("the cart was touched", rule, cart.touched_at, due)

    def _of_checkout(self, customer: Customer) -> Ground:
        rule, checkout = self._checkout.NAME, customer.checkout
        if not self._checkout.enabled:
            return off(rule)
        if checkout is None or checkout.told:
            return Ground(rule, "lacks", "no checkout is open" if checkout is None else "its checkout was imported")
        due = self._carts.wake(customer)
        return self._left("the checkout was touched", rule, due - self._checkout.after, due)

    def _of_views(self, customer: Customer) -> Ground:
        rule, views = self._browse.NAME, self._browse.views
        if not self._browse.enabled:
            return off(rule)
        if (due := self._waiting(rule, customer)) is not None:
            return self._left("a product was looked at", rule, due - self._browse.after, due)
        most = max((seen.times for seen in (customer.viewed or {}).values()), default=0)
        if most < views:
            return Ground(rule, "lacks", f"no product was looked at {views} times (the most: {most})")
        return Ground(rule, "lacks", "something lies in the cart, or a checkout is open")

    def _waiting(self, rule: str, customer: Customer) -> int | None:
        """When it fires, if it is the one of the three that waits."""
        timer = self._carts.timer(customer)
        return timer[1] if timer is not None and timer[0] == rule else None

    @staticmethod
    def _left(what: str, rule: str, at: int, due: int) -> Ground:
        return Ground(rule, "waits", f"{what} on {minute(at)}; {spell(due - at)} later, unless an order comes", due)

    # -- products

    def _of_products(self, customer: Customer) -> Ground:
        rule = self._replenish
        if not rule.enabled:
            return off(rule.NAME)
        products = unpack_products(customer.products)
        if waiting := products.waiting():
            first = waiting[0]
            others = f", and {len(waiting) - 1} more products after it" if waiting[1:] else ""
            return Ground(
                rule.NAME, "waits", f"{first.product_id} is due on {day(first.due * _MS)}{others}", first.due * _MS
            )
        regulars = sorted(products.regulars.values(), key=lambda one: -one.days)
        if told := [one for one in regulars if one.told]:
            why = IMPORTED if customer.orders is not None and customer.orders.imported else GONE
            again = f"after {told[0].product_id} was bought"
            return decided(rule.NAME, customer, max(one.due for one in told) * _MS, why, again)
        return Ground(rule.NAME, "lacks", next(self._not_planned(regulars)))

    def _not_planned(self, regulars: list[Regular]) -> Iterator[str]:
        """Why none of the products that are known by name is due at any time."""
        least = self._replenish.min_purchases
        for one in regulars:
            if one.days >= least and one.due == NEVER:
                found = lasts(self._products, one)
                if found.days > LONGEST:
                    yield f"{one.product_id} lasts for {found.days:.0f} days, and {LONGEST:.0f} are the most"
                between = f"every {found.low:.0f} to {found.high:.0f} days"
                most = f"{self._replenish.spread:g} times as long as the shortest is the most"
                yield f"{one.product_id} is bought too irregularly: {between}, and {most}"
        yield f"no product was bought on {least} days or more"
