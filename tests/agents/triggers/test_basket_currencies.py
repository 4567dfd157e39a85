"""Several currencies: each apart, or turned into one by a table of rates."""

from pathlib import Path

import pytest

from agents.decisions import Trigger
from agents.rulebook.currencies import Currencies
from agents.rulebook.rules import Rules, RulesError, load_rules
from streams.rulesdiff import differing
from tables.basket import FOREIGN, Basket
from tables.orders import REMEMBERED
from tests.support.core import Shop, Style, day, order

EUROS = [50.0, 52.0, 48.0, 51.0]
YEN = [8000.0, 8300.0, 7900.0, 8100.0]
RATES = Rules(currencies=Currencies({"EUR": 1.0, "USD": 0.5, "JPY": 0.01}))


def buying(shop: Shop, *amounts: tuple[float, str], first: int = 0) -> None:
    for number, (total, currency) in enumerate(amounts, first):
        shop.send(order(day(7 * number), total, currency=currency, order_id=f"o{number}"))
    shop.settle()


def shrunk(shop: Shop) -> list[Trigger]:
    return [trigger for trigger in shop.triggers if trigger.type == "basket.shrunk"]


def apart(shop: Shop) -> dict[str, Basket]:
    customer = shop.customer()
    assert customer.basket is not None
    others = customer.foreign.baskets if customer.foreign else []
    return {basket.currency: basket for basket in (customer.basket, *others)}


def test_each_currency_is_a_history_of_its_own(style: Style) -> None:
    shop = Shop(None, style=style)
    mixed = [pair for euro, yen in zip(EUROS, YEN, strict=True) for pair in ((euro, "EUR"), (yen, "JPY"))]
    buying(shop, *mixed)
    assert [t for t in shop.triggers if t.type.startswith("basket.")] == []
    found = apart(shop)
    assert {name: (basket.n, basket.revenue) for name, basket in found.items()} == {
        "EUR": (4, 201.0),
        "JPY": (4, 32300.0),
    }
    alone = Shop(None, style=style)
    buying(alone, *((euro, "EUR") for euro in EUROS))
    assert apart(alone)["EUR"] == found["EUR"]
    buying(shop, (300.0, "JPY"), first=8)
    (trigger,) = shrunk(shop)
    assert trigger.evidence["currency"] == "JPY"
    assert trigger.evidence["earlier_orders"] == 4
    assert 7000 < trigger.evidence["usual"] < 8400
    assert "basket of 300.00 JPY is 4% of the usual" in trigger.reason


def test_with_rates_they_are_one_history_and_told_in_the_orders_own(style: Style) -> None:
    shop = Shop(RATES, style=style)
    buying(shop, (100.0, "USD"), (50.0, "EUR"), (5000.0, "JPY"), (104.0, "USD"), (49.0, "EUR"), (102.0, "USD"))
    found = apart(shop)
    assert list(found) == ["EUR"]
    assert found["EUR"].n == 6
    assert found["EUR"].revenue == pytest.approx(50 + 50 + 50 + 52 + 49 + 51)
    buying(shop, (6.0, "USD"), first=6)
    (trigger,) = shrunk(shop)
    assert trigger.evidence["currency"] == "USD"
    assert trigger.evidence["usual"] == pytest.approx(96, rel=0.1)
    same = Shop(None, style=style)
    buying(same, *((total, "EUR") for total in (50.0, 50.0, 50.0, 52.0, 49.0, 51.0, 3.0)))
    assert same.triggers[-1].evidence["z"] == trigger.evidence["z"]


def test_a_currency_without_a_rate_stays_apart() -> None:
    shop = Shop(RATES)
    buying(shop, (10.0, "CHF"), (20.0, "USD"), (30.0, "CHF"))
    assert {name: basket.revenue for name, basket in apart(shop).items()} == {"CHF": 40.0, "EUR": 10.0}


def test_they_are_bounded_and_the_one_not_used_for_longest_goes() -> None:
    shop = Shop(None)
    buying(shop, (1.0, "EUR"), *((10.0, f"C{n}") for n in range(FOREIGN)), (20.0, "C0"), (5.0, "NEW"))
    assert set(apart(shop)) == {"EUR", "C0", "C2", "NEW"}
    assert apart(shop)["C0"].revenue == 30.0
    buying(shop, *((10.0, f"X{n % 9}") for n in range(50)), first=10)
    foreign = shop.customer().foreign
    assert foreign is not None
    assert len(foreign.baskets) == FOREIGN
    assert len(foreign.orders) == REMEMBERED


def test_one_currency_costs_no_more_than_it_did() -> None:
    """Against the form of before: floats of 0 were nine bytes each."""
    shop = Shop(None)
    buying(shop, *((euro, "EUR") for euro in EUROS))
    customer = shop.customer()
    assert customer.foreign is None
    basket = customer.basket
    assert basket is not None
    assert basket.up is None or basket.down is None, "8 bytes less, 1 byte more for other currencies"


def rules_of(folder: Path, text: str) -> Rules:
    path = folder / "rules.toml"
    path.write_text(text)
    return load_rules(path)


def test_the_table_in_a_rules_file(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, "[currencies]\nEUR = 1.0\nUSD = 0.92\n")
    assert rules.currencies.turned("USD", 50.0) == ("EUR", 46.0, 0.92)
    assert rules.currencies.turned("EUR", 50.0) == ("EUR", 50.0, 1.0)
    assert rules.currencies.turned("CHF", 50.0) == ("CHF", 50.0, 1.0)
    differs = {name for name, version in rules.versions.items() if version != Rules().versions[name]}
    assert differs == {"basket.shrunk", "basket.shrinking", "basket.grown"}
    assert differing(Rules(), rules) == {"currencies": {"EUR": {"a": "", "b": "1.0"}, "USD": {"a": "", "b": "0.92"}}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[currencies]\nUSD = 0.92\n", "rules.toml:1: currencies: one currency must have the rate 1.0"),
        ("[currencies]\nEUR = 1\nUSD = 1.0\n", "rules.toml:1: currencies: one currency must have the rate 1.0"),
        ("[currencies]\nEUR = 1\nUSD = 0\n", "rules.toml:3: currencies.USD: 0 is not allowed; give a number above 0"),
        ("[currencies]\nEUR = 1\nUSD = true\n", "rules.toml:3: currencies.USD: true is not allowed"),
        ("[currencies]\nEUR = 1\nDOLLARDOLLAR = 2\n", "rules.toml:3: currencies.DOLLARDOLLAR: a currency has 1 to 8"),
        ("currencies = 1\n", "rules.toml:1: currencies: must be a table"),
    ],
)
def test_a_table_that_is_wrong_is_told_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RulesError) as error:
        rules_of(tmp_path, text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_table_of_thousands_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at most 200"):
        Currencies({"EUR": 1.0} | {f"C{n}": 2.0 for n in range(300)})
