"""Orders that are refunded or cancelled leave the baskets, and take with them what was told on their account."""

from typing import cast

import pytest

from agents.decisions import Cancellation
from agents.rulebook.currencies import Currencies
from agents.rulebook.rules import BasketGrown, BasketShrinking, BasketShrunk, Rules
from tables.basket import Basket
from tables.events import OrderCancelled, OrderRefunded
from tables.orders import REMEMBERED
from tests.agents.triggers.test_baskets import SHOP, STEADY, only
from tests.support.core import Shop, Style, day, fresh_id, order

QUIET = Rules(
    basket_shrunk=BasketShrunk(enabled=False),
    basket_shrinking=BasketShrinking(enabled=False),
    basket_grown=BasketGrown(enabled=False),
)


def buying(shop: Shop, *totals: float, first: int = 0, currency: str = "EUR") -> None:
    for number, total in enumerate(totals, first):
        shop.send(order(day(7 * number), total, order_id=f"o{number}", event_id=f"b{number}", currency=currency))
    shop.settle()


def refunded(at: int, order_id: str, amount: float | None = None) -> OrderRefunded:
    return OrderRefunded(event_id=fresh_id(), customer_id="ann", occurred_at=at, order_id=order_id, amount=amount)


def cancelled(at: int, order_id: str) -> OrderCancelled:
    return OrderCancelled(event_id=fresh_id(), customer_id="ann", occurred_at=at, order_id=order_id)


def basket_of(shop: Shop) -> Basket:
    found = shop.customer().basket
    assert found is not None
    return found


def ends(shop: Shop) -> list[Cancellation]:
    return [c for c in shop.cancellations if c.type.startswith("basket.")]


def told(basket: Basket) -> list[object]:
    """Its numbers, to nine digits: sums that run in another order differ in the last ones."""
    numbers = (basket.mean_ln, basket.ss, basket.revenue, basket.ewma or 0.0, basket.down or 0.0, basket.up or 0.0)
    return [basket.currency, basket.n, *(round(number, 9) for number in numbers), basket.alarms]


@pytest.mark.parametrize("which", [0, 3, 7])
def test_baskets_are_then_those_of_the_other_orders(style: Style, which: int) -> None:
    totals = [50.0, 46.0, 60.0, 5000.0, 41.0, 30.0, 28.0, 25.0]
    shop, without = Shop(QUIET, SHOP, style=style), Shop(QUIET, SHOP, style=style)
    buying(shop, *totals)
    shop.send(cancelled(day(90), f"o{which}"))
    shop.settle()
    buying(without, *(total for place, total in enumerate(totals) if place != which))
    assert told(basket_of(shop)) == told(basket_of(without))
    assert shop.orders().count == 8, "it was part of the rhythm all the same"


def test_a_part_refunded_leaves_the_rest(style: Style) -> None:
    shop, as_if = Shop(QUIET, SHOP, style=style), Shop(QUIET, SHOP, style=style)
    buying(shop, *STEADY, 80.0)
    shop.send(refunded(day(60), "o6", 20.0), refunded(day(61), "o6", 10.0))
    shop.settle()
    buying(as_if, *STEADY, 50.0)
    assert told(basket_of(shop)) == told(basket_of(as_if))
    shop.send(refunded(day(62), "o6", 999.0), refunded(day(63), "o6"), cancelled(day(64), "o6"))
    shop.settle()
    as_if = Shop(QUIET, SHOP, style=style)
    buying(as_if, *STEADY)
    assert told(basket_of(shop)) == told(basket_of(as_if))


def test_the_only_order_leaves_nothing() -> None:
    shop = Shop(QUIET, SHOP)
    buying(shop, 80.0)
    shop.send(cancelled(day(1), "o0"))
    shop.settle()
    assert basket_of(shop) == Basket("EUR")


def test_beyond_what_is_remembered_it_is_taken_out_of_mean_and_spread(style: Style) -> None:
    totals = [40.0 + 3 * (place % 7) for place in range(REMEMBERED + 10)]
    shop, without = Shop(QUIET, SHOP, style=style), Shop(QUIET, SHOP, style=style)
    buying(shop, *totals)
    trend = basket_of(shop).ewma, basket_of(shop).up
    place = len(totals) - 4
    shop.send(cancelled(day(400), f"o{place}"))
    shop.settle()
    buying(without, *totals[:place], *totals[place + 1 :])
    found, wanted = basket_of(shop), basket_of(without)
    assert found.n == wanted.n
    assert found.revenue == pytest.approx(wanted.revenue)
    assert (found.mean_ln, found.ss) == pytest.approx((wanted.mean_ln, wanted.ss), rel=1e-9)
    assert (found.ewma, found.up) == trend, "it fades"
    before = basket_of(shop)
    shop.send(cancelled(day(401), "o2"))
    shop.settle()
    assert basket_of(shop) == before, "an order that nobody remembers stays in"
    assert shop.core.counts["ignored"] >= (0 if style == "restart per event" else 1)


def test_a_giant_that_is_taken_back_beyond_memory_leaves_no_trace_of_note() -> None:
    totals = [40.0 + 3 * (place % 7) for place in range(REMEMBERED + 10)]
    shop, without = Shop(QUIET, SHOP), Shop(QUIET, SHOP)
    buying(without, *totals)
    buying(shop, *totals, 9000.0)
    shop.send(cancelled(day(400), f"o{len(totals)}"))
    shop.settle()
    found, wanted = basket_of(shop), basket_of(without)
    assert found.revenue == pytest.approx(wanted.revenue)
    assert found.typical == pytest.approx(wanted.typical, rel=0.01)
    assert found.log_spread == pytest.approx(wanted.log_spread, rel=0.15)


# --- what was told ---------------------------------------------------------------------------------------------------


def test_a_small_basket_that_is_taken_back_was_none(style: Style) -> None:
    shop = Shop(only("shrunk"), SHOP, style=style)
    buying(shop, *STEADY, 6.0)
    (small,) = [t for t in shop.triggers if t.type == "basket.shrunk"]
    back = refunded(day(50), "o6")
    shop.send(back)
    shop.settle()
    (end,) = ends(shop)
    assert (end.trigger_id, end.type) == (small.trigger_id, "basket.shrunk.cancelled")
    assert end.cause == {
        "type": "order.refunded",
        "event_id": back.event_id,
        "order_id": "o6",
        "occurred_at": "2024-02-20T00:00:00.000Z",
    }
    assert not [opened for opened in shop.customer().open if opened.rule.startswith("basket.")]
    shop.send(cancelled(day(51), "o6"))
    shop.settle()
    assert len(ends(shop)) == 1


def test_another_order_or_a_part_of_it_contradicts_nothing(style: Style) -> None:
    shop = Shop(only("shrunk"), SHOP, style=style)
    buying(shop, *STEADY, 6.0)
    shop.send(cancelled(day(50), "o5"), refunded(day(51), "o6", 2.0))
    shop.settle()
    assert ends(shop) == []


@pytest.mark.parametrize("before", [0, 1], ids=["the one that told it", "one on the way"])
def test_a_trend_that_rested_on_an_order_goes_with_it_and_may_be_told_again(style: Style, before: int) -> None:
    shop = Shop(only("shrinking"), SHOP, style=style)
    buying(shop, *STEADY, *[29.0] * 9)
    (trend,) = [t for t in shop.triggers if t.type == "basket.shrinking"]
    last = int(cast("str", trend.order_id)[1:])
    shop = Shop(only("shrinking"), SHOP, style=style)
    buying(shop, *[*STEADY, *[29.0] * 9][: last + 1])
    shop.send(cancelled(day(100), f"o{last - before}"))
    shop.settle()
    assert [end.trigger_id for end in ends(shop)] == [trend.trigger_id]
    assert basket_of(shop).alarms == 0
    buying(shop, 20.0, 19.0, 18.0, first=20)
    assert len([t for t in shop.triggers if t.type == "basket.shrinking"]) == 2


def test_a_trend_that_stands_without_it_stays(style: Style) -> None:
    shop = Shop(only("shrinking"), SHOP, style=style)
    buying(shop, *STEADY, *[20.0] * 4)
    assert len([t for t in shop.triggers if t.type == "basket.shrinking"]) == 1
    shop.send(cancelled(day(100), "o0"))
    shop.settle()
    assert ends(shop) == []


def test_beyond_memory_a_trend_goes_with_the_order_that_told_it(style: Style) -> None:
    shop = Shop(only("shrinking"), SHOP, style=style)
    buying(shop, *([50.0, 52.0, 48.0] * 5), *[30.0] * 3)
    (trend,) = [t for t in shop.triggers if t.type == "basket.shrinking"]
    shop.send(cancelled(day(200), cast("str", trend.order_id)))
    shop.settle()
    assert [end.trigger_id for end in ends(shop)] == [trend.trigger_id]
    assert basket_of(shop).alarms == 0


# --- currencies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules", [QUIET, Rules(currencies=Currencies({"EUR": 1.0, "JPY": 0.01}))], ids=["apart", "one"]
)
def test_it_leaves_the_baskets_of_its_own_currency(style: Style, rules: Rules) -> None:
    shop, without = Shop(rules, SHOP, style=style), Shop(rules, SHOP, style=style)
    for place, total in enumerate([50.0, 52.0, 48.0]):
        for each in (shop, without):
            each.send(order(day(place), total, order_id=f"e{place}"))
            if place < 2:
                each.send(order(day(place), 100 * total, order_id=f"j{place}", currency="JPY"))
    shop.send(order(day(3), 7000.0, order_id="j3", currency="JPY"))
    shop.send(cancelled(day(4), "j3"))
    for each in (shop, without):
        each.settle()
    found, wanted = shop.customer(), without.customer()
    for mine, theirs in zip(
        (found.basket, *(found.foreign.baskets if found.foreign else ())),
        (wanted.basket, *(wanted.foreign.baskets if wanted.foreign else ())),
        strict=True,
    ):
        assert mine is not None
        assert theirs is not None
        assert (mine.currency, mine.n) == (theirs.currency, theirs.n)
        assert (mine.mean_ln, mine.revenue) == pytest.approx((theirs.mean_ln, theirs.revenue))
        assert mine.ss == pytest.approx(theirs.ss, abs=1e-9)
