"""Rows of a table to events: the rows of one order are one event, every other row is one of its own."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from streams.logs.columns import Floats, Ints, Mask, codes_of
from streams.logs.refusals import Refusals
from streams.logs.rows import PURCHASE, REFUND, Rows
from tables.events import CARTS, PURCHASES, SOURCES

_LARGEST_TOTAL = 1e12
_NO_CODE = np.iinfo(np.int64).max


@dataclass
class Events:
    """Events in the order of the merge. Event i has the rows members[starts[i]:starts[i + 1]]."""

    at: Ints
    """Epoch milliseconds: the time of its first row."""
    members: Ints
    starts: Ints
    """One longer than `at`."""
    total: Floats
    """Of an order: the sum of the amounts of its rows; 0 (unknown) when one of them has none."""


def arrange(rows: Rows, refusals: Refusals) -> Events:
    """Group the rows of each order (not only neighbours), sum up, and merge the topics by time."""
    event = _event_of_row(rows)
    members = np.argsort(event, kind="stable")
    starts = np.concatenate(([0], np.cumsum(np.bincount(event)))).astype(np.int64) if len(event) else np.zeros(1, int)
    total = _totals(rows, members, starts)
    keep = _check_orders(rows, members, starts, total, refusals)
    if not keep.all():
        sizes = np.diff(starts)
        members = members[np.repeat(keep, sizes)]
        starts = np.concatenate(([0], np.cumsum(sizes[keep])))
        total = total[keep]
    return Events(rows.at[members[starts[:-1]]], members, starts, total)


def _event_of_row(rows: Rows) -> Ints:
    """The number of each row's event, in the order of the merge: by time, then topic, then place in the file."""
    count = len(rows.at)
    purchases = np.flatnonzero(rows.kind == PURCHASE)
    others = np.flatnonzero(rows.kind != PURCHASE)
    _, first, order = np.unique(_order_key(rows, purchases), return_index=True, return_inverse=True)
    first_rows = np.concatenate((purchases[first], others))
    topic = np.where((rows.kind == PURCHASE) | (rows.kind == REFUND), SOURCES.index(PURCHASES), SOURCES.index(CARTS))[
        first_rows
    ]
    in_order = np.lexsort((first_rows, topic, rows.at[first_rows]))
    place = np.empty(len(first_rows), dtype=np.int64)
    place[in_order] = np.arange(len(first_rows))
    event = np.empty(count, dtype=np.int64)
    event[purchases] = place[order.reshape(-1)]
    event[others] = place[len(first) :]
    return event


def _order_key(rows: Rows, purchases: Ints) -> Ints:
    """Equal for rows of one order: the same customer and order_id; without an order_id the same customer and time.

    The customer is part of it: some shops count orders anew in each branch.
    """
    customer, _ = codes_of(rows.customer)
    order, orders = codes_of(rows.order)
    order, at = order[purchases], rows.at[purchases]
    times, moment = np.unique(at, return_inverse=True)
    within = np.where(order >= 0, order, len(orders) + moment.reshape(-1))
    return customer[purchases] * (len(orders) + len(times)) + within


def _totals(rows: Rows, members: Ints, starts: Ints) -> Floats:
    """In currency units, rounded to millionths: sums of binary fractions have tails."""
    if not len(members):
        return np.zeros(0)
    # a part of an order would look like a small order, so an amount that is missing makes the total unknown
    sums = np.add.reduceat(rows.amount[members], starts[:-1])
    return np.round(np.nan_to_num(sums, nan=0.0), 6)


def _always(reason: str) -> Callable[[int], str]:
    return lambda _row: reason


def _check_orders(rows: Rows, members: Ints, starts: Ints, total: Floats, refusals: Refusals) -> Mask:
    """Which events stay; the rows of the others are refused."""
    keep = np.ones(len(total), dtype=np.bool_)
    if not len(members):
        return keep
    is_order = rows.kind[members[starts[:-1]]] == PURCHASE
    codes, _ = codes_of(rows.currency)
    codes = codes[members]
    highest = np.maximum.reduceat(codes, starts[:-1])
    lowest = np.minimum.reduceat(np.where(codes < 0, _NO_CODE, codes), starts[:-1])
    checks = {
        "an order with a negative total": is_order & (total < 0),
        "an order with a total beyond 1e12": is_order & (total > _LARGEST_TOTAL),
        "an order in several currencies": is_order & (highest >= 0) & (lowest != highest),
    }
    for reason, wrong in checks.items():
        keep &= ~wrong
        mask = np.zeros(len(refusals.refused), dtype=np.bool_)
        mask[rows.index[members[np.repeat(wrong, np.diff(starts))]]] = True
        refusals.refuse(mask, _always(reason))
    return keep
