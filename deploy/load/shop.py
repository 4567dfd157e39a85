"""A shop that trades: invented customers with rhythms of their own, their history, and what they do from now on.

Pure: told the time, and the same for the same seed. Times are in epoch milliseconds.
"""

import heapq
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

SECOND, MINUTE, DAY = 1_000, 60_000, 86_400_000
PRODUCTS = [(f"p{n:03}", ["coffee", "tea", "cups", "beans", "filters"][n % 5], 4 + n % 40) for n in range(120)]
HISTORY_DAYS = 200
LEAVES = 0.04
"""The chance that a customer never comes back after an order."""


class Event(NamedTuple):
    """A contract event: its source (purchases, carts), and its value without `occurred_at`."""

    at: int
    source: str
    fields: dict[str, Any]


class Shop:
    """`history` first, then `trade` again and again, with times that do not go back."""

    def __init__(self, customers: int, seed: int = 1) -> None:
        self._customers, self._seed = customers, seed
        self._random = Random(seed)  # noqa: S311 - invented, not secret
        self._coming: list[tuple[int, int, Event]] = []
        self._number = 0

    def history(self, until: int) -> Iterator[Event]:
        """Orders up to `until`, marked as backfill, customer by customer; asked for again, their ids are the same.

        A gap is gamma distributed about the customer's own mean of 4 to 60 days, a total log-normal about the own one.
        """
        for number in range(self._customers):
            who, random = _name(number), Random(f"{self._seed}/{number}")  # noqa: S311 - as above
            usual, basket = random.lognormvariate(2.7, 0.6), random.lognormvariate(3.4, 0.5)
            at = until - random.randrange(HISTORY_DAYS * DAY)
            order = 0
            while at < until:
                total = round(basket * random.lognormvariate(0, 0.3), 2)
                yield Event(at, "purchases", {**_order(who, f"{who}-{order}", total), "backfill": True})
                if random.random() < LEAVES:
                    break
                order += 1
                at += max(MINUTE, int(random.gammavariate(3, usual / 3) * DAY))

    def trade(self, since: int, until: int, visits: float) -> list[Event]:
        """What happens after `since`, up to `until`, in order; `visits` begin in a second, on average."""
        expected = visits * (until - since) / SECOND
        begun = int(expected) + (self._random.random() < expected % 1)
        for at in sorted(self._random.randrange(since, until) for _ in range(begun)):
            for event in self._visit(_name(self._random.randrange(self._customers)), at + 1):
                self._number += 1
                heapq.heappush(self._coming, (event.at, self._number, event))
        found = []
        while self._coming and self._coming[0][0] <= until:
            found.append(heapq.heappop(self._coming)[2])
        return found

    def _visit(self, who: str, at: int) -> Iterator[Event]:
        """Views, then perhaps a cart, a checkout, an order, and seldom a change of mind; each step may be the last."""
        chance, visit = self._random, f"{who}-{at}"
        product, category, price = chance.choice(PRODUCTS)
        for step in range(chance.randrange(1, 4)):
            yield Event(at, "carts", _named(who, "product.viewed", f"{visit}-v{step}", product_id=product))
            at += chance.randrange(5 * SECOND, 20 * SECOND)
        if chance.random() < 0.4:
            return
        quantity = chance.randrange(1, 4)
        item = {"product_id": product, "quantity": quantity, "price": price, "category": category}
        yield Event(at, "carts", _named(who, "cart.item_added", f"{visit}-c", **item))
        at += chance.randrange(10 * SECOND, 30 * SECOND)
        if chance.random() < 0.4:
            return
        yield Event(at, "carts", _named(who, "checkout.started", f"{visit}-s", total=price * quantity))
        at += chance.randrange(10 * SECOND, 40 * SECOND)
        if chance.random() < 0.3:
            return
        total = round(price * quantity * chance.lognormvariate(0.8, 0.6), 2)
        yield Event(at, "purchases", _order(who, visit, total, item))
        if chance.random() < 0.03:
            kind = chance.choice(("order.cancelled", "order.refunded"))
            yield Event(at + 2 * MINUTE, "purchases", _named(who, kind, f"{visit}-x", order_id=visit))


def _name(number: int) -> str:
    return f"load-{number:06}"


def _named(who: str, kind: str, event: str, **fields: Any) -> dict[str, Any]:
    return {"type": kind, "event_id": event, "customer_id": who, **fields}


def _order(who: str, order: str, total: float, *items: dict[str, Any]) -> dict[str, Any]:
    told = {"order_id": order, "total": total, "currency": "EUR", "items": list(items)}
    return _named(who, "order.completed", f"{order}-o", **told)
