"""What is remembered of a customer's orders: their number, their rhythm, and the newest ones by name."""

from itertools import pairwise
from math import log
from typing import Final

from msgspec import Struct

from tables.clock import CALENDAR, Clock

DAY: Final = 86_400_000
WEEK: Final = 7 * DAY
DUE: Final = 1
OVERDUE: Final = 2
AT_RISK: Final = 4
KEPT: Final = 0.7
"""What a new gap leaves of the gaps before it in the fast sums."""
REMEMBERED: Final = 12
"""How many orders are kept by name: to know a repeated one, to place a late one, to take one back."""


class RecentOrder(Struct, array_like=True, gc=False):
    order_id: str
    event_id: str
    at: int
    total: float
    returned: float = 0.0
    """Money refunded; the total when cancelled."""


class Orders(Struct, array_like=True, gc=False):
    """Orders of one customer. Times in epoch ms, gaps in weeks; the orders of one UTC day are one occasion.

    `s1` and `s2` are the sums of ln(gap) and ln(gap)^2 over the `occasions - 1` gaps, in weeks of the population's
    clock: what the timing model needs. `e1` and `e2` are the same sums, in which a gap counts KEPT times as much as the
    one after it; None before the second gap, and in a state of before they were kept: see `fast`.
    `due_at`, `overdue_at`: when the rules of absence fire for the open gap; 0 where they do not apply.
    """

    count: int
    first_at: int
    last_at: int
    occasions: int
    s1: float
    s2: float
    recent: list[RecentOrder]
    due_at: int = 0
    overdue_at: int = 0
    told: int = 0
    """What has been decided for the open gap: DUE, OVERDUE, AT_RISK."""
    imported: bool = False
    """The newest order came as backfill."""
    muted_until: int = 0
    """Timers due up to here were already past when the order was imported: they stay silent."""
    e1: float | None = None
    e2: float | None = None
    risk_at: int = 0
    """As `due_at`: when a loyal customer is at risk."""

    @property
    def fast(self) -> tuple[float, float]:
        """(e1, e2); where they were not kept, as if all gaps had been the customer's average one: so one gap's are."""
        if self.e1 is None or self.e2 is None:
            share = fast_weight(self.gaps) / self.gaps if self.gaps else 0.0
            return self.s1 * share, self.s2 * share
        return self.e1, self.e2

    @property
    def gaps(self) -> int:
        return self.occasions - 1

    @property
    def mean_gap_days(self) -> float | None:
        """Average interval between occasions in days; None before the second."""
        return (self.last_at - self.first_at) / DAY / self.gaps if self.gaps else None

    @property
    def log_gap_spread(self) -> float | None:
        """Standard deviation of ln(gap); None before the third occasion."""
        x = self.gaps
        return (max(self.s2 - self.s1 * self.s1 / x, 0.0) / (x - 1)) ** 0.5 if x > 1 else None


def fast_weight(gaps: float) -> float:
    """What all gaps together weigh in the fast sums."""
    return float((1.0 - KEPT**gaps) / (1.0 - KEPT))


def find_order(orders: Orders | None, order_id: str) -> RecentOrder | None:
    """The remembered order of this name."""
    if orders is not None:
        for order in orders.recent:
            if order.order_id == order_id:
                return order
    return None


def add_order(orders: Orders | None, order: RecentOrder, clock: Clock = CALENDAR) -> Orders:
    """The orders with one more, at its place in event time as far as memory reaches; the caller plans it anew."""
    at = order.at
    if orders is None:
        return Orders(1, at, at, 1, 0.0, 0.0, [order])
    orders.count += 1
    last_at, recent = orders.last_at, orders.recent
    if at >= last_at:
        _add_gap(orders, last_at, at, clock)
        if at > last_at:
            orders.told = 0
        orders.last_at = at
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
