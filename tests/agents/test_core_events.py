"""Events that no rule is about: profiles, returns, what changes nothing; and how much stays open."""

from agents.decisions import Cancellation, Trigger
from tables.customer import MAX_OPEN
from tables.events import Consent, CustomerMerged, CustomerUpdated, OrderCancelled, OrderRefunded
from tables.orders import DAY
from tests.support.core import HOUR, Shop, added, day, fresh_id, order

# --- events that change little ---------------------------------------------------------------------------------------


def test_merged_and_updated_do_no_harm(shop: Shop) -> None:
    quiet = Shop()
    for each in (shop, quiet):
        each.send(order(day(0), event_id="1", order_id="1"), order(day(30), event_id="2", order_id="2"))
        if each is shop:
            each.send(
                CustomerMerged(event_id=fresh_id(), customer_id="ann", occurred_at=day(30), previous_id="bob"),
                CustomerUpdated(
                    event_id=fresh_id(),
                    customer_id="ann",
                    occurred_at=day(30),
                    consent=Consent(email=True, sms=False),
                    timezone="Europe/Berlin",
                    country="DE",
                    attributes={"vip": [1, None]},
                ),
            )
        each.send(added(day(31), event_id="3"))
        each.wait_until(day(2000))
    assert [(d.type, d.message_id, d.at) for d in shop.decisions] == [
        (d.type, d.message_id, d.at) for d in quiet.decisions
    ]
    profile = shop.customer().profile
    assert profile is not None
    assert (profile.email, profile.sms, profile.push) == (True, False, None)
    assert (profile.timezone, profile.country) == ("Europe/Berlin", "DE")


def test_an_older_update_does_not_overwrite(shop: Shop) -> None:
    def update(at: int, email: bool | None, country: str | None = None) -> CustomerUpdated:
        return CustomerUpdated(
            event_id=fresh_id(), customer_id="ann", occurred_at=at, consent=Consent(email=email), country=country
        )

    shop.send(update(day(2), email=False), update(day(1), email=True, country="FR"), update(day(3), email=None))
    shop.settle()
    profile = shop.customer().profile
    assert profile is not None
    assert (profile.email, profile.country, profile.updated_at) == (False, None, day(3))


def test_returns_are_kept_with_the_order(shop: Shop) -> None:
    def refund(order_id: str, amount: float | None) -> OrderRefunded:
        return OrderRefunded(
            event_id=fresh_id(), customer_id="ann", occurred_at=day(1), order_id=order_id, amount=amount
        )

    shop.send(*(order(day(0), 50.0, order_id=f"o{n}") for n in range(4)))
    shop.send(refund("o0", 20.0), refund("o0", 10.0), refund("o1", None), refund("o2", 999.0), refund("unknown", 5.0))
    shop.send(OrderCancelled(event_id=fresh_id(), customer_id="ann", occurred_at=day(1), order_id="o3"))
    shop.settle()
    orders = shop.orders()
    assert {o.order_id: o.returned for o in orders.recent} == {"o0": 30.0, "o1": 50.0, "o2": 50.0, "o3": 50.0}
    assert shop.decisions == []


def test_events_that_change_nothing_are_counted_by_why() -> None:
    shop = Shop()
    first = order(day(0), order_id="o")
    shop.send(first, first, order(day(1), order_id="o"))
    shop.send(
        CustomerMerged(event_id=fresh_id(), customer_id="ann", occurred_at=day(1), previous_id="b"),
        OrderCancelled(event_id=fresh_id(), customer_id="ann", occurred_at=day(1), order_id="unknown"),
    )
    assert shop.core.counts == {"duplicate": 2, "ignored": 2}


# --- open triggers ---------------------------------------------------------------------------------------------------


def test_many_carts_do_not_push_out_what_lasts_longer(shop: Shop) -> None:
    shop.send(order(day(0)), order(day(30)))
    shop.wait_until(day(1500))
    overdue = [t for t in shop.triggers if t.type == "repurchase.overdue"]
    assert len(overdue) == 1
    opened_at = next(o.fired_at for o in shop.customer().open if o.rule == "repurchase.overdue")
    second = Shop(style=shop.style)
    second.send(order(day(0)), order(day(30)))
    second.wait_until(opened_at)
    for number in range(20):
        second.send(added(opened_at + (number + 1) * 12 * HOUR))
    second.wait_until(opened_at + 15 * DAY)
    assert len(second.customer().open) == MAX_OPEN
    second.send(order(opened_at + 15 * DAY + HOUR))
    second.settle()
    assert "repurchase.overdue.cancelled" in second.types
    assert len(second.cancellations) == MAX_OPEN


# --- bounds ----------------------------------------------------------------------------------------------------------


def test_decisions_are_of_two_kinds_only(shop: Shop) -> None:
    shop.send(added(day(0)))
    shop.wait_until(day(1))
    shop.send(order(day(2)))
    shop.settle()
    assert [type(d) for d in shop.decisions] == [Trigger, Cancellation]
