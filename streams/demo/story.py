"""Three customers' stories: chosen by fixed criteria, so the same run tells the same ones."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from statistics import median, pstdev
from typing import Any, NamedTuple

import msgspec

from agents.decisions import spell
from streams.demo.cdnow import DAY, END
from streams.demo.tally import Fired
from streams.demo.truth import HORIZON_DAYS
from streams.logs import LogLine

HOUR = 3_600_000
_SHOWN_ORDERS = 4
Events = list[dict[str, Any]]


class Moment(NamedTuple):
    """One line of a story. `mark`: order, cart, trigger, answer or end."""

    at: int
    mark: str
    text: str


class Story(NamedTuple):
    title: str
    moments: list[Moment]


class Storyteller:
    """Finds and tells the stories of a run.

    :param lines: what was sent
    :param triggers: what came back, in any order
    """

    def __init__(
        self, lines: Sequence[LogLine], triggers: Iterable[Fired], orders: Mapping[str, Sequence[int]]
    ) -> None:
        self._orders = orders
        self._lines: dict[bytes, list[LogLine]] = {}
        for line in lines:
            self._lines.setdefault(line.key, []).append(line)
        self._triggers = sorted(triggers, key=lambda fired: (fired.at, fired.customer, fired.type))
        self._told: set[str] = set()

    def stories(self) -> list[Story]:
        """As many of the three as the run has a customer for."""
        return [story for story in (self._lost(), self._reminded(), self._shrunk()) if story is not None]

    # -- who left

    def _lost(self) -> Story | None:
        """The most regular customer who became overdue and never came back."""
        found = [
            (irregular, fired)
            for fired in self._of("repurchase.overdue")
            if fired.at <= END - HORIZON_DAYS * DAY
            and self._orders[fired.customer][-1] < fired.at
            and (irregular := irregularity(self._orders[fired.customer])) is not None
        ]
        if not found:
            return None
        fired = min(found, key=lambda pair: (pair[0], pair[1].customer))[1]
        moments = self._last_orders(fired.customer, fired.at)
        for other in self._triggers:
            if other.customer == fired.customer and other.type.startswith("repurchase.") and other.at >= moments[-1].at:
                moments.append(_trigger(other))
        silent = (END - self._orders[fired.customer][-1]) // DAY
        moments.append(Moment(END - 1, "end", f"the log ends: no order for {silent} days"))
        return self._tell("a regular customer who did not come back", fired, moments)

    # -- who was reminded

    def _reminded(self) -> Story | None:
        """A cart reminder that an order of what was in it answered about half a day later; a full cart is best."""
        found = [
            (-len(cart), abs(fired.answered_at - fired.at - 12 * HOUR), fired.customer, fired, cart)
            for fired in self._of("cart.abandoned")
            if fired.answered_at is not None and fired.answered_at - fired.at < DAY and self._regular(fired, 3)
            if (cart := self._cart_before(fired))
        ]
        if not found:
            return None
        *_, fired, cart = min(found, key=lambda entry: entry[:3])
        moments = [
            Moment(
                event["occurred_at"], "cart", f"{event['quantity']} x {event['product_id']} into the cart (simulated)"
            )
            for event in cart
        ]
        moments.append(_trigger(fired))
        moments += [m for m in self._orders_told(fired.customer) if m.at == fired.answered_at]
        after = spell((fired.answered_at or 0) - fired.at)
        moments.append(Moment(fired.answered_at or 0, "answer", f"{fired.type}.cancelled: an order came after {after}"))
        return self._tell("a cart reminder answered by an order", fired, moments)

    def _cart_before(self, fired: Fired) -> Events:
        """What went into the cart before its reminder; nothing when that is not what was bought in the end."""
        events = self._events(fired.customer)
        products = {item["product_id"] for item in (fired.cart or {}).get("items", [])}
        bought = [event for event in events if event["occurred_at"] == fired.answered_at and "items" in event]
        if len(bought) != 1 or {item["product_id"] for item in bought[0]["items"]} != products:
            return []
        found = [
            event
            for event in events
            if event["type"] == "cart.item_added"
            and event["product_id"] in products
            and fired.at - 5 * HOUR < event["occurred_at"] < fired.at
        ]
        return found if len(found) == len(products) else []

    # -- whose basket shrank

    def _shrunk(self) -> Story | None:
        """The order that was the smallest part of what its customer usually spends, and not one of several that day."""
        found = [
            fired
            for fired in self._of("basket.shrunk")
            if self._regular(fired, 5)
            and [at // DAY for at in self._orders[fired.customer]].count(fired.at // DAY) == 1
        ]
        if not found:
            return None
        fired = min(found, key=lambda f: (f.evidence["total"] / f.evidence["usual"], f.customer))
        moments = [*self._last_orders(fired.customer, fired.at), _trigger(fired)]
        later = [m for m in self._orders_told(fired.customer) if m.at > fired.at]
        moments += later if len(later) <= 3 else later[:2]
        if len(later) > 3:
            moments.append(Moment(later[-1].at, "end", f"last order; {len(later) - 3} more not shown"))
        elif not later:
            silent = (END - fired.at) // DAY
            moments.append(Moment(END - 1, "end", f"the log ends: no order in the {silent} days since"))
        return self._tell("a basket much smaller than usual", fired, moments)

    # -- what they share

    def _of(self, kind: str) -> list[Fired]:
        return [fired for fired in self._triggers if fired.type == kind and fired.customer not in self._told]

    def _regular(self, fired: Fired, least: int) -> bool:
        """Whether the customer had so many orders by then."""
        return sum(at <= fired.at for at in self._orders.get(fired.customer, ())) >= least

    def _alone(self, fired: Fired) -> bool:
        """Whether the customer ordered just once that day."""
        return sum(at // DAY == fired.at // DAY for at in self._orders[fired.customer]) == 1

    def _tell(self, title: str, fired: Fired, moments: list[Moment]) -> Story:
        self._told.add(fired.customer)
        return Story(f"Customer {fired.customer}: {title}", moments)

    def _last_orders(self, customer: str, until: int) -> list[Moment]:
        """The last few orders up to a time, and how many there were before them."""
        told = [moment for moment in self._orders_told(customer) if moment.at <= until]
        left_out = len(told) - _SHOWN_ORDERS
        if left_out < 2:
            return told
        first = Moment(told[0].at, "end", f"first order; {left_out - 1} more not shown")
        return [first, *told[left_out:]]

    def _orders_told(self, customer: str) -> list[Moment]:
        return [
            Moment(event["occurred_at"], "order", f"order of {event['total']:.2f} USD")
            for event in self._events(customer)
            if event["type"] == "order.completed"
        ]

    def _events(self, customer: str) -> Events:
        return [msgspec.json.decode(line.value) for line in self._lines[customer.encode()]]


def irregularity(times: Sequence[int]) -> float | None:
    """Spread of the days between orders over their middle; None: too few orders, or a rhythm few people would feel."""
    days = sorted({at // DAY for at in times})
    gaps = [later - earlier for earlier, later in pairwise(days)]
    if len(gaps) < 5 or not 10 <= median(gaps) <= 60:
        return None
    return pstdev(gaps) / median(gaps)


def _trigger(fired: Fired) -> Moment:
    return Moment(fired.at, "trigger", f"{fired.type}: {fired.reason}")
