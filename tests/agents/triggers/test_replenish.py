"""`product.replenish_due`: when it is told, of what, once, and what answers it; however the log is cut."""

from dataclasses import replace

import msgspec
import pytest

from agents.decisions import Decision, Trigger, iso
from agents.rulebook.rules import FirstPurchaseLapsed, ProductReplenishDue, RepurchaseDue, RepurchaseOverdue, Rules
from streams.flow.decode import parse_time
from tables.orders import DAY
from tables.parameters import BUILTIN
from tables.productform import unpack_products
from tables.retention import NAMES
from tests.support.core import HOUR, STYLES, Shop, Style, cancelled, day, erased, item, order, refunded, viewed

NAME = ProductReplenishDue.NAME
ALONE = Rules(
    repurchase_due=RepurchaseDue(enabled=False),
    repurchase_overdue=RepurchaseOverdue(enabled=False),
    first_purchase_lapsed=FirstPurchaseLapsed(enabled=False),
)
OTHER = msgspec.structs.replace(BUILTIN, version="other")
EACH_STYLE = pytest.mark.parametrize("style", STYLES)


def rules(**settings: object) -> Rules:
    return replace(ALONE, product_replenish_due=ProductReplenishDue(**settings))  # type: ignore[arg-type]


def buy(shop: Shop, *days: float, product: str = "coffee", quantity: float = 1.0) -> None:
    for one in days:
        shop.send(order(day(one), order_id=f"{product}-{one:g}", items=[item(product, quantity)]))


def told(decisions: list[Decision]) -> list[str]:
    """Type and product, in order."""
    return [
        f"{found.type} {found.evidence['product_id']}" if isinstance(found, Trigger) else found.type
        for found in decisions
    ]


def due_days(shop: Shop) -> list[float]:
    """When triggers were due, in days from the first."""
    return [(parse_time(found.due_at) - day(0)) / DAY for found in shop.triggers]


@EACH_STYLE
def test_it_is_told_once_when_it_is_due_and_says_why(style: Style) -> None:
    shop = Shop(ALONE, style=style)
    for number, at in enumerate((0, 32, 61, 90)):
        shop.send(order(day(at), order_id=f"o{number}", event_id=f"e{number}", items=[item("coffee", 1, "drinks")]))
    shop.wait_until(day(115))
    assert shop.decisions == []
    shop.wait_until(day(300))
    (trigger,) = shop.triggers
    assert trigger.type == NAME
    assert due_days(shop) == [pytest.approx(120, abs=1)]
    assert trigger.order_id == "o3"
    assert trigger.reason.startswith("usually buys coffee every 30 days (")
    assert trigger.reason.endswith("); last bought 30 days ago")
    evidence = trigger.evidence
    assert {key: evidence[key] for key in ("product_id", "category", "purchases", "quantity", "orders")} == {
        "product_id": "coffee", "category": "drinks", "purchases": 4, "quantity": 1.0, "orders": 4,
    }  # fmt: skip
    assert evidence["last_bought_at"] == iso(day(90))
    assert evidence["usual_days_low"] < evidence["usual_days"] < evidence["usual_days_high"]
    assert abs(parse_time(evidence["expected_at"]) - parse_time(trigger.due_at)) <= 2000
    assert (evidence["last_order_event"], evidence["parameters"], evidence["also_due"]) == ("e3", "builtin-1", [])


@EACH_STYLE
def test_only_a_purchase_of_the_product_answers_it(style: Style) -> None:
    shop = Shop(ALONE, style=style)
    buy(shop, 0, 30, 60)
    buy(shop, 93, product="sofa")
    shop.send(order(day(94)), viewed(day(94)))
    shop.settle()
    assert told(shop.decisions) == [f"{NAME} coffee"]
    buy(shop, 95)
    shop.settle()
    trigger, cancellation = shop.decisions
    assert isinstance(trigger, Trigger)
    assert cancellation.type == f"{NAME}.cancelled"
    assert shop.cancellations[0].trigger_id == trigger.trigger_id
    assert shop.cancellations[0].cause["order_id"] == "coffee-95"
    assert shop.customer().open == []
    shop.wait_until(day(300))
    assert told(shop.decisions[2:]) == [f"{NAME} coffee"]
    assert len({found.trigger_id for found in shop.triggers}) == 2


def test_a_purchase_in_time_leaves_nothing_to_tell() -> None:
    shop = Shop(ALONE)
    for number in range(20):
        buy(shop, 30 * number - number * number / 2)  # a little sooner each time
    shop.settle()
    assert shop.decisions == []


@pytest.mark.parametrize("days", [(0,), (0, 30), (0, 5, 205, 235), (0, 400, 800)])
def test_too_few_too_irregular_or_too_rare_purchases_tell_nothing(days: tuple[float, ...]) -> None:
    shop = Shop(ALONE)
    buy(shop, *days)
    shop.wait_until(day(2000))
    assert shop.decisions == []


def test_the_quantity_bought_last_counts() -> None:
    shop = Shop(ALONE)
    buy(shop, 0, 32, 62, 91)
    buy(shop, 120, quantity=3)
    shop.wait_until(day(400))
    assert due_days(shop) == [pytest.approx(120 + 30 * 3**0.7, rel=0.05)]
    (trigger,) = shop.triggers
    assert "after buying 3; last bought" in trigger.reason


@EACH_STYLE
def test_what_is_due_together_is_told_together_and_answered_together(style: Style) -> None:
    shop = Shop(rules(together=2 * DAY), style=style)
    for at in (0, 30, 60):
        shop.send(order(day(at), items=[item("tea"), item("coffee")]))
        shop.send(order(day(at + 1), items=[item("filters")]))
        shop.send(order(day(at + 20), items=[item("soap")]))
    shop.wait_until(day(95))
    (trigger,) = shop.triggers
    assert trigger.evidence["product_id"] == "coffee"
    assert [other["product_id"] for other in trigger.evidence["also_due"]] == ["tea", "filters"]
    assert trigger.reason.endswith("; due with it: tea, filters")
    shop.wait_until(day(100))
    assert len(shop.triggers) == 1
    buy(shop, 101, product="filters")
    buy(shop, 101.5, product="tea")
    shop.wait_until(day(109))
    assert [found.type for found in shop.decisions] == [NAME, f"{NAME}.cancelled"]
    shop.wait_until(day(200))
    assert told(shop.decisions[2:]) == [f"{NAME} soap", f"{NAME} filters"], "tea is told with the filters"


def test_the_lead_comes_before_it_and_takes_at_most_half_of_the_interval() -> None:
    for days, lead, expected in ((30, 5 * DAY, 25), (6, 5 * DAY, 3), (30, 90 * DAY, 15)):
        shop = Shop(rules(lead=lead))
        buy(shop, *(days * number for number in range(6)))
        shop.wait_until(day(days * 20))
        assert due_days(shop)[-1] - days * 5 == pytest.approx(expected, rel=0.06)


def test_settings_of_the_rule() -> None:
    for settings, fires in (
        ({}, True),
        ({"min_purchases": 4}, False),
        ({"spread": 1.5}, False),
        ({"enabled": False}, False),
    ):
        shop = Shop(rules(**settings))
        buy(shop, 0, 30, 60)
        shop.wait_until(day(200))
        assert bool(shop.decisions) is fires, settings


@EACH_STYLE
def test_what_was_found_too_late_is_stale(style: Style) -> None:
    shop = Shop(rules(max_age=DAY), style=style)
    buy(shop, 0, 30, 60)
    shop.at_clock(day(100))
    (trigger,) = shop.triggers
    assert trigger.suppressed_by == "stale"
    buy(shop, 101)
    shop.settle()
    assert shop.cancellations == []


def test_an_import_tells_nothing_that_was_past_but_what_comes() -> None:
    shop = Shop(ALONE)
    for product, begin in (("coffee", 0), ("tea", 50)):
        for at in (begin, begin + 30, begin + 60):
            shop.send(order(day(at), items=[item(product)], backfill=True))
    shop.wait_until(day(120))
    assert told(shop.decisions) == []
    shop.live_from = day(121)
    shop.send(order(day(121), customer="bob"))
    shop.wait_until(day(300))
    assert told(shop.decisions) == [f"{NAME} tea"]


@EACH_STYLE
def test_a_late_order_that_was_there_all_along_answers_it(style: Style) -> None:
    shop = Shop(ALONE, style=style)
    buy(shop, 0, 30, 60)
    shop.wait_until(day(92))
    assert told(shop.decisions) == [f"{NAME} coffee"]
    buy(shop, 88)
    shop.wait_until(day(117))
    assert [found.type for found in shop.decisions] == [NAME, f"{NAME}.cancelled"]
    buy(shop, 45)  # of before: changes the rhythm, answers nothing
    shop.wait_until(day(125))
    assert [found.type for found in shop.decisions] == [NAME, f"{NAME}.cancelled", NAME]


@EACH_STYLE
@pytest.mark.parametrize("how", ["cancelled", "refunded", "refunded in full", "refunded in part"])
def test_an_order_that_was_sent_back_had_not_been(style: Style, how: str) -> None:
    shop = Shop(ALONE, style=style)
    buy(shop, 0, 30, 60, 80)
    shop.send(
        cancelled(day(81), "coffee-80")
        if how == "cancelled"
        else refunded(day(81), "coffee-80", {"refunded in full": 50.0, "refunded in part": 20.0}.get(how))
    )
    shop.wait_until(day(200))
    kept = how == "refunded in part"
    assert due_days(shop) == [pytest.approx(106 if kept else 90, abs=1.5)]
    assert shop.triggers[0].order_id == ("coffee-80" if kept else "coffee-60")


def test_what_was_due_before_it_was_sent_back_stays_silent() -> None:
    shop = Shop(ALONE)
    buy(shop, 0, 30, 60, 95)
    shop.send(cancelled(day(96), "coffee-95"))
    shop.wait_until(day(300))
    assert [found.type for found in shop.decisions] == [NAME, f"{NAME}.cancelled"], "told on day 90, and that was it"
    buy(shop, 301)
    shop.wait_until(day(500))
    assert shop.customer().products != b""


def test_the_same_order_twice_counts_once() -> None:
    shop, again = Shop(ALONE), order(day(60), order_id="x", items=[item("coffee", 1)])
    buy(shop, 0, 30)
    shop.send(again, again, order(day(60), order_id="x", items=[item("coffee", 1)]))
    shop.settle()
    one = unpack_products(shop.customer().products).regulars["coffee"]
    assert (one.days, one.quantity) == (3, 1.0)


def test_an_erasure_cancels_and_forgets_it() -> None:
    shop = Shop(ALONE)
    buy(shop, 0, 30, 60)
    shop.wait_until(day(95))
    shop.send(erased(day(96)))
    shop.wait_until(day(300))
    assert [found.type for found in shop.decisions] == [NAME, f"{NAME}.cancelled"]
    assert shop.durable == {}


def test_products_are_forgotten_with_the_names_of_orders() -> None:
    shop = Shop(ALONE)
    buy(shop, 0, 360, 720)
    buy(shop, 721, product="sofa")
    shop.wait_until(day(721) + NAMES - 1)
    assert shop.customer().products != b""
    shop.wait_until(day(721) + NAMES)
    assert shop.customer().products == b""
    assert len(shop.triggers) == 1, "once a year is a rhythm"


def test_other_rules_and_parameters_move_what_was_not_told() -> None:
    shop = Shop(rules(enabled=False))
    buy(shop, 0, 30, 60)
    shop.wait_until(day(85))
    shop.restart(rules=ALONE)
    shop.wait_until(day(95))
    assert due_days(shop) == [pytest.approx(90, abs=1)]
    buy(shop, 97)
    shop.restart(rules=rules(lead=10 * DAY), parameters=OTHER)
    shop.wait_until(day(200))
    assert due_days(shop)[1:] == [pytest.approx(97 + 32 - 10, abs=2)]
    assert shop.triggers[-1].evidence["parameters"] == "other"
    shop.restart(rules=rules(lead=12 * DAY))
    shop.wait_until(day(300))
    assert len(shop.triggers) == 2, "what was told stays told"


def test_an_order_without_items_costs_and_changes_nothing() -> None:
    shop = Shop(ALONE)
    buy(shop, 0, 30, 60)
    shop.settle()
    before = shop.customer().products
    shop.send(order(day(61)), order(day(62)))
    shop.settle()
    assert shop.customer().products == before


def test_a_timer_waits_only_where_something_is_due() -> None:
    shop = Shop(ALONE)
    buy(shop, 0, 30)
    shop.settle()
    assert shop.core.next_due > day(30) + 90 * DAY
    buy(shop, 60)
    shop.settle()
    assert day(60) + 25 * DAY < shop.core.next_due < day(60) + 35 * DAY + HOUR
