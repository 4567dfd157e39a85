"""Baskets that change: when `basket.shrunk`, `basket.shrinking` and `basket.grown` fire, and what a basket is."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agents.decisions import Trigger, iso
from agents.models.amounts import Score, score, weighed
from agents.rulebook.rules import BasketGrown, BasketShrinking, BasketShrunk, Rules, load_rules
from tables.orders import DAY
from tables.parameters import BasketPrior, Parameters, TimingPrior
from tests.support.core import HOUR, Shop, Style, day, erased, order

PRIOR = BasketPrior(m0=3.5, k0=1.0, a0=3.0, b0=0.5)
SHOP = Parameters(
    version="test-1",
    timing=TimingPrior(mu0=1.5, tau2=1.0, a=0.3, b=0.6, weights=(0.2, 0.2, 0.2, 0.2, 0.2)),
    basket=PRIOR,
)
STEADY = [50.0, 52.0, 48.0, 51.0, 49.0, 50.0]


@dataclass
class Plain:
    """One customer's baskets, order by order, straight from the formulas."""

    joined: list[float] = field(default_factory=list)
    ewma: float = 0.0
    down: float = 0.0
    up: float = 0.0

    def score(self, total: float) -> Score:
        mean = math.fsum(self.joined) / max(len(self.joined), 1)
        squares = math.fsum((y - mean) ** 2 for y in self.joined)
        return score(PRIOR, len(self.joined), math.fsum(self.joined), squares, total)

    def add(self, total: float, least: int = 3) -> Score:
        found = self.score(total)
        if len(self.joined) >= least:
            weight = weighed(found.z)
            self.ewma = 0.3 * weight + 0.7 * self.ewma
            self.down = max(0.0, self.down - weight - 0.5)
            self.up = max(0.0, self.up + weight - 0.5)
        self.joined.append(found.joins)
        return found


def plain(totals: list[float]) -> Plain:
    found = Plain()
    for total in totals:
        found.add(total)
    return found


def baskets(shop: Shop) -> list[Trigger]:
    return [trigger for trigger in shop.triggers if trigger.type.startswith("basket.")]


def buying(shop: Shop, *totals: float, first: int = 0) -> None:
    for number, total in enumerate(totals, first):
        shop.send(order(day(7 * number, 10), total, order_id=f"o{number}", event_id=f"e{number}"))
    shop.settle()


def only(name: str) -> Rules:
    """One of the three rules; the others off."""
    return Rules(
        basket_shrunk=BasketShrunk(enabled=name == "shrunk"),
        basket_shrinking=BasketShrinking(enabled=name == "shrinking"),
        basket_grown=BasketGrown(enabled=name == "grown"),
    )


# --- one order -------------------------------------------------------------------------------------------------------


def test_one_abnormally_small_order(style: Style) -> None:
    shop = Shop(only("shrunk"), SHOP, style=style)
    buying(shop, *STEADY, 6.0)
    found = plain(STEADY).score(6.0)
    assert found.p < 0.01
    (trigger,) = baskets(shop)
    at = day(42, 10)
    assert trigger.type == "basket.shrunk"
    assert trigger.rule.version == only("shrunk").versions["basket.shrunk"]
    assert trigger.order_id == "o6"
    assert trigger.due_at == trigger.fired_at == iso(at)
    assert trigger.expires_at == iso(at + 14 * DAY)
    assert trigger.evidence == {
        "total": 6.0,
        "currency": "EUR",
        "usual": round(found.typical, 2),
        "z": round(found.z, 3),
        "earlier_orders": 6,
        "order_at": iso(at),
        "order_event": "e6",
        "p": float(f"{found.p:.3g}"),
    }
    assert trigger.reason.startswith(
        f"the last basket of 6.00 EUR is {6 / found.typical:.0%} of the usual {found.typical:.2f}; "
    )


@pytest.mark.parametrize(("total", "fires"), [(0.51, True), (0.9, False)], ids=["rare and small", "neither"])
def test_rare_is_not_enough(total: float, fires: bool) -> None:
    """An order must be rare, and at most half of the usual one."""
    rules = Rules(
        basket_shrunk=BasketShrunk(p=0.9, ratio=0.52),
        basket_shrinking=BasketShrinking(enabled=False),
        basket_grown=BasketGrown(enabled=False),
    )
    shop = Shop(rules, SHOP)
    typical = plain(STEADY).score(1.0).typical
    buying(shop, *STEADY, total * typical)
    assert [t.type for t in baskets(shop)] == (["basket.shrunk"] if fires else [])


def test_small_but_not_rare_for_somebody_irregular() -> None:
    shop = Shop(only("shrunk"), SHOP)
    totals = [100.0, 10.0, 150.0, 8.0, 90.0]
    buying(shop, *totals, 12.0)
    found = plain(totals).score(12.0)
    assert found.p >= 0.01
    assert 0.5 * found.typical >= 12.0
    assert baskets(shop) == []


def test_three_earlier_orders_are_needed(style: Style) -> None:
    shop = Shop(None, SHOP, style=style)
    buying(shop, 500.0, 480.0, 0.05)
    assert baskets(shop) == []
    shop = Shop(only("shrunk"), SHOP, style=style)
    buying(shop, 500.0, 480.0, 510.0, 0.05)
    assert [(t.type, t.evidence["earlier_orders"]) for t in baskets(shop)] == [("basket.shrunk", 3)]


# --- a trend ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "factor"), [("shrinking", 0.7), ("grown", 1.4)])
def test_a_trend_is_told_when_it_passes_its_limit_and_once(style: Style, name: str, factor: float) -> None:
    shop = Shop(only(name), SHOP, style=style)
    rule = getattr(only(name), f"basket_{name}")
    past, told_at, drift = Plain(), None, 0.0
    totals = STEADY + [50.0 * factor**step for step in range(1, 9)]
    for number, total in enumerate(totals):
        past.add(total)
        trend = past.ewma if name == "grown" else -past.ewma
        drift = past.up if name == "grown" else past.down
        if told_at is None and (trend >= rule.ewma or drift >= rule.cusum):
            told_at, ewma, cusum = number, past.ewma, drift
    assert told_at is not None
    assert told_at > 6, "not with the first order of the trend"
    buying(shop, *totals)
    (trigger,) = baskets(shop)
    assert (trigger.type, trigger.order_id) == (f"basket.{name}", f"o{told_at}")
    assert trigger.evidence["ewma"] == pytest.approx(ewma, abs=1e-3)
    assert trigger.evidence["cusum"] == pytest.approx(cusum, abs=1e-3)
    assert "p" not in trigger.evidence
    way = {"shrinking": "smaller", "grown": "larger"}[name]
    assert trigger.reason.startswith(f"baskets are getting {way}: the last was {totals[told_at]:.2f} EUR, usual until")


@pytest.mark.parametrize(("name", "total", "told"), [("shrinking", 1e-9, "o6"), ("grown", 1e12, "o7")])
def test_a_single_order_is_no_trend_however_far_out(name: str, total: float, told: str) -> None:
    shop = Shop(only(name), SHOP)
    buying(shop, *STEADY[:3], total)
    assert baskets(shop) == []
    buying(shop, *[total] * 5, first=4)
    assert [(t.type, t.order_id) for t in baskets(shop)] == [(f"basket.{name}", told)], "but some in a row are"


@pytest.mark.parametrize(("ewma", "cusum"), [(0.9, 1000.0), (3.0, 2.8)], ids=["ewma", "cusum"])
@pytest.mark.parametrize(("name", "factor"), [("shrinking", 0.6), ("grown", 1.6)])
def test_either_sign_of_a_trend_is_enough(name: str, factor: float, ewma: float, cusum: float) -> None:
    """The limit of the other one is out of reach."""
    rules = Rules(
        basket_shrunk=BasketShrunk(enabled=False),
        basket_shrinking=BasketShrinking(ewma=ewma, cusum=cusum),
        basket_grown=BasketGrown(ewma=ewma, cusum=cusum),
    )
    shop = Shop(rules, SHOP)
    buying(shop, *STEADY, *(50.0 * factor**step for step in range(1, 6)))
    assert [t.type for t in baskets(shop)] == [f"basket.{name}"]


def test_a_trend_that_ended_can_be_told_again() -> None:
    shop = Shop(only("shrinking"), SHOP)
    falling = [50.0 * 0.6**step for step in range(1, 6)]
    buying(shop, *STEADY, *falling)
    assert len(baskets(shop)) == 1
    buying(shop, *([60.0] * 10), first=11)
    assert len(baskets(shop)) == 1
    buying(shop, *(50.0 * 0.5**step for step in range(1, 8)), first=21)
    first, second = baskets(shop)
    assert first.trigger_id != second.trigger_id
    assert first.order_id != second.order_id


def test_steady_baskets_are_silent(style: Style) -> None:
    shop = Shop(None, SHOP, style=style)
    buying(shop, *([50.0] * 30))
    assert baskets(shop) == []


# --- what counts -----------------------------------------------------------------------------------------------------


def test_zero_totals_do_not_count_and_other_currencies_apart(style: Style) -> None:
    shop = Shop(None, SHOP, style=style)
    for number, (total, currency) in enumerate(
        [(50.0, "EUR"), (0.0, "EUR"), (9000.0, "JPY"), (51.0, "EUR"), (0.0, "EUR"), (1.0, "USD"), (49.0, "EUR")]
    ):
        shop.send(order(day(number), total, currency=currency))
    shop.settle()
    found = shop.customer().basket
    assert found is not None
    assert (found.currency, found.n, found.revenue, found.mean) == ("EUR", 3, 150.0, 50.0)
    assert found.typical == pytest.approx((50 * 51 * 49) ** (1 / 3))
    assert (found.ewma, found.down, found.up) == (None, None, None)
    assert baskets(shop) == []
    shop.send(order(day(8), 0.0), order(day(9), 2.0, currency="JPY"))
    shop.settle()
    assert baskets(shop) == []
    orders = shop.orders()
    assert orders.count == 9


def test_a_first_order_without_money() -> None:
    shop = Shop(None, SHOP)
    buying(shop, 0.0, *STEADY)
    found = shop.customer().basket
    assert found is not None
    assert (found.n, found.log_spread is not None) == (6, True)


@pytest.mark.parametrize("total", [1e-9, 1e12])
def test_the_extremes_of_money_are_finite(total: float) -> None:
    shop = Shop(None, SHOP)
    buying(shop, *STEADY, *[total] * 5)
    assert baskets(shop)
    for trigger in baskets(shop):
        numbers = [value for value in trigger.evidence.values() if isinstance(value, float)]
        assert all(math.isfinite(number) for number in numbers)
    assert baskets(shop)[0].type == ("basket.shrunk" if total < 1 else "basket.grown")


def test_a_repeated_order_is_not_scored_again(style: Style) -> None:
    shop = Shop(only("shrunk"), SHOP, style=style)
    buying(shop, *STEADY, 6.0)
    shop.send(order(day(42, 10), 6.0, order_id="o6", event_id="e6"), order(day(50), 5.0, order_id="o6"))
    shop.settle()
    assert len(baskets(shop)) == 1
    found = shop.customer().basket
    assert found is not None
    assert found.n == 7


# --- settings, imports, lateness -------------------------------------------------------------------------------------


def test_settings_of_a_file_change_version_and_behaviour(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '["basket.shrunk"]\np = 0.4\nratio = 0.9\nmin_orders = 1\nexpires = "1d"\n'
        '["basket.shrinking"]\nenabled = false\n["basket.grown"]\newma = 0.1\ncusum = 0.4\nmin_orders = 2\n'
    )
    rules = load_rules(path)
    shop = Shop(rules, SHOP)
    buying(shop, 50.0, 25.0)
    (shrunk,) = baskets(shop)
    assert shrunk.type == "basket.shrunk"
    assert shrunk.rule.version != Rules().versions["basket.shrunk"]
    assert shrunk.expires_at == iso(day(8, 10))
    buying(shop, 90.0, first=2)
    assert [t.type for t in baskets(shop)] == ["basket.shrunk", "basket.grown"]


def test_imported_orders_teach_and_are_silent(style: Style) -> None:
    shop = Shop(only("shrunk"), SHOP, style=style)
    for number, total in enumerate([*STEADY, 1.0]):
        shop.send(order(day(number), total, backfill=True))
    shop.settle()
    assert baskets(shop) == []
    shop.send(order(day(20), 1.0))
    shop.settle()
    assert [t.type for t in baskets(shop)] == ["basket.shrunk"]
    assert baskets(shop)[0].evidence["earlier_orders"] == 7


def test_a_trend_of_the_import_is_not_told_by_the_next_order() -> None:
    shop = Shop(only("shrinking"), SHOP)
    for number, total in enumerate(STEADY + [50.0 * 0.6**step for step in range(1, 6)]):
        shop.send(order(day(number), total, backfill=True))
    shop.send(order(day(30), 3.0))
    shop.settle()
    assert baskets(shop) == []


def test_an_order_that_comes_days_late_is_stale(style: Style) -> None:
    for late, stale in ((72 * HOUR, False), (72 * HOUR + 1, True)):
        shop = Shop(only("shrunk"), SHOP, style=style)
        buying(shop, *STEADY)
        shop.send(order(day(60), customer="bob"))
        shop.send(order(day(60) - late, 5.0))
        shop.settle()
        (trigger,) = baskets(shop)
        assert trigger.due_at == iso(day(60) - late)
        assert trigger.fired_at == iso(day(60))
        assert (trigger.suppressed_by == "stale") is stale


def test_the_next_order_contradicts_nothing(style: Style) -> None:
    """A basket was small whatever is bought afterwards."""
    shop = Shop(only("shrunk"), SHOP, style=style)
    buying(shop, *STEADY, 6.0, 50.0, 55.0)
    assert len(baskets(shop)) == 1
    assert not [c for c in shop.cancellations if c.type.startswith("basket.")]


def test_an_erased_customer_is_not_written_to_about_a_basket(style: Style) -> None:
    shop = Shop(only("shrunk"), SHOP, style=style)
    buying(shop, *STEADY, 6.0)
    shop.send(erased(day(42, 12)))
    shop.settle()
    assert [c.trigger_id for c in shop.cancellations if c.type == "basket.shrunk.cancelled"] == [
        baskets(shop)[0].trigger_id
    ]


def test_triggers_about_baskets_do_not_stay_remembered() -> None:
    """They are kept for an erasure only, and for as long as they are of use."""
    shop = Shop(only("shrunk"), SHOP)
    buying(shop, *STEADY, 6.0)
    assert [opened.rule for opened in shop.customer().open] == ["basket.shrunk"]
    shop.send(order(day(42, 10) + 14 * DAY))
    shop.settle()
    assert shop.customer().open == []
