"""What events do to a cart, a checkout and products looked at. Apart from `tables.cart`, so that it can be compiled."""

from typing import Final

from tables.cart import MAX_LINES, MAX_VIEWED, Cart, CartLine, Checkout, Viewed
from tables.customer import Visitor
from tables.events import CartItem, CartItemAdded, CartItemRemoved, CartUpdated, CheckoutStarted

_Cart: Final = Cart
_CartLine: Final = CartLine
_Viewed: Final = Viewed
"""Compiled code looks up what it imports whenever it is used, and what is Final never."""


def is_empty(cart: Cart) -> bool:
    """Whether nothing lies in it."""
    for line in cart.lines.values():  # noqa: SIM110 - asked with every event; a generator costs three times as much
        if line.quantity > 0:
            return False
    return True


def _touch(cart: Cart, at: int, event_id: str, cart_id: str | None, backfill: bool) -> None:
    if at > cart.touched_at:
        cart.touched_at = at
        cart.touched_by = event_id
        cart.told = backfill
    if cart_id is not None:
        cart.cart_id = cart_id


def add_item(cart: Cart | None, event: CartItemAdded, at: int) -> Cart:
    """The cart after an item came in; one that an order or a whole cart has overtaken changes nothing."""
    return add_line(
        cart,
        event.product_id,
        event.quantity,
        event.price,
        event.category,
        at,
        event.event_id,
        event.cart_id,
        event.backfill,
    )


def add_line(
    cart: Cart | None,
    product: str,
    quantity: float,
    price: float | None,
    category: str | None,
    at: int,
    event_id: str,
    cart_id: str | None,
    backfill: bool,
) -> Cart:
    """The same, its event taken apart."""
    if cart is None:
        cart = _Cart({})
    elif at < cart.since:
        return cart
    lines = cart.lines
    line = lines.get(product)
    if line is None:
        lines[product] = _CartLine(quantity, price, category, at)
        if len(lines) > MAX_LINES:
            _drop_oldest(lines)
    else:
        if line.quantity > 0 or at < line.at:
            line.quantity += quantity
        else:
            line.quantity = quantity
        line.at = max(line.at, at)
        if price is not None:
            line.price = price
        if category is not None:
            line.category = category
    _touch(cart, at, event_id, cart_id, backfill)
    return cart


def _drop_oldest(lines: dict[str, CartLine]) -> None:
    del lines[min(lines, key=lambda product: lines[product].at)]


def remove_item(cart: Cart | None, event: CartItemRemoved, at: int) -> Cart:
    """The cart after an item went out. A removal that comes before its adding is kept until that one is known."""
    if cart is None:
        cart = Cart({})
    elif at < cart.since:
        return cart
    line = cart.lines.get(event.product_id)
    if line is None:
        if len(cart.lines) < MAX_LINES:
            cart.lines[event.product_id] = CartLine(-event.quantity, event.price, event.category, at)
    else:
        line.quantity -= event.quantity
        line.at = max(line.at, at)
    if is_empty(cart):
        cart.cart_id = None
    _touch(cart, at, event.event_id, event.cart_id, event.backfill)
    return cart


def replace_cart(cart: Cart | None, event: CartUpdated, at: int) -> Cart:
    """The cart as a whole message has it; an older message than the newest change changes nothing."""
    if cart is not None and at < max(cart.touched_at, cart.since):
        return cart
    lines = _lines(event.items, at)
    if cart is None:
        cart = Cart(lines)
    else:
        told = cart.told and _same(cart.lines, lines)
        cart.lines = lines
        _touch(cart, at, event.event_id, event.cart_id, event.backfill)
        cart.since = at
        cart.told = cart.told or told
        return cart
    cart.since = at
    _touch(cart, at, event.event_id, event.cart_id, event.backfill)
    return cart


def _lines(items: list[CartItem], at: int) -> dict[str, CartLine]:
    lines: dict[str, CartLine] = {}
    for item in items[:MAX_LINES]:
        line = lines.get(item.product_id)
        if line is None:
            lines[item.product_id] = CartLine(item.quantity, item.price, item.category, at)
        else:
            line.quantity += item.quantity
    return lines


def _same(old: dict[str, CartLine], new: dict[str, CartLine]) -> bool:
    return {p: line.quantity for p, line in old.items() if line.quantity > 0} == {
        p: line.quantity for p, line in new.items()
    }


def empty_cart(cart: Cart | None, at: int) -> Cart | None:
    """The cart after all that lay in it up to `at` was bought or thrown away; what was touched later stays."""
    if cart is None:
        return _Cart({}, since=at)
    if at >= cart.touched_at:
        cart.lines = {}
        cart.cart_id = None
        cart.told = False
    else:
        cart.lines = {product: line for product, line in cart.lines.items() if line.at > at}
    if at > cart.since:  # noqa: PLR1730 - asked for every order; max() takes four times as long
        cart.since = at
    return cart


def start_checkout(
    cart: Cart | None, checkout: Checkout | None, event: CheckoutStarted, at: int
) -> tuple[Cart, Checkout | None]:
    """The cart and the checkout after one was started; its items, where it names them, are the cart.

    One that comes late, after a younger one or after the cart it belongs to has had its trigger, changes nothing.
    """
    if cart is None:
        cart = Cart({})
    elif (checkout is not None and at < checkout.at) or (cart.told and at <= cart.touched_at):
        return cart, checkout
    if event.items and at >= max(cart.touched_at, cart.since):
        cart.lines = _lines(event.items, at)
    _touch(cart, at, event.event_id, event.cart_id, event.backfill)
    return cart, Checkout(at, event.event_id, event.total, event.backfill)


def look_at(customer: Visitor, cart: Cart | None, product: str, category: str | None, at: int, event_id: str) -> bool:
    """One more look at a product; False: an order or a whole cart has overtaken it, it changes nothing."""
    if cart is not None and at < cart.since:
        return False
    viewed = customer.viewed
    if viewed is None:
        customer.viewed = {product: _Viewed(1, at, event_id, category)}
        return True
    seen = viewed.get(product)
    if seen is None:
        viewed[product] = _Viewed(1, at, event_id, category)
        if len(viewed) > MAX_VIEWED:
            del viewed[min(viewed, key=lambda product: viewed[product].at)]
    else:
        seen.times += 1
        if at >= seen.at:
            seen.at = at
            seen.event_id = event_id
        if category is not None:
            seen.category = category
    return True


def forget_views(viewed: dict[str, Viewed], at: int) -> dict[str, Viewed] | None:
    """What was looked at after `at`; None when nothing was."""
    return {product: seen for product, seen in viewed.items() if seen.at > at} or None
