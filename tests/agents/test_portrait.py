"""What others are shown of a customer is what the state and the models say, and what rules will do."""

from datetime import datetime

import pytest

from agents.models.timing import Rhythm
from agents.portrait import Painter, Portrait
from agents.rulebook.rules import Rules
from tables.customer import Customer
from tables.events import AnyEvent, OrderRefunded
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.core import Shop, added, cart, checkout, day, hour, order, viewed

PAINTER = Painter(Rules(), BUILTIN)


def ms(at: datetime | None) -> int:
    assert at is not None
    return round(at.timestamp() * 1000)


def portrait(shop: Shop, now: int, customer: str = "ann") -> Portrait:
    (found,) = PAINTER.portraits([(customer, shop.customer(customer))], now)
    return found


def test_figures_are_those_of_the_state_and_of_the_timing_model() -> None:
    shop = Shop()
    shop.send(order(day(0), 20.0), order(day(30), 30.0), order(day(50), 41.0, order_id="last"))
    shop.settle()
    found = portrait(shop, day(95))
    assert found.last_order is not None
    assert (found.last_order.order_id, ms(found.last_order.at), found.last_order.total) == ("last", day(50), 41.0)
    assert (found.orders, found.average_interval_days, found.average_basket) == (3, 25.0, 30.33)
    assert (found.customer_id, found.currency, ms(found.as_of)) == ("ann", "EUR", day(95))
    orders = shop.orders()
    rhythm = Rhythm(BUILTIN.timing, [orders.gaps], [orders.s1], [orders.s2])
    assert found.p_alive == round(float(rhythm.p_alive([45.0])[0]), 4)
    assert abs(ms(found.expected_next_order_at) - day(50) - rhythm.expected(365.0)[0] * DAY) <= 1


def test_p_alive_falls_while_nothing_happens_and_the_date_stays() -> None:
    shop = Shop()
    shop.send(order(day(0)), order(day(30)))
    shop.settle()
    early, late = (portrait(shop, day(at)) for at in (40, 400))
    assert early.p_alive is not None
    assert late.p_alive is not None
    assert early.p_alive > 0.8
    assert late.p_alive < 0.5
    assert early.expected_next_order_at == late.expected_next_order_at


def test_what_is_expected_of_the_next_twelve_months() -> None:
    shop = Shop()
    shop.send(*(order(day(30 * at), 20.0 + at) for at in range(8)), order(day(0), 0.0, customer="bob"))
    shop.settle()
    early, late, bob = portrait(shop, day(215)), portrait(shop, day(500)), portrait(shop, day(1), "bob")
    assert early.expected_orders is not None
    assert early.value is not None
    assert late.value is not None
    assert 5 < early.expected_orders.expected < 12
    assert early.expected_orders.low <= early.expected_orders.expected <= early.expected_orders.high
    each = early.value.expected / early.expected_orders.expected
    assert 20 < each < 32  # dearer than its median, as amounts lean to the right
    assert late.value.expected < 0.2 * early.value.expected
    assert bob.expected_orders is not None
    assert bob.expected_orders.expected > 0.5
    assert bob.value is None


def test_money_that_came_back_is_told() -> None:
    shop = Shop()
    shop.send(
        order(day(0), 20.0, order_id="o"),
        OrderRefunded(event_id="r", customer_id="ann", occurred_at=day(1), order_id="o", amount=5.0),
    )
    shop.settle()
    found = portrait(shop, day(2))
    assert found.last_order is not None
    assert found.last_order.returned == 5.0


def test_of_who_has_done_nothing_nothing_is_known() -> None:
    (found,) = PAINTER.portraits([("ann", Customer())], day(0))
    assert found == Portrait("ann", found.as_of)


@pytest.mark.parametrize(
    "events",
    [
        (order(day(0)),),
        (order(day(0)), order(day(30)), added(day(31))),
        (added(hour(0)), checkout(hour(1))),
        (cart(hour(0), "tea"), viewed(hour(1), "cup"), viewed(hour(2), "cup")),
        (viewed(hour(1), "cup"), viewed(hour(2), "cup")),
        (viewed(hour(1), "cup"),),
    ],
    ids=lambda events: " ".join(type(event).__name__ for event in events),
)
def test_open_timers_are_what_fires(events: tuple[AnyEvent, ...]) -> None:
    """One after the other, in order of time, and none in between."""
    shop = Shop()
    shop.send(*events)
    shop.settle()
    while timers := sorted(portrait(shop, shop.reached).open_timers, key=lambda timer: timer.due_at):
        first = timers[0]
        assert shop.wait_until(ms(first.due_at) - 1) == []
        assert first.rule in [decision.type for decision in shop.wait_until(ms(first.due_at))]
    assert shop.wait_until(day(90)) == []


def test_triggers_stand_until_they_are_contradicted() -> None:
    shop = Shop()
    shop.send(added(hour(0)))
    (fired,) = shop.wait_until(hour(5))
    (standing,) = portrait(shop, hour(5)).open_triggers
    assert (standing.trigger_id, standing.type, ms(standing.due_at)) == (fired.trigger_id, "cart.abandoned", hour(4))
    shop.send(order(hour(6)))
    shop.settle()
    assert portrait(shop, hour(6)).open_triggers == []


def test_alone_or_among_others_a_portrait_is_the_same() -> None:
    shop = Shop()
    for number in range(40):
        shop.send(
            *(order(day(at * (1 + number % 7)), 10.0 + number, customer=f"c{number}") for at in range(number % 5))
        )
        shop.send(viewed(day(60), "cup", customer=f"c{number}"))
    shop.settle()
    everybody = [(f"c{number}", shop.customer(f"c{number}")) for number in range(40)]
    alone = [PAINTER.portraits([one], day(70))[0] for one in everybody]
    assert PAINTER.portraits(everybody, day(70)) == alone
