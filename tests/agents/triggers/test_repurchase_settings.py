"""Settings of the repurchase family."""

from pathlib import Path

import pytest

from agents.decisions import iso
from agents.rulebook.rules import FirstPurchaseLapsed, RepurchaseDue, RepurchaseOverdue, Rules, load_rules
from tests.support.core import HOUR, Style, day, order
from tests.support.rhythm import due_after, fired_at, of_the_last_gap, ordering, overdue_after, shop_of

# --- settings --------------------------------------------------------------------------------------------------------


def test_disabled_rules_are_silent(style: Style) -> None:
    rules = Rules(
        repurchase_due=RepurchaseDue(enabled=False),
        repurchase_overdue=RepurchaseOverdue(enabled=False),
        first_purchase_lapsed=FirstPurchaseLapsed(enabled=False),
    )
    shop = shop_of(style, rules)
    ordering(shop, 0)
    shop.send(order(day(0), customer="bob"), order(day(20), customer="bob"))
    shop.wait_until(day(5000))
    assert shop.decisions == []


@pytest.mark.parametrize("name", ["due", "overdue"])
def test_one_disabled_leaves_the_other(style: Style, name: str) -> None:
    rules = (
        Rules(repurchase_due=RepurchaseDue(enabled=False))
        if name == "due"
        else Rules(repurchase_overdue=RepurchaseOverdue(enabled=False))
    )
    shop = shop_of(style, rules)
    ordering(shop, 0, 30)
    shop.wait_until(day(5000))
    assert shop.types == ["repurchase.overdue" if name == "due" else "repurchase.due"]


def test_min_orders(style: Style) -> None:
    rules = Rules(repurchase_due=RepurchaseDue(min_orders=4), repurchase_overdue=RepurchaseOverdue(min_orders=3))
    shop = shop_of(style, rules)
    ordering(shop, 0, 30)
    assert shop.wait_until(day(2000)) == []
    shop.send(order(day(2000, 1)))
    assert [d.type for d in shop.wait_until(day(6000))] == ["repurchase.overdue"]
    shop.send(order(day(6000, 1)))
    shop.settle()
    shop.decisions.clear()
    assert [d.type for d in shop.wait_until(day(11000))] == ["repurchase.due", "repurchase.overdue"]


def test_due_from_the_first_order_on(style: Style) -> None:
    shop = shop_of(style, Rules(repurchase_due=RepurchaseDue(min_orders=1)))
    ordering(shop, 0)
    shop.wait_until(day(3650))
    due, lapsed = shop.triggers
    assert (due.type, lapsed.type) == ("repurchase.due", "first_purchase.lapsed")
    assert fired_at(due, 0, 10, due_after([]))


def test_settings_of_a_file_change_version_and_behaviour(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '["repurchase.overdue"]\nwindow = 0.6\nhorizon = "30d"\nprobability = 0.7\nexpires = "5d"\n'
        '["repurchase.due"]\nwithin = "40d"\n'
    )
    rules = load_rules(path)
    shop = shop_of(rules=rules)
    ordering(shop, 0, 30, 60)
    shop.wait_until(day(4000))
    due, overdue = of_the_last_gap(shop)
    assert fired_at(due, 60, 10, due_after([30, 30], within=40))
    assert fired_at(overdue, 60, 10, overdue_after([30, 30], 0.6, 30, 0.7))
    assert overdue.expires_at[:10] == iso(day(65, 10) + overdue_after([30, 30], 0.6, 30, 0.7))[:10]
    plain = shop_of()
    ordering(plain, 0, 30, 60)
    plain.wait_until(day(4000))
    for changed, usual in zip((due, overdue), of_the_last_gap(plain), strict=True):
        assert changed.rule.version != usual.rule.version
        assert changed.trigger_id != usual.trigger_id


def test_lifetimes_alone_change_no_version(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text('["repurchase.overdue"]\nmax_age = "5h"\nexpires = "9d"\n')
    assert load_rules(path).versions == Rules().versions


# --- imports, outages ------------------------------------------------------------------------------------------------


def test_max_age_is_a_setting() -> None:
    shop = shop_of(rules=Rules(repurchase_due=RepurchaseDue(max_age=HOUR)))
    ordering(shop, 0, 30)
    shop.settle()
    orders = shop.orders()
    shop.at_clock(orders.due_at + HOUR + 1)
    assert [t.suppressed_by for t in shop.triggers] == ["stale"]
