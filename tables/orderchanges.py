"""What an order does to those remembered. Apart from `tables.orders`, so that it can be compiled."""

from itertools import pairwise
from math import log

from tables.clock import CALENDAR, Clock
from tables.orders import DAY, KEPT, REMEMBERED, WEEK, Orders, RecentOrder


def find_order(orders: Orders | None, order_id: str) -> RecentOrder | None:
    """The remembered order of this name."""
    if orders is not None:
        for order in orders.recent:
            if order.order_id == order_id:
                return order
    return None


def add_order(orders: Orders | None, order: RecentOrder, clock: Clock = CALENDAR, *, imported: bool = False) -> Orders:
    """The orders with one more, at its place in event time as far as memory reaches; the caller plans it anew."""
    at = order.at
    if orders is None:
        return Orders(1, at, at, 1, 0.0, 0.0, [order], imported=imported)
    orders.count += 1
    last_at, recent = orders.last_at, orders.recent
    if at >= last_at:
        _add_gap(orders, last_at, at, clock)
        if at > last_at:
            orders.told = 0
        orders.last_at = at
        orders.imported, orders.muted_until = imported, 0
        recent.append(order)
    else:
        _insert_late(orders, order, clock)
    if len(recent) > REMEMBERED:
        del recent[0]
    return orders


def _add_gap(orders: Orders, before: int, after: int, clock: Clock) -> None:
    if before // DAY != after // DAY:
        y = log(clock.between(before, max(after, before + DAY)) / WEEK)
        if orders.occasions > 1:
            e1, e2 = orders.fast
            orders.e1 = KEPT * e1 + y
            orders.e2 = KEPT * e2 + y * y
        orders.occasions += 1
        orders.s1 += y
        orders.s2 += y * y


def _insert_late(orders: Orders, order: RecentOrder, clock: Clock) -> None:
    """Place an order that came after a younger one. Before all that is remembered it can only be counted."""
    recent = orders.recent
    whole = orders.count - 1 == len(recent)
    if not whole and order.at < recent[0].at:
        orders.first_at = min(orders.first_at, order.at)
        return
    before = _rhythm(recent, clock)
    recent.append(order)
    recent.sort(key=_time)
    after = _rhythm(recent, clock)
    more = after.gaps - before.gaps
    e1, e2 = orders.fast
    orders.occasions += more
    orders.s1 += after.s1 - before.s1
    orders.s2 += after.s2 - before.s2
    if orders.gaps > 1:
        # what lies before all that is remembered has one gap more, or none, after it
        orders.e1 = KEPT**more * (e1 - before.fast[0]) + after.fast[0]
        orders.e2 = KEPT**more * (e2 - before.fast[1]) + after.fast[1]
    orders.first_at = min(orders.first_at, order.at)


def _time(order: RecentOrder) -> int:
    return order.at


def _rhythm(recent: list[RecentOrder], clock: Clock) -> Orders:
    part = Orders(0, recent[0].at, recent[0].at, 1, 0.0, 0.0, [])
    for earlier, later in pairwise(recent):
        _add_gap(part, earlier.at, later.at, clock)
    return part
