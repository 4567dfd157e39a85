"""Triggers of the repurchase family after an import or an outage."""

from agents.decisions import iso
from tables.orders import DAY
from tests.support.core import HOUR, Style, day, order
from tests.support.rhythm import due_after, ordering, overdue_after, shop_of


def test_an_import_fires_nothing_that_was_due_before_it_ended(style: Style) -> None:
    shop = shop_of(style)
    for number in range(10):
        shop.send(order(day(100 * number), customer="bob", backfill=True))
        shop.send(order(day(100 * number + 1), customer=f"single-{number}", backfill=True))
    shop.send(order(day(2000), customer="carl", backfill=True))
    shop.settle()
    assert shop.decisions == []


def test_an_imported_customers_later_dates_fire(style: Style) -> None:
    shop = shop_of(style)
    for at in (0, 30, 60):
        shop.send(order(day(at), order_id=f"o{at}", backfill=True))
    shop.send(order(day(61), customer="bob"))  # live
    shop.wait_until(day(4000))
    assert [t.type for t in shop.triggers if t.customer_id == "ann"] == ["repurchase.due", "repurchase.overdue"]


def test_an_import_by_the_wall_clock(style: Style) -> None:
    """Live, a history is imported years later: what was due by then is past, what comes due then is not."""
    shop = shop_of(style)
    shop.reached = shop.core.emitter.now = day(69)
    shop.live_from = 0
    for at in (0, 30, 60):
        shop.send(order(day(at), customer="soon", backfill=True))
        shop.send(order(day(at - 2000), customer="long-ago", backfill=True))
    assert shop.at_clock(day(69)) == []
    shop.at_clock(day(60) + due_after([30, 30]))
    assert [(t.customer_id, t.type) for t in shop.triggers] == [("soon", "repurchase.due")]
    shop.at_clock(day(60) + overdue_after([30, 30]) + HOUR)
    assert {t.customer_id for t in shop.triggers} == {"soon"}
    assert [t.type for t in shop.triggers] == ["repurchase.due", "repurchase.overdue"]


def test_history_imported_behind_a_live_order_fires_nothing_at_once(style: Style) -> None:
    """The older orders show that the live one's gap is long past its window: no reason to write today."""
    shop = shop_of(style)
    shop.send(order(day(1000), order_id="live"))
    shop.wait_until(day(1000) + due_after([5, 5, 5]) + HOUR)
    for at in (985, 990, 995):
        shop.send(order(day(at), backfill=True))
    shop.wait_until(day(1000) + due_after([5, 5, 5]) + 2 * HOUR)
    assert shop.decisions == []
    shop.wait_until(day(5000))
    assert shop.types == ["repurchase.overdue"]


def test_stale_is_suppressed_and_neither_cancelled_nor_repeated(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.settle()
    orders = shop.orders()
    shop.at_clock(orders.due_at + 72 * HOUR + 1)
    (stale,) = shop.triggers
    assert (stale.type, stale.suppressed_by) == ("repurchase.due", "stale")
    assert stale.due_at == iso(orders.due_at)
    assert stale.fired_at == iso(orders.due_at + 72 * HOUR + 1)
    shop.at_clock(orders.overdue_at + 72 * HOUR)
    assert shop.types == ["repurchase.due", "repurchase.overdue"]
    overdue = shop.triggers[1]
    assert not isinstance(overdue.suppressed_by, str), "72 h is not yet too old"
    shop.send(order(orders.overdue_at + 80 * HOUR))
    shop.settle()
    assert [c.trigger_id for c in shop.cancellations] == [overdue.trigger_id]


def test_a_late_timer_says_when_it_was_due_and_when_it_fired(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.settle()
    orders = shop.orders()
    shop.at_clock(orders.due_at + 10 * HOUR)
    (due,) = shop.triggers
    assert due.due_at == iso(orders.due_at)
    assert due.fired_at == iso(orders.due_at + 10 * HOUR)
    assert due.expires_at == iso(orders.due_at + 10 * HOUR + 7 * DAY)
