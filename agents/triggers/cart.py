"""Who left something behind: `cart.abandoned`, `checkout.abandoned`, `browse.abandoned`."""

from typing import Any

from agents.decisions import RuleRef, iso, spell, trigger_id
from agents.emitter import Emitter
from agents.rulebook.rules import Rule, Rules
from tables.cart import Cart, Checkout, Viewed
from tables.cartchanges import is_empty
from tables.customer import NEVER, Customer, Visitor
from tables.events import CartItemAdded


class Carts:
    """Looks at carts, checkouts and views when they have been left alone."""

    def __init__(self, rules: Rules, emitter: Emitter) -> None:
        self._cart, self._checkout, self._browse = (
            rules.cart_abandoned,
            rules.checkout_abandoned,
            rules.browse_abandoned,
        )
        self._refs = {
            rule.NAME: RuleRef(rule.NAME, rules.versions[rule.NAME])
            for rule in (self._cart, self._checkout, self._browse)
        }
        self._cart_on, self._cart_after = self._cart.enabled, self._cart.after
        self.first_look_counts = self._browse.enabled and self._browse.views <= 1
        """Whether a product that was looked at once may be waited for."""
        self._emit = emitter

    def wake_after(self, event: CartItemAdded, at: int) -> int:
        """An item that went into the cart has nothing looked at before this, whatever else is known of its customer."""
        return at + self._cart_after if self._cart_on and not event.backfill else NEVER

    def wake(self, customer: Visitor) -> int:
        """When cart, checkout or views of the customer are to be looked at next."""
        cart, checkout = customer.cart, customer.checkout
        if checkout is not None and self._checkout.enabled and not checkout.told:
            return max(checkout.at, cart.touched_at if cart else 0) + self._checkout.after
        if cart is not None and not is_empty(cart):
            return cart.touched_at + self._cart_after if self._cart_on and not cart.told else NEVER
        if customer.viewed is not None and self._browse.enabled:
            seen = self._most_viewed(customer.viewed)
            if seen is not None:
                return max(seen[1].at, cart.since if cart else 0, cart.touched_at if cart else 0) + self._browse.after
        return NEVER

    def timer(self, customer: Visitor) -> tuple[str, int] | None:
        """The rule that waits for the customer to leave cart, checkout or views alone, and when it fires."""
        wake = self.wake(customer)
        if wake == NEVER:
            return None
        cart, checkout = customer.cart, customer.checkout
        if checkout is not None and self._checkout.enabled and not checkout.told:
            return self._checkout.NAME, wake
        return (self._browse if cart is None or is_empty(cart) else self._cart).NAME, wake

    def wake_for(self, customer: Visitor, product: str) -> int:
        """The same on account of one more look at a product; NEVER: it was not looked at often enough to matter."""
        seen = customer.viewed.get(product) if customer.viewed else None  # a late look may be forgotten already
        return NEVER if seen is None or seen.times < self._browse.views else self.wake(customer)

    def _most_viewed(self, viewed: dict[str, Viewed]) -> tuple[str, Viewed] | None:
        """The product looked at last, of those looked at often enough."""
        best = None
        least = self._browse.views
        for product, seen in viewed.items():
            if seen.times >= least and (best is None or seen.at > best[1].at):
                best = product, seen
        return best

    def fire(self, customer_id: str, customer: Customer, due: int) -> None:
        """Tell what has been left alone up to `due`, which `wake` gave."""
        cart, checkout = customer.cart, customer.checkout
        if checkout is not None and self._checkout.enabled and not checkout.told:
            customer.checkout = None
            if cart is not None:
                cart.told = True
            self._tell_checkout(customer_id, customer, cart, checkout, due)
        elif cart is not None and not is_empty(cart):
            cart.told = True
            self._tell_cart(customer_id, customer, cart, due)
        elif customer.viewed is not None:
            seen = self._most_viewed(customer.viewed)
            customer.viewed = None
            if seen is not None:
                self._tell_browse(customer_id, customer, seen[0], seen[1], due)

    def _tell_cart(self, customer_id: str, customer: Customer, cart: Cart, due: int) -> None:
        content = describe(cart)
        untouched = spell(due - cart.touched_at)
        self._tell(
            self._cart,
            customer_id,
            customer,
            due,
            cause=cart.touched_by,
            since=cart.touched_at,
            cart=content,
            evidence={
                "untouched_since": iso(cart.touched_at),
                "untouched_hours": _hours(due - cart.touched_at),
                "last_event": cart.touched_by,
            },
            reason=f"{_contents(content)} left in the cart, untouched for {untouched}, no order since",
        )

    def _tell_checkout(
        self, customer_id: str, customer: Customer, cart: Cart | None, checkout: Checkout, due: int
    ) -> None:
        content = describe(cart) if cart is not None and not is_empty(cart) else None
        touched = max(checkout.at, cart.touched_at if cart else 0)
        about = f" with {_contents(content)}" if content else ""
        evidence: dict[str, Any] = {
            "checkout_started_at": iso(checkout.at),
            "untouched_since": iso(touched),
            "untouched_hours": _hours(due - touched),
            "last_event": checkout.event_id,
        }
        if checkout.total is not None:
            evidence["checkout_total"] = checkout.total
        self._tell(
            self._checkout,
            customer_id,
            customer,
            due,
            cause=checkout.event_id,
            since=checkout.at,
            cart=content,
            evidence=evidence,
            reason=f"a checkout{about} was started and left for {spell(due - touched)}, no order since",
        )

    def _tell_browse(self, customer_id: str, customer: Customer, product: str, seen: Viewed, due: int) -> None:
        self._tell(
            self._browse,
            customer_id,
            customer,
            due,
            cause=f"{product}|{seen.event_id}",
            since=seen.at,
            cart=None,
            evidence={
                "product_id": product,
                "category": seen.category,
                "views": seen.times,
                "last_view_at": iso(seen.at),
                "last_event": seen.event_id,
            },
            reason=f"looked at {product} {seen.times} times, then neither cart nor order for {spell(due - seen.at)}",
        )

    def _tell(
        self,
        rule: Rule,
        customer_id: str,
        customer: Customer,
        due: int,
        *,
        cause: str,
        since: int,
        cart: dict[str, Any] | None,
        evidence: dict[str, Any],
        reason: str,
    ) -> None:
        ref = self._refs[rule.NAME]
        self._emit.trigger(
            customer,
            rule=rule,
            ref=ref,
            trigger_id=trigger_id(ref, customer_id, cause),
            customer_id=customer_id,
            due=due,
            since=since,
            evidence=evidence,
            reason=reason,
            cart=cart,
        )


def describe(cart: Cart) -> dict[str, Any]:
    """The cart as messages show it; `total` only where every price is known."""
    items = [
        {"product_id": product, "quantity": line.quantity, "price": line.price, "category": line.category}
        for product, line in cart.lines.items()
        if line.quantity > 0
    ]
    content: dict[str, Any] = {"items": items}
    if cart.cart_id is not None:
        content["cart_id"] = cart.cart_id
    prices = [(line.quantity, line.price) for line in cart.lines.values() if line.quantity > 0]
    if all(price is not None for _, price in prices):
        content["total"] = round(sum(quantity * price for quantity, price in prices if price is not None), 2)
    return content


def _contents(cart: dict[str, Any]) -> str:
    count = len(cart["items"])
    products = f"{count} product{'' if count == 1 else 's'}"
    return f"{products} worth {cart['total']:.2f}" if cart.get("total") else products


def _hours(ms: int) -> float:
    return round(ms / 3_600_000, 2)
