"""`loyal.at_risk`: who is loyal, when P(alive) has fallen too far, and what answers it; and who may become loyal."""

import math
from datetime import date

import msgspec
import numpy as np
import pytest

from agents.decisions import Cancellation, Trigger
from agents.models.planning import fading_after
from agents.models.timing import Rhythm
from agents.portrait import Painter
from agents.rulebook.rules import LoyalAtRisk, Rules
from agents.triggers.loyal import VipCandidates
from tables.basket import GROWN, Basket
from tables.clock import Clock
from tables.customer import Customer
from tables.customerform import pack, read_head
from tables.orders import DAY, Orders
from tables.parameters import BUILTIN, Parameters
from tables.standing import LEVELS, Quantiles, Standing, top
from tests.support.core import STYLES, Shop, Style, day, erased, order
from tests.support.rhythm import SHOP, rhythm_of

EURO: Quantiles = (40.0, 50.0, 60.0, 80.0, 120.0, 200.0, 300.0, 400.0, 500.0, 900.0)
"""The upper tenth of customers has spent 120 EUR, or is worth that."""
KNOWN = msgspec.structs.replace(SHOP, standing=Standing({"EUR": EURO}, {"EUR": EURO}))
GAPS = [30.0, 25.0, 35.0]
TIMES = (0, 30, 55, 90)


def shop_of(style: Style = "one batch", rules: Rules | None = None, parameters: Parameters = KNOWN) -> Shop:
    return Shop(rules, parameters, style=style)


def ordered(shop: Shop, total: float = 40.0, *, customer: str = "ann", currency: str = "EUR") -> None:
    shop.send(*(order(day(at), total, customer=customer, currency=currency) for at in TIMES))


def at_risk(shop: Shop) -> list[Trigger]:
    return [one for one in shop.decisions if isinstance(one, Trigger) and one.type == "loyal.at_risk"]


def falls_after(gaps: list[float], alive: float = 0.5) -> float:
    """Days after the last order at which P(alive) is that, by bisection of `p_alive`."""
    rhythm, low, high = rhythm_of(gaps), 0.0, 4000.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rhythm.p_alive([middle])[0] > alive else (low, middle)
    return high


@pytest.mark.parametrize("style", STYLES)
def test_it_is_told_when_p_alive_has_fallen_to_a_half(style: Style) -> None:
    shop = shop_of(style)
    ordered(shop)
    due = day(90) + round(falls_after(GAPS) * DAY)
    shop.wait_until(due - 2000)
    assert at_risk(shop) == []
    shop.wait_until(due + 2000)
    (told,) = at_risk(shop)
    evidence = told.evidence
    assert evidence["p_alive"] == 0.5
    assert (evidence["revenue"], evidence["currency"], evidence["revenue_of_top"]) == (160.0, "EUR", 120.0)
    assert (evidence["orders"], evidence["top_share"], evidence["parameters"]) == (4, 0.1, "test-1")
    assert told.order_id == f"order-{evidence['last_order_event']}"
    assert told.reason.startswith("one of the best 10 % of customers, 160.00 EUR in 4 orders; usually orders every ")
    assert told.reason.endswith("; chance that another order ever comes 50 %")
    shop.wait_until(day(3000))
    assert len(at_risk(shop)) == 1


def test_an_order_answers_it_and_begins_anew() -> None:
    shop = shop_of()
    ordered(shop)
    shop.wait_until(day(600))
    (told,) = at_risk(shop)
    shop.send(order(day(601), 5.0))
    shop.settle()
    answers = [one for one in shop.decisions if isinstance(one, Cancellation)]
    assert (told.trigger_id, "loyal.at_risk.cancelled") in [(one.trigger_id, one.type) for one in answers]
    shop.wait_until(day(5000))
    assert len({one.trigger_id for one in at_risk(shop)}) == 2


def test_an_order_in_time_keeps_it_from_being_told() -> None:
    shop = shop_of()
    ordered(shop)
    shop.send(order(day(120), 5.0))
    shop.wait_until(day(90) + round((falls_after(GAPS) + 1) * DAY))
    assert at_risk(shop) == []


@pytest.mark.parametrize(
    ("total", "currency", "parameters"),
    [(29.99, "EUR", KNOWN), (40.0, "CHF", KNOWN), (40.0, "EUR", SHOP), (0.0, "EUR", KNOWN)],
    ids=["spends less", "another currency", "no quantiles", "no amounts"],
)
def test_who_is_not_known_to_be_loyal_is_not_told_of(total: float, currency: str, parameters: Parameters) -> None:
    shop = shop_of(parameters=parameters)
    ordered(shop, total, currency=currency)
    shop.wait_until(day(3000))
    assert at_risk(shop) == []
    assert shop.orders().risk_at == 0


@pytest.mark.parametrize("rule", [LoyalAtRisk(enabled=False), LoyalAtRisk(min_orders=5), LoyalAtRisk(share=0.05)])
def test_settings_decide_who_is_told_of(rule: LoyalAtRisk) -> None:
    shop = shop_of(rules=Rules(loyal_at_risk=rule))
    ordered(shop)
    shop.wait_until(day(3000))
    assert at_risk(shop) == []


def test_another_chance_is_another_day_and_another_version() -> None:
    rules = Rules(loyal_at_risk=LoyalAtRisk(alive=0.2))
    shop = shop_of(rules=rules)
    ordered(shop)
    shop.wait_until(day(3000))
    (told,) = at_risk(shop)
    assert shop.orders().risk_at == pytest.approx(day(90) + falls_after(GAPS, 0.2) * DAY, abs=3000)
    assert told.evidence["p_alive"] == 0.2
    assert told.rule.version != Rules().versions["loyal.at_risk"]


def test_who_has_sent_goods_back_since_is_loyal_no_more() -> None:
    shop = shop_of()
    ordered(shop)
    shop.settle()
    customer = shop.customer("ann")
    assert customer.orders is not None
    assert customer.basket is not None
    assert customer.orders.risk_at
    customer.basket.revenue = 119.0
    shop.durable[b"ann"] = pack(customer, read_head(shop.durable[b"ann"])[0])
    shop.restart()
    shop.wait_until(day(3000))
    assert at_risk(shop) == []


def test_orders_of_one_day_are_no_rhythm() -> None:
    shop = shop_of()
    shop.send(*(order(day(0, at), 100.0) for at in range(4)))
    shop.wait_until(day(3000))
    assert at_risk(shop) == []


def test_who_was_erased_is_not_told_of() -> None:
    shop = shop_of()
    ordered(shop)
    shop.send(erased(day(91)))
    shop.wait_until(day(3000))
    assert at_risk(shop) == []


def test_a_timer_is_shown_until_it_has_gone_off() -> None:
    shop, painter = shop_of(), Painter(Rules(), KNOWN)
    ordered(shop)
    shop.settle()
    (before,) = painter.portraits([("ann", shop.customer("ann"))], day(91))
    assert "loyal.at_risk" in [timer.rule for timer in before.open_timers]
    shop.wait_until(day(3000))
    (after,) = painter.portraits([("ann", shop.customer("ann"))], day(3000))
    assert "loyal.at_risk" not in [timer.rule for timer in after.open_timers]


# --- when -------------------------------------------------------------------------------------------------------------


def test_it_is_never_told_before_half_of_such_gaps_have_closed() -> None:
    """Where nearly everybody leaves P(alive) begins below a half."""
    fleeting = msgspec.structs.replace(BUILTIN.timing, a=9.0, b=1.0)
    rhythm = Rhythm(fleeting, [2.0], [3.0], [4.6])
    assert rhythm.p_alive([0.0])[0] < 0.5
    assert rhythm.survival(rhythm.fading(0.5))[0] == pytest.approx(0.5, abs=1e-4)


def test_the_moment_follows_the_clock() -> None:
    rhythm, last = rhythm_of(GAPS), np.array([float(day(90))])
    even = fading_after(rhythm, Clock(), last, 0.5)
    slow = fading_after(rhythm, Clock(((date(2024, 1, 1), 0.5),)), last, 0.5)
    assert slow[0] == pytest.approx(2 * even[0], rel=1e-6)
    assert math.isinf(fading_after(rhythm, Clock(), last, 1e-200)[0])


# --- candidates -------------------------------------------------------------------------------------------------------


def rising() -> Customer:
    """Gaps from 30 days to a week, and baskets that grow."""
    ln = np.log(np.array([30.0, 30.0, 20.0, 10.0, 7.0]) / 7)
    orders = Orders(
        6,
        0,
        day(100),
        6,
        float(ln.sum()),
        float(np.square(ln).sum()),
        [],
        e1=float(ln @ 0.7 ** np.arange(4, -1, -1)),
        e2=3.0,
    )
    return Customer(orders=orders, basket=Basket("EUR", 6, 3.0, 0.1, 100.0, alarms=GROWN))


def test_who_is_worth_as_much_as_the_best_and_has_not_spent_so() -> None:
    candidates, customer = VipCandidates(KNOWN), rising()
    assert customer.basket is not None
    customer.basket.alarms = 0
    assert candidates.holds(customer, 120.0)
    assert not candidates.holds(customer, 119.0)
    assert not candidates.holds(customer, None)
    customer.basket.revenue = 120.0
    assert not candidates.holds(customer, 500.0)
    assert not VipCandidates(SHOP).holds(customer, 1e9)


def test_who_orders_sooner_and_more_each_time() -> None:
    customer = rising()
    for candidates in (VipCandidates(KNOWN), VipCandidates(SHOP)):
        assert candidates.holds(customer, 1.0)
    assert customer.orders is not None
    assert customer.basket is not None
    customer.orders.e1 = None
    assert not VipCandidates(SHOP).holds(customer, 1.0)
    assert not VipCandidates(SHOP).holds(Customer(basket=customer.basket), 1.0)
    customer = rising()
    customer.basket = Basket("EUR", 6, 3.0, 0.1, 100.0)
    assert not VipCandidates(SHOP).holds(customer, 1.0)


# --- quantiles --------------------------------------------------------------------------------------------------------


def test_levels_are_met_and_between_them_amounts_rise() -> None:
    for level, amount in zip(LEVELS, EURO, strict=True):
        assert top({"EUR": EURO}, 1 - level) == {"EUR": pytest.approx(amount)}
    found = [top({"EUR": EURO}, share)["EUR"] for share in (0.9, 0.5, 0.3, 0.15, 0.1, 0.07, 0.01, 0.0001)]
    assert found == sorted(found)
    assert (found[0], found[-1]) == (40.0, 900.0)
    assert top({"EUR": (0.0, 0.0, *EURO[2:])}, 0.35)["EUR"] == pytest.approx(30, abs=10)


@pytest.mark.parametrize(
    "wrong", [(5.0, *EURO[1:3], *EURO[:7]), (-1.0, *EURO[1:]), (*EURO[:-1], math.inf), (math.nan, *EURO[1:])]
)
def test_what_are_no_quantiles_is_refused(wrong: Quantiles) -> None:
    with pytest.raises(ValueError, match="revenue of EUR: the quantiles must be amounts that rise"):
        Standing({"EUR": wrong}, {})


def test_so_many_currencies_are_no_shop() -> None:
    with pytest.raises(ValueError, match="value has 65 currencies; 64 are the most"):
        Standing({}, {f"C{number}": EURO for number in range(65)})
