"""The orders of a log, gathered in one pass for what is fitted and scored.

Memory grows with orders (40 bytes each), their products (24 each, twice that at the end) and customers (about 200), not
with what else the log holds.
"""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from xxhash import xxh3_64_intdigest

from agents.fit.histories import NOTHING_SOLD, Ints, Mask, Orders, Sold, orders_of
from agents.rulebook.currencies import APART, Currencies
from streams.flow.decode import RejectedError, decoder
from streams.logs import LogLine
from tables.events import CUSTOMERS, PURCHASES, CustomerErased, OrderCompleted


@dataclass(frozen=True, slots=True)
class Histories:
    """A log's orders, and whose they are."""

    orders: Orders
    number: dict[bytes, int]
    """Of each customer_id in UTF-8, what it is called in `orders`; not of who was erased since."""
    currencies: tuple[str, ...]
    """What the numbers in `orders.currency` stand for."""
    erased: frozenset[bytes]
    """Who was erased, and may have come back: nobody is to be told about them by name."""
    sold: Sold = NOTHING_SOLD
    categories: tuple[str, ...] = ()
    """What the numbers in `sold.category` stand for."""


def product_number(product_id: str) -> int:
    """What a product is called in `Histories.sold`."""
    return xxh3_64_intdigest(product_id) - _HALF


_HALF = 1 << 63


def gather(lines: Iterable[LogLine], *, wall: int, rates: Currencies = APART) -> Histories:
    """The orders of a log's lines, each once by customer and order_id.

    Lines that the worker refuses are left out; `wall` (epoch ms) is its clock, `rates` turn amounts as it does. Who was
    erased leaves no orders behind, and begins anew after that. Cancelled and refunded orders stay: they were part of
    the customer's rhythm.
    """
    gatherer = _Gatherer(rates)
    decode = {source: decoder(source) for source in (PURCHASES, CUSTOMERS)}
    for line in lines:
        if line.source in decode:
            try:
                event, at = decode[line.source](line.key, line.value, wall)
            except RejectedError:
                continue
            if isinstance(event, OrderCompleted):
                gatherer.order(line.key, event, at)
            elif isinstance(event, CustomerErased):
                gatherer.erase(line.key)
    return gatherer.histories()


class _Gatherer:
    def __init__(self, rates: Currencies) -> None:
        self._turned = rates.turned
        self._number: dict[bytes, int] = {}
        self._customers = 0
        self._erased: list[int] = []
        self._names: set[bytes] = set()
        """Of who was erased."""
        self._currencies: dict[str, int] = {}
        self._customer, self._at, self._currency = array("q"), array("q"), array("q")
        self._total, self._order = array("d"), array("Q")
        self._categories: dict[str, int] = {}
        self._of, self._product, self._category = array("L"), array("q"), array("i")
        """Per product of an order: the order's place."""
        self._quantity = array("f")

    def order(self, key: bytes, event: OrderCompleted, at: int) -> None:
        number = self._number.get(key)
        if number is None:
            number = self._number[key] = self._customers
            self._customers += 1
        self._customer.append(number)
        self._at.append(at)
        currency, total, _ = self._turned(event.currency, event.total)
        self._total.append(total)
        self._currency.append(self._currencies.setdefault(currency, len(self._currencies)))
        self._order.append(xxh3_64_intdigest(event.order_id))
        for item in event.items:
            category = item.category
            self._of.append(len(self._at) - 1)
            self._product.append(product_number(item.product_id))
            self._category.append(
                -1 if category is None else self._categories.setdefault(category, len(self._categories))
            )
            self._quantity.append(item.quantity)

    def erase(self, key: bytes) -> None:
        self._names.add(key)
        number = self._number.pop(key, None)
        if number is not None:
            self._erased.append(number)

    def histories(self) -> Histories:
        customer, at, currency = (np.array(column, np.int64) for column in (self._customer, self._at, self._currency))
        keep = _first_of_each(customer, np.array(self._order, np.uint64).view(np.int64))
        keep &= ~np.isin(customer, self._erased)
        total = np.array(self._total, np.float64)
        orders = orders_of(customer[keep], at[keep], total[keep], currency[keep])
        sold = self._sold(customer, at, keep)
        return Histories(
            orders, self._number, tuple(self._currencies), frozenset(self._names), sold, tuple(self._categories)
        )

    def _sold(self, customer: Ints, at: Ints, keep: Mask) -> Sold:
        """The products of the orders that are kept."""
        of = np.array(self._of, np.int64)
        rows = np.flatnonzero(keep[of])
        of = of[rows]
        order = np.lexsort((at[of], customer[of]))
        rows, of = rows[order], of[order]
        product, category, quantity = (
            np.array(self._product, np.int64)[rows],
            np.array(self._category, np.int64)[rows],
            np.array(self._quantity, np.float64)[rows],
        )
        return Sold(customer[of], at[of], product, category, quantity)


def _first_of_each(customer: Ints, order: Ints) -> Mask:
    """Where an order of a customer is named for the first time."""
    by_name = np.lexsort((order, customer))  # what is equal stays as it came
    same = np.zeros(customer.size, dtype=np.bool_)
    same[1:] = (np.diff(customer[by_name]) == 0) & (np.diff(order[by_name]) == 0)
    first = np.empty(customer.size, dtype=np.bool_)
    first[by_name] = ~same
    return first
