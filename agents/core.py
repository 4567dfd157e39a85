"""The pure core: states and events of one partition in, changed states and decisions out.

Worker, backtest and tests run the same.

Nothing here reads a clock, a file or a socket. Who drives it sets `now`, calls `take` in the order of the merge and
`advance` when time passes, and makes `settle`'s changes durable before `adopt`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from xxhash import xxh3_64_digest

from agents.basket import Baskets
from agents.cart import Carts
from agents.decisions import Decision, iso
from agents.emitter import Emitter
from agents.repurchase import Repurchase
from agents.rules import Rules
from tables.basket import add_basket
from tables.cart import add_item, empty_cart, forget_views, remove_item, replace_cart, start_checkout, view
from tables.customer import NEVER, Customer, Profile, seen_before
from tables.events import (
    AnyEvent,
    CartCleared,
    CartItemAdded,
    CartItemRemoved,
    CartUpdated,
    CheckoutStarted,
    CustomerErased,
    CustomerMerged,
    CustomerUpdated,
    OrderCancelled,
    OrderCompleted,
    OrderRefunded,
    ProductViewed,
)
from tables.orders import RecentOrder, add_order, find_order
from tables.parameters import Parameters
from tables.states import Changes, States

Handler = Callable[[str, bytes, Customer, Any, int], int]
"""Applies an event; returns when what it changed is to be looked at. NEVER: no earlier than before."""


@dataclass(slots=True)
class Settled:
    """What a batch comes to: states to write, decisions to send in order."""

    changes: Changes
    decisions: list[Decision]
    lateness: list[int]
    """Per timer that was looked at: `now` less its due time, in ms."""


def plan_fingerprint(rules: Rules, parameters: Parameters) -> int:
    """32 bits over all that due times depend on; a state planned under another value is planned anew."""
    return rules.fingerprint ^ int(parameters.fingerprint[:8], 16)


class Core:
    """The customers of one partition, under rules and parameters.

    `track_offsets`: states carry the last offset applied of each source, so that a batch that comes again changes
    nothing (delivery at_least_once).
    """

    def __init__(self, rules: Rules, parameters: Parameters, *, track_offsets: bool = False) -> None:
        self.states = States(plan_fingerprint(rules, parameters))
        self.emitter = Emitter()
        self.counts: Counter[str] = Counter()
        """Events that were not applied, by why: duplicate, repeated, ignored."""
        self._track = track_offsets
        self._erased: dict[bytes, list[int]] = {}
        """The offsets of who was erased in this batch: whoever comes back under that key in it goes on from them."""
        self._lateness: list[int] = []
        self._woken = 0
        """Customers that their timers have opened in this batch."""
        self._repurchase = Repurchase(rules, parameters, self.emitter)
        self._carts = Carts(rules, self.emitter)
        self._baskets = Baskets(rules, parameters.basket, self.emitter)
        self._handlers: dict[type, Handler] = {
            OrderCompleted: self._order_completed,
            OrderCancelled: self._order_returned,
            OrderRefunded: self._order_returned,
            CartItemAdded: self._item_added,
            CartItemRemoved: self._item_removed,
            CartUpdated: self._cart_updated,
            CartCleared: self._cart_cleared,
            CheckoutStarted: self._checkout_started,
            ProductViewed: self._product_viewed,
            CustomerUpdated: self._customer_updated,
            CustomerMerged: self._ignored,
        }

    @property
    def next_due(self) -> int:
        """Before this instant (epoch ms) no timer is due."""
        return min(self.states.timers.soonest, self._repurchase.plan_by)

    def take(self, source: int, offset: int, key: bytes, event: AnyEvent, at: int) -> int:
        """Apply one event; returns `next_due` as it is then.

        `source` is its index in tables.events.SOURCES, `at` its event time in epoch ms. Timers due before it must have
        been fired: see `advance`.
        """
        states, repurchase = self.states, self._repurchase
        customer = states.open(key)
        if self._track:
            applied = customer.applied
            if applied is None:
                customer.applied = applied = self._erased.get(key) or [-1, -1, -1]
            if offset <= applied[source]:
                self.counts["repeated"] += 1
                return self.next_due
            applied[source] = offset
        if event.__class__ is CustomerErased:
            self._erase(key, customer, event)
            return self.next_due
        if seen_before(customer, xxh3_64_digest(event.event_id)):
            self.counts["duplicate"] += 1
            if not self._track:
                return self.next_due
        else:
            wake = self._handlers[event.__class__](event.customer_id, key, customer, event, at)
            if wake < customer.wake:
                states.arm(key, customer, wake)
        if key in repurchase.unplanned:
            states.hold(key, customer)
        else:
            states.close(key, customer)
        soonest, plan_by = states.timers.soonest, repurchase.plan_by
        return soonest if soonest < plan_by else plan_by  # noqa: FURB136 - min() takes four times as long

    def _close(self, key: bytes, customer: Customer) -> None:
        """Nothing more to do to the customer for now, unless it waits to be planned."""
        if key in self._repurchase.unplanned:
            self.states.hold(key, customer)
        else:
            self.states.close(key, customer)

    def advance(self, until: int, room: int, *, live_from: int = 0) -> bool:
        """Fire the timers due before `until`, in order of due time.

        False when `room` decisions have gathered or as many customers were woken first: settle, and go on. `live_from`:
        what was due before it passed by as an import, which fires nothing for the customers that it brings.
        """
        states, repurchase = self.states, self._repurchase
        while self.next_due < until:
            if len(self.emitter.decisions) >= room or self._woken >= room:
                return False
            popped = states.pop(min(until, repurchase.plan_by))
            if popped is not None:
                self._wake_up(*popped, live_from)
            elif repurchase.plan_by < until:
                self._plan()
        return True

    def settle(self) -> Settled:
        """End a batch: plan who ordered, complete the sentences, pack what has changed."""
        self._plan()
        self._repurchase.finish()
        self._woken = 0
        self._erased.clear()
        lateness, self._lateness = self._lateness, []
        return Settled(self.states.changes(), self.emitter.take(), lateness)

    def adopt(self) -> None:
        """The batch is durable."""
        self.states.adopt()

    # -- timers

    def _wake(self, customer: Customer) -> int:
        wake = self._carts.wake(customer)
        orders = customer.orders
        return wake if orders is None else min(wake, self._repurchase.wake(orders))

    def _wake_up(self, due: int, key: bytes, customer: Customer, live_from: int) -> None:
        if due == 0:  # planned by other rules or parameters
            self._woken += 1
            customer.wake = NEVER
            if customer.orders is not None:
                self._repurchase.replan(key, customer, customer.orders)
            self.states.arm(key, customer, self._wake(customer))
            self._close(key, customer)
            return
        wake = self._wake(customer)
        if wake > due:
            self.states.put_off(key, customer, wake)
            return
        self._woken += 1
        self._lateness.append(self.emitter.now - due)
        customer_id = key.decode()
        if customer.orders is not None and self._repurchase.wake(customer.orders) <= due:
            self._repurchase.fire(customer_id, customer, customer.orders, due, live_from)
        if self._carts.wake(customer) <= due:
            self._carts.fire(customer_id, customer, due)
        customer.wake = NEVER
        self.states.arm(key, customer, self._wake(customer))
        self._close(key, customer)

    def _plan(self) -> None:
        for key, customer, wake in self._repurchase.plan():
            self.states.arm(key, customer, wake)
            self.states.close(key, customer)

    # -- purchases

    def _order_completed(self, customer_id: str, key: bytes, customer: Customer, event: OrderCompleted, at: int) -> int:
        if find_order(customer.orders, event.order_id) is not None:
            self.counts["duplicate"] += 1
            return NEVER
        if customer.basket is not None:
            self._baskets.look(customer_id, customer, customer.basket, event, at)
        customer.basket = add_basket(customer.basket, event.total, event.currency)
        order = RecentOrder(event.order_id, event.event_id, at, event.total)
        orders = customer.orders = add_order(customer.orders, order)
        if at == orders.last_at:
            orders.imported = event.backfill
            orders.muted_until = 0
        if event.backfill:  # what it makes due up to now is past, wherever among the orders it belongs
            orders.muted_until = self.emitter.now
        customer.cart = empty_cart(customer.cart, at)
        _end_checkout(customer, at)
        customer.viewed = forget_views(customer.viewed, at)
        if customer.open:
            self.emitter.cancel_answered(customer_id, customer, at, "an order came", _cause(event, at, event.order_id))
        self._repurchase.replan(key, customer, orders)
        return self._wake(customer)

    def _order_returned(
        self, _id: str, _key: bytes, customer: Customer, event: OrderCancelled | OrderRefunded, _at: int
    ) -> int:
        order = find_order(customer.orders, event.order_id)
        if order is None:
            self.counts["ignored"] += 1
        else:
            amount = event.amount if isinstance(event, OrderRefunded) else None
            order.returned = order.total if amount is None else min(order.total, order.returned + amount)
        return NEVER

    # -- carts

    def _item_added(self, _id: str, _key: bytes, customer: Customer, event: CartItemAdded, at: int) -> int:
        customer.cart = add_item(customer.cart, event, at)
        return self._carts.wake(customer)

    def _item_removed(self, _id: str, _key: bytes, customer: Customer, event: CartItemRemoved, at: int) -> int:
        customer.cart = remove_item(customer.cart, event, at)
        if customer.cart.empty:
            _end_checkout(customer, at)
        return self._carts.wake(customer)

    def _cart_updated(self, _id: str, _key: bytes, customer: Customer, event: CartUpdated, at: int) -> int:
        customer.cart = replace_cart(customer.cart, event, at)
        if customer.cart.empty:
            _end_checkout(customer, at)
        return self._carts.wake(customer)

    def _cart_cleared(self, _id: str, _key: bytes, customer: Customer, _event: CartCleared, at: int) -> int:
        customer.cart = empty_cart(customer.cart, at)
        _end_checkout(customer, at)
        return self._carts.wake(customer)

    def _checkout_started(self, _id: str, _key: bytes, customer: Customer, event: CheckoutStarted, at: int) -> int:
        if customer.cart is not None and at < customer.cart.since:
            return NEVER
        customer.cart, customer.checkout = start_checkout(customer.cart, customer.checkout, event, at)
        return self._carts.wake(customer)

    def _product_viewed(self, _id: str, _key: bytes, customer: Customer, event: ProductViewed, at: int) -> int:
        if event.backfill or (customer.cart is not None and at < customer.cart.since):
            return NEVER
        customer.viewed = view(customer.viewed, event, at)
        return self._carts.wake(customer)

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

    def _erase(self, key: bytes, customer: Customer, event: CustomerErased) -> None:
        cause = {"type": "customer.erased", "event_id": event.event_id}
        for opened in customer.open:
            opened.since = 0
        self.emitter.cancel_answered(event.customer_id, customer, 0, "the customer was erased", cause)
        self._repurchase.forget(key)
        if customer.applied is not None:
            self._erased[key] = customer.applied
        self.states.erase(key)

    def _ignored(self, _id: str, _key: bytes, _customer: Customer, _event: CustomerMerged, _at: int) -> int:
        self.counts["ignored"] += 1
        return NEVER


def _end_checkout(customer: Customer, at: int) -> None:
    """A purchase or an emptied cart at `at` ends the checkout that was open then."""
    if customer.checkout is not None and customer.checkout.at <= at:
        customer.checkout = None


def _cause(event: OrderCompleted, at: int, order_id: str) -> dict[str, Any]:
    return {"type": "order.completed", "event_id": event.event_id, "order_id": order_id, "occurred_at": iso(at)}
