"""Rows of a table as contract events in JSON."""

from collections.abc import Callable, Iterator
from math import isnan
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa

from streams.logs.model import LogLine
from streams.logs.orders import Events
from streams.logs.rows import ADD, PURCHASE, REFUND, REMOVE, VIEW, Rows
from tables.events import CARTS, PURCHASES

UNKNOWN_CURRENCY = "XXX"
"""ISO 4217: no currency."""
_BLOCK = 4096
_encode = msgspec.json.Encoder().encode
Fields = dict[str, object]


class _Row(NamedTuple):
    """One row; None or NaN where absent."""

    number: int
    kind: int
    amount: float
    quantity: float
    customer: str
    order: str | None
    product: str | None
    category: str | None
    currency: str | None


def blocks(rows: Rows, events: Events, *, shift: int, backfill: bool) -> Iterator[list[LogLine]]:
    """The lines of the log, a few thousand at a time; times move by `shift` milliseconds.

    Event ids follow from the file alone: the same file gives the same ids.
    """
    for begin in range(0, len(events.at), _BLOCK):
        end = min(begin + _BLOCK, len(events.at))
        starts = events.starts[begin : end + 1]
        members = _members(rows, events.members[starts[0] : starts[-1]])
        bounds = (starts - starts[0]).tolist()
        times, totals = (events.at[begin:end] + shift).tolist(), events.total[begin:end].tolist()
        yield [
            _line(members[bounds[i] : bounds[i + 1]], times[i], totals[i], shift, backfill) for i in range(end - begin)
        ]


def _members(rows: Rows, members: Any) -> list[_Row]:
    taken = pa.array(members)
    texts = (rows.customer, rows.order, rows.product, rows.category, rows.currency)
    plain = (rows.number, rows.kind, rows.amount, rows.quantity)
    columns = [column[members].tolist() for column in plain] + [column.take(taken).to_pylist() for column in texts]
    return [_Row(*values) for values in zip(*columns, strict=True)]


def _line(members: list[_Row], at: int, total: float, shift: int, backfill: bool) -> LogLine:
    first = members[0]
    source, name, make = _MAKERS[first.kind]
    event: Fields = {"type": name, "event_id": f"row-{first.number}", "customer_id": first.customer, "occurred_at": at}
    if first.kind == PURCHASE:
        event |= _order(members, at - shift, total)
    else:
        event |= make(first)
    if backfill:
        event["backfill"] = True
    return LogLine(source, first.customer.encode(), _encode(event), at, at)


def _order(members: list[_Row], at: int, total: float) -> Fields:
    """`at`: as in the file, so that an id made of it does not change with a shift."""
    order = members[0].order or f"{members[0].customer}-{at}"
    currency = next((row.currency for row in members if row.currency), UNKNOWN_CURRENCY)
    items = [_product(row) for row in members if row.product]
    return {"event_id": f"order-{order}", "order_id": order, "total": total, "currency": currency, "items": items}


def _product(row: _Row) -> Fields:
    known = not isnan(row.quantity)
    fields: Fields = {"product_id": row.product, "quantity": row.quantity if known else 1}
    if known and row.amount >= 0 and row.amount / row.quantity <= 1e12:
        fields["price"] = row.amount / row.quantity
    if row.category:
        fields["category"] = row.category
    return fields


def _refund(row: _Row) -> Fields:
    """A refund is often written as a negative amount; without one it is the whole order."""
    fields: Fields = {"order_id": row.order}
    if not isnan(row.amount):
        fields["amount"] = abs(row.amount)
    return fields


def _view(row: _Row) -> Fields:
    fields: Fields = {"product_id": row.product}
    if row.category:
        fields["category"] = row.category
    return fields


_MAKERS: dict[int, tuple[str, str, Callable[[_Row], Fields]]] = {
    PURCHASE: (PURCHASES, "order.completed", _product),
    ADD: (CARTS, "cart.item_added", _product),
    REMOVE: (CARTS, "cart.item_removed", _product),
    VIEW: (CARTS, "product.viewed", _view),
    REFUND: (PURCHASES, "order.refunded", _refund),
}
