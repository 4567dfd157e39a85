"""Drives a `Core` as a pipeline does: events in, jumps in time, decisions out; and short ways to write events down.

Times are epoch ms: `day(3, 12)` is noon of the fourth day.
"""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any, Literal

import msgspec

from agents.core import Core
from agents.decisions import Cancellation, Decision, Trigger
from agents.rulebook.rules import Rules
from tables.customer import NEVER, Customer
from tables.customerform import unpack
from tables.events import (
    BY_SOURCE,
    SOURCES,
    AnyEvent,
    CartCleared,
    CartItem,
    CartItemAdded,
    CartItemRemoved,
    CartUpdated,
    CheckoutStarted,
    CustomerErased,
    OrderCancelled,
    OrderCompleted,
    OrderItem,
    OrderRefunded,
    ProductViewed,
    TimeMark,
)
from tables.orders import DAY, Orders
from tables.parameters import BUILTIN, Parameters

T0 = 1_704_067_200_000
"""2024-01-01T00:00:00Z, a Monday."""
HOUR = 3_600_000
MINUTE = 60_000
ROOM = 1 << 62
Style = Literal["one batch", "batch per event", "restart per event"]
STYLES: tuple[Style, ...] = ("one batch", "batch per event", "restart per event")

_numbers = count(1)
_SOURCE = {kind: source for source in SOURCES for kind in BY_SOURCE[source].__args__ if kind is not TimeMark}


def day(days: float, hours: float = 0.0) -> int:
    """Epoch ms of an hour of a day, counted from the first day of 2024 in UTC."""
    return round(T0 + days * DAY + hours * HOUR)


def hour(hours: float) -> int:
    """Epoch ms of an hour, counted from the beginning of the first day."""
    return day(0, hours)


def fresh_id() -> str:
    """An event id that no other event of this process has."""
    return f"e{next(_numbers)}"


def order(
    at: int,
    total: float = 50.0,
    *,
    customer: str = "ann",
    order_id: str | None = None,
    event_id: str | None = None,
    currency: str = "EUR",
    backfill: bool = False,
    items: Iterable[OrderItem] = (),
) -> OrderCompleted:
    event_id = event_id or fresh_id()
    return OrderCompleted(
        event_id=event_id,
        customer_id=customer,
        occurred_at=at,
        backfill=backfill,
        order_id=order_id or f"order-{event_id}",
        total=total,
        currency=currency,
        items=list(items),
    )


def item(product: str = "coffee", quantity: float = 1.0, category: str | None = None) -> OrderItem:
    """A line of an order."""
    return OrderItem(product_id=product, quantity=quantity, category=category)


def cancelled(at: int, order_id: str, *, customer: str = "ann", event_id: str | None = None) -> OrderCancelled:
    return OrderCancelled(event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at, order_id=order_id)


def refunded(
    at: int, order_id: str, amount: float | None = None, *, customer: str = "ann", event_id: str | None = None
) -> OrderRefunded:
    return OrderRefunded(
        event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at, order_id=order_id, amount=amount
    )


def added(
    at: int,
    product: str = "tea",
    quantity: float = 1.0,
    *,
    customer: str = "ann",
    event_id: str | None = None,
    backfill: bool = False,
    **more: Any,
) -> CartItemAdded:
    return CartItemAdded(
        event_id=event_id or fresh_id(),
        customer_id=customer,
        occurred_at=at,
        backfill=backfill,
        product_id=product,
        quantity=quantity,
        **more,
    )


def removed(
    at: int, product: str = "tea", quantity: float = 1.0, *, customer: str = "ann", event_id: str | None = None
) -> CartItemRemoved:
    return CartItemRemoved(
        event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at, product_id=product, quantity=quantity
    )


def cart(at: int, *products: str, customer: str = "ann", event_id: str | None = None, **more: Any) -> CartUpdated:
    """The whole cart."""
    items = [CartItem(product_id=product, quantity=1.0) for product in products]
    return CartUpdated(event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at, items=items, **more)


def cleared(at: int, *, customer: str = "ann", event_id: str | None = None) -> CartCleared:
    return CartCleared(event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at)


def checkout(at: int, *, customer: str = "ann", event_id: str | None = None, **more: Any) -> CheckoutStarted:
    return CheckoutStarted(event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at, **more)


def viewed(
    at: int, product: str = "tea", *, customer: str = "ann", event_id: str | None = None, **more: Any
) -> ProductViewed:
    return ProductViewed(
        event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at, product_id=product, **more
    )


def erased(at: int, *, customer: str = "ann", event_id: str | None = None) -> CustomerErased:
    return CustomerErased(event_id=event_id or fresh_id(), customer_id=customer, occurred_at=at)


def source_of(event: AnyEvent) -> str:
    """The feed that carries it."""
    return _SOURCE[type(event)]


def encode(event: AnyEvent | TimeMark) -> bytes:
    """The event as a producer sends it; fields at their default are there too."""
    return msgspec.json.encode(event)


def time_of(event: AnyEvent) -> int:
    assert isinstance(event.occurred_at, int)
    return event.occurred_at


class Shop:
    """One partition's core in event time. What is taken goes in the order given, late events late.

    `style`: where the borders of batches are; by "restart per event" the core is thrown away after each batch and
    rebuilt from what was made durable. No decision may depend on it.
    """

    def __init__(
        self,
        rules: Rules | None = None,
        parameters: Parameters = BUILTIN,
        *,
        style: Style = "one batch",
        track: bool = False,
    ) -> None:
        self.rules = rules or Rules()
        self.parameters = parameters
        self.style = style
        self.durable: dict[bytes, bytes] = {}
        self.changelog: list[tuple[bytes, bytes | None]] = []
        self.decisions: list[Decision] = []
        self.reached = 0
        self.live_from = NEVER
        self._track = track
        self._offsets = dict.fromkeys(SOURCES, 0)
        self.core = self._new_core()

    def _new_core(self) -> Core:
        core = Core(self.rules, self.parameters, track_offsets=self._track)
        core.states.restore(self.durable)
        core.states.ready()
        core.emitter.now = self.reached
        return core

    def restart(self, rules: Rules | None = None, parameters: Parameters | None = None) -> None:
        """End the batch, then go on from what is durable, under other rules if they are given."""
        self.settle()
        self.rules, self.parameters = rules or self.rules, parameters or self.parameters
        self.core = self._new_core()

    def adopt(self, parameters: Parameters) -> None:
        """End the batch, then go on by other parameters."""
        self.settle()
        self.parameters = parameters
        self.core.adopt_parameters(parameters)

    def settle(self) -> list[Decision]:
        """End the batch; what it decided."""
        settled = self.core.settle()
        for key, value in settled.changes.items():
            if value is None:
                self.durable.pop(key, None)
            else:
                self.durable[key] = value
        self.changelog += settled.changes.items()
        self.decisions += settled.decisions
        self.core.adopt()
        return settled.decisions

    def send(self, *events: AnyEvent) -> None:
        """Events happen, one after the other; one whose time is past is late."""
        for event in events:
            source = source_of(event)
            self.send_at(event, self._offsets[source])
            self._offsets[source] += 1

    def send_at(self, event: AnyEvent, offset: int) -> None:
        at = time_of(event)
        effective = max(self.reached, at)
        if not event.backfill:
            self.live_from = min(self.live_from, effective)
        self.core.advance(effective, ROOM, live_from=self.live_from)
        self.core.emitter.now = self.reached = effective
        self.core.take(SOURCES.index(source_of(event)), offset, event.customer_id.encode(), event, at)
        if self.style != "one batch":
            self.settle()
        if self.style == "restart per event":
            self.core = self._new_core()

    def wait_until(self, at: int) -> list[Decision]:
        """Time passes to `at` and past it, so that what is due then fires; what was decided by then."""
        before = len(self.decisions)
        self.core.advance(at + 1, ROOM, live_from=min(self.live_from, at + 1))
        self.reached = self.core.emitter.now = max(self.reached, at)
        self.settle()
        if self.style == "restart per event":
            self.core = self._new_core()
        return self.decisions[before:]

    def at_clock(self, wall: int) -> list[Decision]:
        """The worker finds that it is `wall`, maybe long after what was due."""
        before = len(self.decisions)
        self.core.emitter.now = self.reached = wall
        self.core.advance(wall + 1, ROOM)
        self.settle()
        return self.decisions[before:]

    @property
    def triggers(self) -> list[Trigger]:
        return [decision for decision in self.decisions if isinstance(decision, Trigger)]

    @property
    def cancellations(self) -> list[Cancellation]:
        return [decision for decision in self.decisions if isinstance(decision, Cancellation)]

    @property
    def types(self) -> list[str]:
        """What was decided, in order."""
        return [decision.type for decision in self.decisions]

    def customer(self, customer: str = "ann") -> Customer:
        """The durable state."""
        return unpack(self.durable[customer.encode()])

    def orders(self, customer: str = "ann") -> Orders:
        """The orders in the durable state; fails when there are none."""
        orders = self.customer(customer).orders
        assert orders is not None
        return orders


def in_cart(trigger: Trigger) -> list[tuple[str, float]]:
    """Product and quantity of each item of the trigger's cart, in order."""
    assert isinstance(trigger.cart, dict)
    return [(item["product_id"], item["quantity"]) for item in trigger.cart["items"]]


def triggers_of(decisions: Iterable[Decision], name: str) -> Iterator[Trigger]:
    """The triggers of one type."""
    for decision in decisions:
        if isinstance(decision, Trigger) and decision.type == name:
            yield decision
