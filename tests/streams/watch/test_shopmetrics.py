"""The shop's figures as metrics, whatever producers send as a currency."""

from prometheus_client import CollectorRegistry

from agents.sales import Sold
from streams.watch.shopmetrics import CURRENCIES, ShopMetrics

NOTHING = Sold(0, 0, 0, {})


def series(registry: CollectorRegistry, name: str) -> dict[str, float]:
    return {
        value: sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name
        for value in sample.labels.values()
    }


def test_a_batch_is_counted() -> None:
    registry = CollectorRegistry()
    shop = ShopMetrics(registry)
    assert series(registry, "offbeat_orders_total") == {"new": 0, "returning": 0}
    shop.sold(NOTHING)
    shop.sold(Sold(2, 3, 86_400_000, {"EUR": 90.5, "CHF": 10.0}))
    shop.sold(Sold(1, 0, 0, {"eur": 9.5}))
    assert series(registry, "offbeat_orders_total") == {"new": 3, "returning": 3}
    assert series(registry, "offbeat_revenue_total") == {"EUR": 100.0, "CHF": 10.0}
    assert registry.get_sample_value("offbeat_order_gap_seconds_total") == 86_400


def test_currencies_are_bounded() -> None:
    registry = CollectorRegistry()
    shop = ShopMetrics(registry)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    shop.sold(Sold(1, 0, 0, {"Eur": 1.0, "€": 2.0, "EURO": 4.0, "12€": 8.0, "": 16.0, "ÄÖÜ": 32.0}))
    shop.sold(Sold(26, 0, 0, {f"X{letter}{letter}": 1.0 for letter in letters}))
    found = series(registry, "offbeat_revenue_total")
    assert len(found) == CURRENCIES + 1
    assert found["EUR"] == 1
    assert found["other"] == 62 + 26 - (CURRENCIES - 1)
