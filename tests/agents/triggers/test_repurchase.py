"""Customers who do not come back: when triggers of the repurchase family fire, and what they say."""

from agents.decisions import iso
from agents.rulebook.rules import FirstPurchaseLapsed, RepurchaseOverdue, Rules
from tables.orders import DAY
from tests.support.core import Style, day, order, triggers_of
from tests.support.rhythm import due_after, fired_at, near, of_the_last_gap, ordering, overdue_after, rhythm_of, shop_of

# --- the right instant -----------------------------------------------------------------------------------------------


def test_due_then_overdue_each_once(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30, 60)
    shop.wait_until(day(60 + 3650))
    due, overdue = of_the_last_gap(shop)
    assert (due.type, overdue.type) == ("repurchase.due", "repurchase.overdue")
    assert fired_at(due, 60, 10, due_after([30, 30]))
    assert fired_at(overdue, 60, 10, overdue_after([30, 30]))
    assert due.order_id == overdue.order_id == "o2"
    assert due.rule.name == "repurchase.due"
    assert due.rule.version == Rules().versions["repurchase.due"]
    assert due.expires_at[:10] == iso(day(60, 10) + due_after([30, 30]) + 7 * DAY)[:10]
    assert overdue.expires_at[:10] == iso(day(60, 10) + overdue_after([30, 30]) + 30 * DAY)[:10]
    assert due.trigger_id != overdue.trigger_id
    told = {decision.trigger_id for decision in shop.triggers}
    assert len(told) == len(shop.triggers)
    assert not {due.trigger_id, overdue.trigger_id} & {c.trigger_id for c in shop.cancellations}


def test_nothing_fires_a_moment_before_it_is_due(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30, 60)
    shop.settle()
    orders = shop.orders()
    assert near(orders.due_at, day(60, 10) + due_after([30, 30]))
    assert near(orders.overdue_at, day(60, 10) + overdue_after([30, 30]))
    assert shop.wait_until(orders.due_at - 1) == []
    assert [d.type for d in shop.wait_until(orders.due_at)] == ["repurchase.due"]
    assert shop.wait_until(orders.overdue_at - 1) == []
    assert [d.type for d in shop.wait_until(orders.overdue_at)] == ["repurchase.overdue"]


def test_the_first_order_lapses_by_the_rhythm_of_the_population(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0)
    shop.wait_until(day(3650))
    (lapsed,) = shop.triggers
    assert lapsed.type == "first_purchase.lapsed"
    assert fired_at(lapsed, 0, 10, overdue_after([]))
    assert lapsed.evidence["orders"] == 1
    assert lapsed.order_id == "o0"
    usual = rhythm_of([]).window(0.5)[0]
    assert lapsed.reason.startswith(f"customers usually order again after {usual:.0f} days (")
    assert "the only order was" in lapsed.reason


def test_an_order_at_the_very_instant_comes_first(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.settle()
    orders = shop.orders()
    shop.send(order(orders.due_at))
    assert shop.decisions == []
    shop.settle()
    assert shop.decisions == []


def test_who_keeps_ordering_hears_nothing(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, *range(0, 200, 5))
    shop.settle()
    assert shop.decisions == []


# --- what a trigger says ---------------------------------------------------------------------------------------------


def test_evidence_and_reason(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 25, 61)
    shop.wait_until(day(900))
    rhythm = rhythm_of([25, 36])
    for trigger in of_the_last_gap(shop):
        age = (overdue_after if trigger.type == "repurchase.overdue" else due_after)([25, 36]) / DAY
        assert trigger.evidence == {
            "orders": 3,
            "last_order_at": iso(day(61, 10)),
            "last_order_event": "e-61",
            "usual_days": round(float(rhythm.window(0.5)[0]), 1),
            "usual_days_low": round(float(rhythm.window(0.1)[0]), 1),
            "usual_days_high": round(float(rhythm.window(0.9)[0]), 1),
            "days_since_last_order": round(age, 1),
            "window_days": round(float(rhythm.window(0.8)[0]), 1),
            "window": 0.8,
            "horizon_days": 90.0,
            "p_no_order": round(float(rhythm.p_silent([age], 90)[0]), 3),
            "parameters": "test-1",
        }
        low, usual, high = (float(rhythm.window(p)[0]) for p in (0.1, 0.5, 0.9))
        chance = 100 * (1 - trigger.evidence["p_no_order"])
        assert trigger.reason == (
            f"usually orders every {usual:.0f} days ({low:.0f} to {high:.0f}); last order {age:.0f} days ago; "
            f"chance of an order in the next 90 days {chance:.0f} %"
        )
        assert (trigger.segments, trigger.holdout) == ([], False)
    assert shop.triggers[-1].evidence["p_no_order"] >= 0.8


def test_evidence_of_a_lapsed_first_order_is_of_its_own_rule() -> None:
    rules = Rules(
        repurchase_overdue=RepurchaseOverdue(window=0.7, horizon=60 * DAY),
        first_purchase_lapsed=FirstPurchaseLapsed(window=0.9, horizon=30 * DAY, probability=0.85),
    )
    shop = shop_of(rules=rules)
    ordering(shop, 0)
    shop.send(order(day(0), customer="bob"), order(day(20), customer="bob"))
    shop.wait_until(day(3650))
    (lapsed,) = triggers_of(shop.decisions, "first_purchase.lapsed")
    assert fired_at(lapsed, 0, 10, overdue_after([], 0.9, 30, 0.85))
    assert (lapsed.evidence["window"], lapsed.evidence["horizon_days"]) == (0.9, 30.0)
    assert lapsed.evidence["window_days"] == round(float(rhythm_of([]).window(0.9)[0]), 1)
    assert "next 30 days" in lapsed.reason
    (overdue,) = triggers_of(shop.decisions, "repurchase.overdue")
    assert (overdue.evidence["window"], overdue.evidence["horizon_days"]) == (0.7, 60.0)
    assert overdue.evidence["window_days"] == round(float(rhythm_of([20]).window(0.7)[0]), 1)
    (due,) = triggers_of(shop.decisions, "repurchase.due")
    assert (due.evidence["window"], due.evidence["horizon_days"]) == (0.7, 60.0)


def test_one_day_is_a_day(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, *range(12))
    shop.wait_until(day(14))
    (due,) = [trigger for trigger in shop.triggers if trigger.type == "repurchase.due"]
    assert due.reason.startswith("usually orders every 1 day (1 to ")
    assert "; last order 1 day ago; " in due.reason
