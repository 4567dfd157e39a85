"""Orders that answer triggers of the repurchase family; orders that arrive late or twice."""

from itertools import permutations

import pytest

from agents.decisions import iso
from tests.support.core import Style, day, order
from tests.support.rhythm import due_after, near, ordering, shop_of

# --- answers ---------------------------------------------------------------------------------------------------------


def test_a_purchase_answers_both_once(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.wait_until(day(1500))
    due, overdue = shop.triggers
    back = order(day(1500, 5), event_id="back", order_id="o-back")
    shop.send(back, order(day(1501)), order(day(1502)))
    shop.settle()
    found = shop.cancellations
    assert [c.type for c in found] == ["repurchase.due.cancelled", "repurchase.overdue.cancelled"]
    assert [c.trigger_id for c in found] == [due.trigger_id, overdue.trigger_id]
    for cancelled, fired in zip(found, (due, overdue), strict=True):
        assert cancelled.cancelled_at == iso(day(1500, 5))
        assert (cancelled.due_at, cancelled.fired_at) == (fired.due_at, fired.fired_at)
        assert cancelled.expires_at == fired.expires_at
        assert cancelled.rule == fired.rule
        assert cancelled.message_id not in {cancelled.trigger_id, fired.message_id}
        assert cancelled.cause == {
            "type": "order.completed",
            "event_id": "back",
            "order_id": "o-back",
            "occurred_at": iso(day(1500, 5)),
        }
    assert len({c.message_id for c in found}) == 2


def test_a_late_order_answers_a_trigger_that_went_out_meanwhile(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.wait_until(day(1000))
    assert len(shop.triggers) == 2
    shop.send(order(day(40), order_id="late"))
    shop.settle()
    assert [c.cause["order_id"] for c in shop.cancellations] == ["late", "late"]
    assert {c.cancelled_at for c in shop.cancellations} == {iso(day(1000))}


def test_a_late_order_before_the_newest_answers_nothing(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.wait_until(day(429))
    shop.send(order(day(20), order_id="older"))
    shop.wait_until(day(4000))
    assert shop.cancellations == []
    assert len(shop.triggers) == 2, "this gap has been told"
    orders = shop.orders()
    assert (orders.count, orders.occasions, orders.last_at) == (3, 3, day(30, 10))


def test_the_same_instant_as_the_newest_order_does_not_tell_again(style: Style) -> None:
    """A shop that splits an order writes two of the same time; the second may be late."""
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.wait_until(day(1000))
    shop.send(order(day(30, 10), order_id="other-half"))
    shop.wait_until(day(5000))
    assert [d.type for d in shop.decisions] == ["repurchase.due", "repurchase.overdue"]


def test_each_gap_is_told_anew_and_ids_differ(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.wait_until(day(1000))
    shop.send(order(day(1000, 1), order_id="again"))
    shop.wait_until(day(4000))
    assert len(shop.triggers) == 4
    assert len({t.trigger_id for t in shop.triggers}) == 4
    assert [t.order_id for t in shop.triggers] == ["o1", "o1", "again", "again"]


def test_the_same_log_gives_the_same_ids() -> None:
    runs = []
    for _ in range(2):
        shop = shop_of()
        ordering(shop, 0, 30)
        shop.wait_until(day(1000))
        shop.send(order(day(1000, 1), order_id="x", event_id="x"))
        runs.append([(d.type, d.message_id) for d in shop.settle() + shop.decisions])
    assert runs[0] == runs[1]


# --- arriving late, arriving twice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arrival", list(permutations(range(4))))
def test_late_orders_give_the_rhythm_of_the_right_order(arrival: tuple[int, ...]) -> None:
    days = (0, 11, 40, 58)
    shop = shop_of()
    for number in arrival:
        shop.send(order(day(days[number], 10), order_id=f"o{number}"))
    shop.settle()
    orders = shop.orders()
    assert (orders.count, orders.occasions) == (4, 4)
    assert (orders.first_at, orders.last_at) == (day(0, 10), day(58, 10))
    assert [recent.order_id for recent in orders.recent] == ["o0", "o1", "o2", "o3"]
    assert near(orders.due_at, day(58, 10) + due_after([11, 29, 18]))


def test_duplicates_by_event_and_by_order(style: Style) -> None:
    shop = shop_of(style)
    first = order(day(0), event_id="e", order_id="o")
    shop.send(first, first)
    shop.send(order(day(9), 999.0, event_id="e", order_id="other"), order(day(9), 1.0, event_id="f", order_id="o"))
    shop.settle()
    orders = shop.orders()
    assert (orders.count, orders.last_at, orders.recent[0].total) == (1, day(0), 50.0)
    shop.wait_until(day(4000))
    assert shop.types == ["first_purchase.lapsed"]


def test_a_late_second_order_stops_the_lapse_of_the_first(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(10)))
    shop.send(order(day(12), customer="bob"), order(day(0)))  # the latter late
    shop.wait_until(day(4000))
    assert {t.type for t in shop.triggers if t.customer_id == "ann"} == {"repurchase.due", "repurchase.overdue"}
