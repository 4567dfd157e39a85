"""What is counted of a shop's orders, and what is not."""

from agents.core import Core
from agents.rulebook.rules import Rules
from agents.sales import Sold
from tables.events import PURCHASES, SOURCES, OrderCompleted
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.core import day, order


def take(core: Core, *events: OrderCompleted) -> Sold:
    for offset, event in enumerate(events):
        at = event.occurred_at
        assert isinstance(at, int)
        core.take(SOURCES.index(PURCHASES), offset, event.customer_id.encode(), event, at)
    return core.sales.take()


def test_orders_by_whether_the_customer_had_ordered_before() -> None:
    core = Core(Rules(), BUILTIN)
    sold = take(
        core,
        order(day(0), 20.0),
        order(day(1), 10.0, customer="bob", currency="CHF"),
        order(day(3), 30.0),
        order(day(10), 40.5),
    )
    assert sold == Sold(2, 2, 10 * DAY, {"EUR": 90.5, "CHF": 10.0})
    assert core.sales.take() == Sold(0, 0, 0, {})


def test_what_comes_twice_or_late_or_as_an_import() -> None:
    first = order(day(5), 20.0)
    sold = take(
        Core(Rules(), BUILTIN),
        *(first, first, order(day(5), 20.0, order_id=first.order_id)),
        order(day(2), 30.0),  # late: how long a gap it ends, nobody asked
        order(day(6), 40.0, backfill=True),
        order(day(8), 50.0),
    )
    assert sold == Sold(1, 2, 2 * DAY, {"EUR": 100.0})
