"""What each event does to its customer, and when the customer is to be looked at next on account of it."""

from collections import Counter
from collections.abc import Callable
from typing import Any

from agents.calibration import Calibration
from agents.decisions import iso
from agents.emitter import Emitter, take_answered
from agents.notices import Notices
from agents.sales import Sales
from agents.triggers.basket import Baskets
from agents.triggers.cart import Carts
from agents.triggers.replenish import Replenish
from agents.triggers.repurchase import Repurchase
from agents.triggers.returns import Returns
from tables.cart import MAX_LINES
from tables.cartchanges import (
    add_item,
    empty_cart,
    forget_views,
    is_empty,
    look_at,
    remove_item,
    replace_cart,
    start_checkout,
)
from tables.clock import CALENDAR, Clock
from tables.customer import NEVER, Customer, Profile, Visitor
from tables.events import (
    CartCleared,
    CartItemAdded,
    CartItemRemoved,
    CartUpdated,
    CheckoutStarted,
    CustomerMerged,
    CustomerUpdated,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    ProductViewed,
    type_name,
)
from tables.orderchanges import add_order, find_order
from tables.orders import RecentOrder
from tables.productform import IDLE

Handler = Callable[[str, bytes, Customer, Any, int], int]
"""Applies an event; returns when what it changed is to be looked at. NEVER: no earlier than before.

Of an order: when the customer is, for whatever reason, since it answers what was armed before.
"""
VisitHandler = Callable[[Visitor, Any, int], int]
"""The same of an event of the carts feed."""


class Handlers:
    """The handler of each type of event but `customer.erased`, which leaves no customer.

    `visits` has those of the carts feed, `by_type` all others.
    """

    def __init__(
        self,
        repurchase: Repurchase,
        carts: Carts,
        baskets: Baskets,
        replenish: Replenish,
        emitter: Emitter,
        notices: Notices,
        clock: Clock = CALENDAR,
        calibration: Calibration | None = None,
    ) -> None:
        self.counts: Counter[str] = Counter()
        """Events that were not applied, by why: duplicate, ignored."""
        self.sales = Sales()
        self._repurchase, self._carts, self._baskets = repurchase, carts, baskets
        self._replenish = replenish
        self._returns = Returns(baskets, emitter)
        self._emitter, self._notices, self._clock = emitter, notices, clock
        self._calibration = calibration
        self.by_type: dict[type, Handler] = {
            OrderCompleted: self._order_completed,
            OrderCancelled: self._order_returned,
            OrderRefunded: self._order_returned,
            CustomerUpdated: self._customer_updated,
            CustomerMerged: self._ignored,
        }
        self.visits: dict[type, VisitHandler] = {
            CartItemAdded: self._item_added,
            CartItemRemoved: self._item_removed,
            CartUpdated: self._cart_updated,
            CartCleared: self._cart_cleared,
            CheckoutStarted: self._checkout_started,
            ProductViewed: self._product_viewed,
        }

    def wake(self, customer: Customer) -> int:
        """When the customer is to be looked at next, by all rules that wait."""
        wake = self._carts.wake(customer)
        products = customer.products
        if products and products[0] != IDLE:  # as `Replenish.wake` does it, without a call for every order
            wake = min(wake, self._replenish.wake(customer))
        orders = customer.orders
        if orders is None:
            return wake
        absent = self._repurchase.wake(orders)
        return absent if absent < wake else wake  # noqa: FURB136 - min() takes four times as long

    # -- purchases

    def _order_completed(self, customer_id: str, key: bytes, customer: Customer, event: OrderCompleted, at: int) -> int:
        before, backfill = customer.orders, event.backfill
        order_id, total, items = event.order_id, event.total, event.items
        if find_order(before, order_id) is not None:
            self.counts["duplicate"] += 1
            return self.wake(customer)
        self._baskets.add(customer_id, customer, event, at)
        if not backfill:
            self.sales.add(total, event.currency, at, None if before is None else before.last_at)
        if self._calibration is not None:
            self._calibration.ordered(key, before, at, backfill)
        order = RecentOrder(order_id, event.event_id, at, total)
        orders = customer.orders = add_order(before, order, self._clock, imported=backfill)
        if backfill:  # what it makes due up to now is past, wherever among the orders it belongs
            orders.muted_until = self._emitter.now
        customer.cart = empty_cart(customer.cart, at)
        _end_checkout(customer, at)
        if customer.viewed is not None:
            customer.viewed = forget_views(customer.viewed, at)
        if customer.open and (answered := take_answered(customer, at)):
            self._emitter.cancel(customer_id, answered, "an order came", _cause(event, at))
        if items and (dues := self._replenish.bought(customer, items, at)):
            self._replenish.answer(customer_id, customer, dues, _cause(event, at))
        self._repurchase.replan(key, customer, orders)
        return self.wake(customer)

    def _order_returned(
        self, customer_id: str, _key: bytes, customer: Customer, event: OrderCancelled | OrderRefunded, at: int
    ) -> int:
        order = find_order(customer.orders, event.order_id)
        if order is None:
            self.counts["ignored"] += 1
        else:
            before = order.returned
            amount = event.amount if isinstance(event, OrderRefunded) else None
            order.returned = order.total if amount is None else min(order.total, before + amount)
            if order.returned > before:
                self._returns.take(customer_id, customer, order, before, _cause(event, at))
            if customer.products and (amount is None or 0.0 < order.total <= order.returned):
                self._replenish.taken_back(customer, order)
                return self.wake(customer)
        return NEVER

    # -- carts

    def _item_added(self, customer: Visitor, event: CartItemAdded, at: int) -> int:
        cart = customer.cart = add_item(customer.cart, event, at)
        if len(cart.lines) >= MAX_LINES:
            self._notices.add("cart", event.customer_id)
        return self._carts.wake(customer)

    def _item_removed(self, customer: Visitor, event: CartItemRemoved, at: int) -> int:
        customer.cart = remove_item(customer.cart, event, at)
        if is_empty(customer.cart):
            _end_checkout(customer, at)
        return self._carts.wake(customer)

    def _cart_updated(self, customer: Visitor, event: CartUpdated, at: int) -> int:
        cart = customer.cart = replace_cart(customer.cart, event, at)
        if len(cart.lines) >= MAX_LINES:
            self._notices.add("cart", event.customer_id)
        if is_empty(cart):
            _end_checkout(customer, at)
        return self._carts.wake(customer)

    def _cart_cleared(self, customer: Visitor, _event: CartCleared, at: int) -> int:
        customer.cart = empty_cart(customer.cart, at)
        _end_checkout(customer, at)
        return self._carts.wake(customer)

    def _checkout_started(self, customer: Visitor, event: CheckoutStarted, at: int) -> int:
        if customer.cart is not None and at < customer.cart.since:
            return NEVER
        customer.cart, customer.checkout = start_checkout(customer.cart, customer.checkout, event, at)
        return self._carts.wake(customer)

    def _product_viewed(self, customer: Visitor, event: ProductViewed, at: int) -> int:
        product = event.product_id
        if event.backfill or not look_at(customer, customer.cart, product, event.category, at, event.event_id):
            return NEVER
        return self._carts.wake_for(customer, product)

    # -- customers

    def _customer_updated(self, _id: str, _key: bytes, customer: Customer, event: CustomerUpdated, at: int) -> int:
        profile = customer.profile or Profile()
        if at < profile.updated_at:
            return NEVER
        profile.updated_at = at
        if event.consent is not None:
            for channel in ("email", "sms", "push"):
                given = getattr(event.consent, channel)
                if given is not None:
                    setattr(profile, channel, given)
        profile.timezone = event.timezone or profile.timezone
        profile.country = event.country or profile.country
        customer.profile = profile
        return NEVER

    def _ignored(self, _id: str, _key: bytes, _customer: Customer, _event: CustomerMerged, _at: int) -> int:
        self.counts["ignored"] += 1
        return NEVER


def _end_checkout(customer: Visitor, at: int) -> None:
    """A purchase or an emptied cart at `at` ends the checkout that was open then."""
    if customer.checkout is not None and customer.checkout.at <= at:
        customer.checkout = None


def _cause(event: OrderCompleted | OrderCancelled | OrderRefunded, at: int) -> dict[str, Any]:
    return {
        "type": type_name(type(event)),
        "event_id": event.event_id,
        "order_id": event.order_id,
        "occurred_at": iso(at),
    }
