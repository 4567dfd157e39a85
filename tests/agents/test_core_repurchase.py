"""Customers who do not come back: when `repurchase.due`, `repurchase.overdue` and `first_purchase.lapsed` fire."""

import math
from itertools import accumulate, pairwise, permutations
from pathlib import Path

import pytest

from agents.decisions import Trigger, iso
from agents.rules import FirstPurchaseLapsed, RepurchaseDue, RepurchaseOverdue, Rules, load_rules
from agents.timing import Rhythm
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters, TimingPrior
from tests.support.core import HOUR, STYLES, Shop, Style, day, order, triggers_of

SHOP = Parameters(
    version="test-1",
    timing=TimingPrior(mu0=1.5, tau2=1.0, a=0.3, b=0.6, weights=(0.2, 0.2, 0.2, 0.2, 0.2)),
    basket=BUILTIN.basket,
)
"""A population of all kinds of regularity, so that nothing here hangs on the built-in figures."""


@pytest.fixture(params=STYLES)
def style(request: pytest.FixtureRequest) -> Style:
    found: Style = request.param
    return found


def rhythm_of(gaps: list[float]) -> Rhythm:
    """From gaps in days, each between two days with orders."""
    logs = [math.log(gap / 7) for gap in gaps]
    return Rhythm(SHOP.timing, [len(gaps)], [math.fsum(logs)], [math.fsum(y * y for y in logs)])


def due_after(gaps: list[float], within: float = 365) -> int:
    """Milliseconds from the last order to the expected next one."""
    return round(float(rhythm_of(gaps).expected(within)[0]) * DAY)


def overdue_after(gaps: list[float], window: float = 0.8, horizon: float = 90, probability: float = 0.8) -> int:
    return round(float(rhythm_of(gaps).overdue(window, horizon, probability)[0]) * DAY)


def shop_of(style: Style = "one batch", rules: Rules | None = None) -> Shop:
    return Shop(rules, SHOP, style=style)


def ordering(shop: Shop, *days: float) -> None:
    for number, at in enumerate(days):
        shop.send(order(day(at, 10), order_id=f"o{number}", event_id=f"e-{at}"))


def of_the_last_gap(shop: Shop) -> list[Trigger]:
    """The triggers about the newest order; half of all gaps are longer than their median, so earlier ones told too."""
    newest = shop.triggers[-1].order_id
    return [trigger for trigger in shop.triggers if trigger.order_id == newest]


def near(found: int, wanted: int) -> bool:
    """The search for the date is right to 1e-6 of itself; sums in another order differ in the last bits."""
    return abs(found - wanted) <= 1e-6 * 4000 * DAY


def fired_at(trigger: Trigger, days: float, hours: float, after: int) -> bool:
    """Whether it fired that long after an order, when it was due; to the second, as dates are found to that."""
    return trigger.due_at == trigger.fired_at and trigger.fired_at[:19] in {
        iso(day(days, hours) + after + ms)[:19] for ms in (-1000, 0, 1000)
    }


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
    orders = shop.customer().orders
    assert orders is not None
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
    orders = shop.customer().orders
    assert orders is not None
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
    shop.wait_until(day(1000))
    shop.send(order(day(20), order_id="older"))
    shop.wait_until(day(4000))
    assert shop.cancellations == []
    assert len(shop.triggers) == 2, "this gap has been told"
    orders = shop.customer().orders
    assert orders is not None
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


# --- days, occasions, money ------------------------------------------------------------------------------------------


def test_orders_of_one_day_are_one_occasion(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(0, 9)), order(day(0, 9)), order(day(0, 22)), order(day(30, 1)), order(day(30, 23)))
    shop.wait_until(day(3650))
    orders = shop.customer().orders
    assert orders is not None
    assert (orders.count, orders.occasions, orders.gaps) == (5, 2, 1)
    gap = (day(30, 1) - day(0, 22)) / DAY
    due, overdue = shop.triggers
    assert fired_at(due, 30, 23, due_after([gap]))
    assert fired_at(overdue, 30, 23, overdue_after([gap]))


def test_orders_on_one_day_only(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(0, 9)), order(day(0, 12)), order(day(0, 15), order_id="last"))
    shop.wait_until(day(3650))
    due, overdue = shop.triggers
    assert fired_at(due, 0, 15, due_after([]))
    assert fired_at(overdue, 0, 15, overdue_after([]))
    assert due.reason.startswith("3 orders on one day, ")
    assert "customers usually return after" in due.reason
    assert due.order_id == "last"


def test_two_orders_around_midnight_are_a_day_apart(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(1) - 1), order(day(1)))
    shop.settle()
    orders = shop.customer().orders
    assert orders is not None
    assert orders.occasions == 2
    assert orders.s1 == pytest.approx(math.log(1 / 7))
    assert orders.due_at >= day(2), "nobody is late within a day"


def test_every_day_customers_have_a_day(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, *range(40))
    shop.settle()
    orders = shop.customer().orders
    assert orders is not None
    assert orders.due_at >= orders.last_at + DAY
    assert shop.decisions == []


@pytest.mark.parametrize(("total", "currency"), [(0.0, "EUR"), (1e12, "EUR"), (0.01, "JPY")])
def test_money_plays_no_part_in_the_rhythm(total: float, currency: str) -> None:
    shop = shop_of()
    shop.send(order(day(0, 10)), order(day(30, 10), total, currency=currency), order(day(60, 10), total))
    shop.wait_until(day(3650))
    due, overdue = of_the_last_gap(shop)
    assert fired_at(due, 60, 10, due_after([30, 30]))
    assert fired_at(overdue, 60, 10, overdue_after([30, 30]))


# --- clockwork customers, and very good ones -------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [SHOP, BUILTIN], ids=["even", "builtin"])
def test_a_clockwork_customers_window_closes_in(parameters: Parameters) -> None:
    """Every 30 days exactly: the more orders, the nearer to 30 days the window, and the sooner it is remarked on."""
    windows, dues, overdues = [], [], []
    for count in (3, 6, 10, 30):
        shop = Shop(None, parameters)
        ordering(shop, *range(0, 30 * count, 30))
        last = day(30 * (count - 1), 10)
        shop.wait_until(last + 5000 * DAY)
        due, overdue = of_the_last_gap(shop)
        evidence = overdue.evidence
        windows.append(evidence["window_days"])
        dues.append(due.evidence["days_since_last_order"])
        overdues.append(evidence["days_since_last_order"])
        assert evidence["usual_days_low"] < evidence["usual_days"] < evidence["usual_days_high"]
        assert 20 < evidence["usual_days"] < 50
        assert evidence["orders"] == count
        assert overdue.reason.startswith(f"usually orders every {evidence['usual_days']:.0f} days (")
        assert f"last order {evidence['days_since_last_order']:.0f} days ago" in overdue.reason
    assert windows == sorted(windows, reverse=True)
    assert all(at < overdues[0] for at in overdues[1:])
    assert all(25 <= at <= 46 for at in dues)
    assert windows[-1] < 45
    assert abs(dues[-1] - 30) < 3
    assert overdues[-1] < 75


def test_a_customer_with_a_thousand_orders() -> None:
    shop = shop_of()
    days = list(accumulate((3 + number % 5 for number in range(999)), initial=0))
    ordering(shop, *days)
    shop.settle()
    gaps = [float(b - a) for a, b in pairwise(days)]
    orders = shop.customer().orders
    assert orders is not None
    assert (orders.count, orders.occasions, len(orders.recent)) == (1000, 1000, 12)
    assert near(orders.due_at, day(days[-1], 10) + due_after(gaps))
    assert near(orders.overdue_at, day(days[-1], 10) + overdue_after(gaps))
    assert [d.type for d in shop.wait_until(day(days[-1] + 400))] == ["repurchase.due", "repurchase.overdue"]
    assert len(shop.durable[b"ann"]) < 1200


# --- arriving late, arriving twice -----------------------------------------------------------------------------------


@pytest.mark.parametrize("arrival", list(permutations(range(4))))
def test_late_orders_give_the_rhythm_of_the_right_order(arrival: tuple[int, ...]) -> None:
    days = (0, 11, 40, 58)
    shop = shop_of()
    for number in arrival:
        shop.send(order(day(days[number], 10), order_id=f"o{number}"))
    shop.settle()
    orders = shop.customer().orders
    assert orders is not None
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
    orders = shop.customer().orders
    assert orders is not None
    assert (orders.count, orders.last_at, orders.recent[0].total) == (1, day(0), 50.0)
    shop.wait_until(day(4000))
    assert shop.types == ["first_purchase.lapsed"]


def test_a_late_second_order_stops_the_lapse_of_the_first(style: Style) -> None:
    shop = shop_of(style)
    shop.send(order(day(10)))
    shop.send(order(day(12), customer="bob"), order(day(0)))  # the latter late
    shop.wait_until(day(4000))
    assert {t.type for t in shop.triggers if t.customer_id == "ann"} == {"repurchase.due", "repurchase.overdue"}


# --- imports, outages ------------------------------------------------------------------------------------------------


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
    orders = shop.customer().orders
    assert orders is not None
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


def test_max_age_is_a_setting() -> None:
    shop = shop_of(rules=Rules(repurchase_due=RepurchaseDue(max_age=HOUR)))
    ordering(shop, 0, 30)
    shop.settle()
    orders = shop.customer().orders
    assert orders is not None
    shop.at_clock(orders.due_at + HOUR + 1)
    assert [t.suppressed_by for t in shop.triggers] == ["stale"]


def test_a_late_timer_says_when_it_was_due_and_when_it_fired(style: Style) -> None:
    shop = shop_of(style)
    ordering(shop, 0, 30)
    shop.settle()
    orders = shop.customer().orders
    assert orders is not None
    shop.at_clock(orders.due_at + 10 * HOUR)
    (due,) = shop.triggers
    assert due.due_at == iso(orders.due_at)
    assert due.fired_at == iso(orders.due_at + 10 * HOUR)
    assert due.expires_at == iso(orders.due_at + 10 * HOUR + 7 * DAY)
