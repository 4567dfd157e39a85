"""Erasure: what it leaves, what it cancels, what comes after it."""

from agents.decisions import iso
from tests.support.core import Shop, added, day, erased, order


def test_an_erasure_leaves_a_tombstone_and_cancels_what_is_open(shop: Shop) -> None:
    shop.send(order(day(0)), order(day(30)), added(day(31)))
    shop.wait_until(day(1000))
    fired = shop.triggers
    assert len(fired) == 3
    shop.send(erased(day(1001), event_id="gone"))
    shop.settle()
    assert {c.trigger_id for c in shop.cancellations} == {t.trigger_id for t in fired}
    assert len(shop.cancellations) == 3
    for cancelled in shop.cancellations:
        assert cancelled.cause == {"type": "customer.erased", "event_id": "gone"}
        assert cancelled.reason == "the customer was erased"
        assert cancelled.cancelled_at == iso(day(1001))
    assert shop.durable == {}
    assert shop.changelog[-1] == (b"ann", None)


def test_an_erased_customers_timers_are_gone(shop: Shop) -> None:
    shop.send(order(day(0)), order(day(30)), added(day(31)), erased(day(31, 1)))
    assert shop.wait_until(day(4000)) == []
    assert len(shop.core.states) == 0


def test_after_an_erasure_all_starts_anew(shop: Shop) -> None:
    shop.send(order(day(0), order_id="o", event_id="e"), order(day(30)), added(day(31)), erased(day(31, 1)))
    shop.send(order(day(40), order_id="o", event_id="e"), added(day(41)))
    shop.wait_until(day(42))
    orders = shop.orders()
    assert (orders.count, orders.first_at) == (1, day(40))
    assert [(t.type, t.due_at) for t in shop.triggers] == [("cart.abandoned", iso(day(41, 4)))]


def test_erasing_the_unknown_writes_nothing(shop: Shop) -> None:
    shop.send(erased(day(0)), erased(day(0)))
    shop.settle()
    assert shop.durable == {}
    assert shop.decisions == []
    assert all(value is None for _, value in shop.changelog) or shop.changelog == []


def test_born_and_erased_in_one_batch_leaves_no_trace() -> None:
    shop = Shop()
    shop.send(order(day(0)), added(day(0)), erased(day(0, 1)))
    shop.settle()
    assert shop.changelog == []


def test_a_batch_tells_who_was_dropped_and_what_was_decided_before_that() -> None:
    shop = Shop()
    shop.send(added(day(0)), added(day(0), customer="bob"), erased(day(1)), added(day(2)))
    shop.core.advance(day(3), 1 << 62)
    settled = shop.core.settle()
    (key,) = settled.dropped
    before = settled.decisions[: settled.dropped[key]]
    assert key == b"ann"
    assert [d.type for d in before if d.customer_id == "ann"] == ["cart.abandoned", "cart.abandoned.cancelled"]
    assert [d.type for d in settled.decisions[settled.dropped[key] :]] == ["cart.abandoned"]
    shop.core.adopt()
    assert shop.core.settle().dropped == {}
