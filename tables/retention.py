"""How long a customer who does not come back is remembered, and what of. Pure: the times are those of events."""

from typing import Final

from tables.customer import NEVER, Customer
from tables.orders import DAY

BROWSING: Final = 100 * DAY
"""Cart, checkout and views are forgotten so long after the newest of them; no rule waits for longer than 90 days."""
NAMES: Final = 400 * DAY
"""So long after the last order, or after the profile's last change where there is none, all names are forgotten: of
orders but the last one, and of events. Triggers that only an order can contradict stay with who has ordered."""


def forget_at(customer: Customer) -> int:
    """When something of the customer is to be forgotten next; NEVER; 0 for whom nothing is worth remembering."""
    orders = customer.orders
    wake = _touched(customer) + BROWSING if lies(customer) else NEVER
    if orders is not None and (len(orders.recent) > 1 or customer.products):
        wake = min(wake, orders.last_at + NAMES)
    expires = orders is None and (customer.profile is None or customer.open)
    if expires or customer.seen or customer.cart is not None:
        wake = min(wake, _all_at(customer))
    return wake


def lies(customer: Customer) -> bool:
    """Something lies in the cart, or was looked at: an empty cart is not worth a change of its own."""
    cart = customer.cart
    return bool(cart is not None and cart.lines) or customer.checkout is not None or customer.viewed is not None


def forget(customer: Customer, now: int) -> bool:
    """Forget what is to be forgotten by `now`; whether nothing is left then, so that the customer may go."""
    if lies(customer) and _touched(customer) + BROWSING <= now:
        customer.cart = customer.checkout = customer.viewed = None
    orders = customer.orders
    if orders is not None and orders.last_at + NAMES <= now:
        del orders.recent[:-1]
        customer.products = b""
        if customer.foreign is not None:
            customer.foreign.orders.clear()
    if _all_at(customer) > now:
        return False
    customer.cart = customer.checkout = customer.viewed = None
    customer.seen = b""
    if orders is None:
        customer.open = []
    return orders is None and customer.profile is None


def _all_at(customer: Customer) -> int:
    """When nothing is left but what orders and profile come to."""
    touched = _touched(customer)
    at = touched + BROWSING if touched else 0
    if customer.orders is not None:
        return max(at, customer.orders.last_at + NAMES)
    if customer.profile is not None:
        at = max(at, customer.profile.updated_at + NAMES)
    for opened in customer.open:
        at = max(at, opened.expires_at)
    return at


def _touched(customer: Customer) -> int:
    """The newest event time of cart, checkout and views; 0 without any."""
    cart, checkout, viewed = customer.cart, customer.checkout, customer.viewed
    touched = 0 if cart is None else max(cart.touched_at, cart.since)
    if checkout is not None and checkout.at > touched:
        touched = checkout.at
    if viewed is not None:
        for seen in viewed.values():
            touched = max(touched, seen.at)
    return touched
