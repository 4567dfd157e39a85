"""One customer of the demo: the real orders, and simulated visits around them.

Real are customer, day, number of CDs and amount of every order. Simulated are the time of day, which CDs they were,
and whatever happens in carts: a visit before many an order (some so long before it that a reminder is sent), and visits
that end without one. Everything follows from the seed and the customer alone.
"""

from random import Random
from typing import Any, NamedTuple

from streams.demo.cdnow import BEGIN, DAY, END, Row
from tables.events import CARTS, PURCHASES

Fields = dict[str, Any]

_MINUTE, _HOUR = 60_000, 3_600_000
_OPEN_HOURS, _PEAK_HOUR, _LAST_HOUR = 7.0, 20.0, 23.9
_GENRES = (
    "rock", "pop", "jazz", "classical", "blues", "country", "soundtrack", "hip-hop", "electronic", "folk",
)  # fmt: skip
_TITLES = 400
_MOST_PRODUCTS = 3


class Happening(NamedTuple):
    """One event of the customer, in order of time when sorted. `at`: epoch ms."""

    at: int
    number: int
    source: str
    fields: Fields


class Shopper:
    """Makes the events of one customer."""

    def __init__(self, customer: str, rows: list[Row], seed: int) -> None:
        self._customer = customer
        self._rows = rows
        self._random = Random(f"{seed}/{customer}")  # noqa: S311 - nothing secret
        self._found: list[Happening] = []
        self._favourite = self._pick(_GENRES)

    def events(self) -> list[Happening]:
        """All events, in order of time."""
        for number, (row, at) in enumerate(zip(self._rows, self._times(), strict=True), 1):
            items = self._items(row)
            if self._chance(0.6):
                self._prelude(at, items)
            self._order(number, row, at, items)
            if self._chance(0.2):
                self._idle_visit(at)
        return sorted(self._found, key=lambda event: (event.at, event.number))

    # -- the real orders

    def _times(self) -> list[int]:
        """Of each order, epoch ms: in the evening rather than in the morning; orders of a day in the log's order."""
        times = [row.day + self._time_of_day() for row in self._rows]
        days = {row.day for row in self._rows}
        if len(days) < len(times):
            times.sort()  # days stay in place, times within a day get their order
        return times

    def _items(self, row: Row) -> list[Fields]:
        """Few products: the first one takes the CDs that are left over. Prices are the order's mean."""
        products = self._products(min(row.cds, _MOST_PRODUCTS))
        quantities = [row.cds - len(products) + 1] + [1] * (len(products) - 1)
        price = round(row.dollars / row.cds, 2)
        return [_item(product, quantity, price) for product, quantity in zip(products, quantities, strict=True)]

    def _order(self, number: int, row: Row, at: int, items: list[Fields]) -> None:
        order: Fields = {
            "order_id": f"{self._customer}-{number}",
            "total": row.dollars,
            "currency": "USD",
            "items": items,
        }
        self._add(at, "order.completed", order, source=PURCHASES)

    # -- the simulated visits

    def _prelude(self, order_at: int, items: list[Fields]) -> None:
        """What led to an order: a cart, filled minutes or hours before."""
        long_before = self._chance(0.2)
        lead = self._between(4.5 * _HOUR, 40 * _HOUR) if long_before else self._between(8 * _MINUTE, 55 * _MINUTE)
        at = order_at - lead
        if at < BEGIN:  # the log begins here
            return
        at = self._fill(at, items, looks=0.3)
        if self._chance(0.08):
            extra = _item(self._product(), 1, items[0]["price"])
            self._add(at + 20_000, "cart.item_added", extra)
            at += 50_000
            self._add(at, "cart.item_removed", {"product_id": extra["product_id"], "quantity": 1})
        if long_before and self._chance(0.25):
            self._check_out(at + _MINUTE, items)
        elif not long_before and self._chance(0.4):
            self._check_out(at + (order_at - at) // 2, items)

    def _idle_visit(self, after: int) -> None:
        """A visit some time after an order that ends without one."""
        day = after + self._between(1 * DAY, 40 * DAY)
        at = day - day % DAY + self._time_of_day()
        price = round(10 + 8 * self._random.random(), 2)
        items = [_item(product, 1, price) for product in self._products(1 + int(self._chance(0.4)))]
        kind = self._random.random()
        if at >= END - 2 * _HOUR:
            return
        if kind < 0.35:
            for _ in range(1 + int(self._random.random() * 3)):
                self._look(at, items[0])
                at += self._between(_MINUTE, 10 * _MINUTE)
            return
        at = self._fill(at, items, looks=0.5)
        if kind > 0.7:
            self._check_out(at + 2 * _MINUTE, items)

    def _fill(self, at: int, items: list[Fields], looks: float) -> int:
        """Put items into the cart, one after the other; the time when the last one is in."""
        for number, item in enumerate(items):
            if number:
                at += self._between(30_000, 2 * _MINUTE)
            if self._chance(looks):
                self._look(at, item)
                at += self._between(5_000, 50_000)
            self._add(at, "cart.item_added", item)
        return at

    def _look(self, at: int, item: Fields) -> None:
        self._add(at, "product.viewed", {"product_id": item["product_id"], "category": item["category"]})

    def _check_out(self, at: int, items: list[Fields]) -> None:
        total = sum(item["quantity"] * item["price"] for item in items)
        self._add(at, "checkout.started", {"total": round(total, 2)})

    def _add(self, at: int, name: str, fields: Fields, source: str = CARTS) -> None:
        number = len(self._found) + 1
        head: Fields = {
            "type": name,
            "event_id": f"{self._customer}/{number}",
            "customer_id": self._customer,
            "occurred_at": at,
        }
        self._found.append(Happening(at, number, source, head | fields))

    # -- chance

    def _products(self, wanted: int) -> list[str]:
        """Different ones."""
        products: list[str] = []
        while len(products) < wanted:
            product = self._product()
            if product not in products:
                products.append(product)
        return products

    def _product(self) -> str:
        genre = self._favourite if self._chance(0.6) else self._pick(_GENRES)
        return f"{genre}-{1 + int(self._random.random() ** 2 * _TITLES)}"

    def _time_of_day(self) -> int:
        """Milliseconds since midnight, most often in the evening."""
        hour = self._random.triangular(_OPEN_HOURS, _LAST_HOUR, _PEAK_HOUR)
        return int(hour * 3600) * 1000

    def _between(self, low: float, high: float) -> int:
        """Milliseconds, to the second."""
        return int((low + (high - low) * self._random.random()) / 1000) * 1000

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _pick(self, options: tuple[str, ...]) -> str:
        return options[int(self._random.random() * len(options))]


def _item(product: str, quantity: int, price: float) -> Fields:
    return {"product_id": product, "category": product.rpartition("-")[0], "quantity": quantity, "price": price}
