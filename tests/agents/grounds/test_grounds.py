"""What is said of each rule is what the rules then do: those that wait fire on that date, no other does."""

from collections.abc import Callable

import msgspec
import pytest

from agents.grounds.ground import Ground
from agents.grounds.grounds import Grounds
from agents.rulebook.rules import NAMES, FirstPurchaseLapsed, Rules
from tables.parameters import BUILTIN
from tables.standing import Standing
from tests.support.core import (
    HOUR,
    Shop,
    added,
    cart,
    checkout,
    day,
    item,
    order,
    refunded,
    viewed,
)

Story = Callable[[Shop], None]


def grounds(shop: Shop, now: int | None = None) -> dict[str, Ground]:
    shop.settle()
    found = Grounds(shop.rules, shop.parameters).of(shop.customer(), now or shop.reached)
    assert [ground.rule for ground in found] == list(NAMES)
    assert all(ground.why.isprintable() for ground in found)
    return {ground.rule: ground for ground in found}


def regular(shop: Shop) -> None:
    shop.send(*(order(day(30 * at), 40.0 + at % 3, items=[item()]) for at in range(6)))


def first(shop: Shop) -> None:
    shop.send(order(day(0)))


def same_day(shop: Shop) -> None:
    shop.send(order(day(0)), order(day(0, 5)))


def full_cart(shop: Shop) -> None:
    shop.send(order(day(0)), added(day(3)))


def at_checkout(shop: Shop) -> None:
    shop.send(added(day(3)), checkout(day(3, 1)), added(day(3, 1.5), "milk"))


def looking(shop: Shop) -> None:
    shop.send(viewed(day(1)), viewed(day(2)))


def looking_once(shop: Shop) -> None:
    shop.send(viewed(day(1)), viewed(day(2), "milk"))


def looking_with_a_cart(shop: Shop) -> None:
    shop.send(viewed(day(1)), viewed(day(2)), cart(day(2, 1), "tea"))


STORIES: tuple[Story, ...] = (
    regular, first, same_day, full_cart, at_checkout, looking, looking_once, looking_with_a_cart,
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_what_waits_fires_on_that_date_and_nothing_else_does(story: Story) -> None:
    shop = _sent(story)
    waiting = {rule: ground.due_at for rule, ground in grounds(shop).items() if ground.state == "waits"}
    assert bool(waiting) == (story is not looking_once)
    assert set(_fired(shop, day(2000))) == set(waiting)
    for rule, due in waiting.items():
        assert due is not None
        assert rule not in _fired(_sent(story), due - 1)
        assert rule in _fired(_sent(story), due)


def _sent(story: Story) -> Shop:
    shop = Shop()
    story(shop)
    shop.settle()
    return shop


def _fired(shop: Shop, until: int) -> list[str]:
    """What time alone brings."""
    return [decision.type for decision in shop.wait_until(until)]


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_what_was_told_is_said_to_be(story: Story) -> None:
    shop = _sent(story)
    waiting = [(ground.due_at or 0, rule) for rule, ground in grounds(shop).items() if ground.state == "waits"]
    for due, rule in sorted(waiting):
        shop.wait_until(due)
        if rule not in ("checkout.abandoned", "browse.abandoned"):  # which leave nothing behind
            ground = grounds(shop)[rule]
            assert (ground.state, ground.due_at) == ("told", due), rule


def test_the_sentences() -> None:
    shop = Shop()
    regular(shop)
    told = grounds(shop, day(170))
    assert told["first_purchase.lapsed"].why == "it is about a first order alone, and there are 6"
    assert told["cart.abandoned"].why == "nothing lies in the cart"
    assert told["repurchase.due"].why == "the next order is expected on 2024-06-29; an order before that answers it"
    overdue = told["repurchase.overdue"]
    assert overdue.why.startswith("would be later than 80 % of such gaps from 2024-07-0")
    assert "the chance of no order within 90 days is" in overdue.why
    assert "and must be 80 %: on 2024-" in overdue.why
    assert "is later than 80 % of such gaps since" in grounds(shop, day(400))["repurchase.overdue"].why
    assert told["product.replenish_due"].why == "coffee is due on 2024-06-28"
    assert told["loyal.at_risk"].why.startswith("nobody knows what the upper 10 % of customers spend: fit")
    assert told["browse.abandoned"].why == "no product was looked at 2 times (the most: 0)"
    shop.wait_until(day(300))
    assert grounds(shop)["repurchase.due"].why.startswith("told on 2024-06-29 ")
    assert grounds(shop)["repurchase.due"].why.endswith("; again after another order")


def test_a_rule_that_is_off_is_said_to_be() -> None:
    shop = Shop(Rules(first_purchase_lapsed=FirstPurchaseLapsed(enabled=False)))
    first(shop)
    assert grounds(shop)["first_purchase.lapsed"].state == "off"
    assert grounds(_sent(looking))["repurchase.due"].why == "there is no order yet"


def test_an_order_of_what_is_said_is_told_of_as_small_and_a_larger_one_is_not() -> None:
    for spread in (1.0, 25.0):
        totals = [60.0, 60.0 + spread, 60.0 - spread, 62.0]
        amounts = []
        for factor in (0.999, 1.001):
            shop = Shop()
            shop.send(*(order(day(20 * at), total) for at, total in enumerate(totals)))
            ground = grounds(shop)["basket.shrunk"]
            assert ground.state == "next_order"
            least = float(ground.why.split()[3])
            shop.send(order(day(100), least * factor))
            amounts.append(least)
            shop.settle()
            assert ("basket.shrunk" in [t.type for t in shop.triggers]) == (factor < 1)
        assert 5.0 < amounts[0] < 35.0


def test_trends_are_told_by_how_far_they_are() -> None:
    shop = Shop()
    shop.send(*(order(day(20 * at), 60.0) for at in range(4)))
    told = grounds(shop)
    assert told["basket.shrinking"].why == "the trend to smaller baskets is at 0 % of what must be reached"
    assert told["basket.grown"].why.startswith("the trend to larger baskets is at ")
    shop.send(*(order(day(100 + 20 * at), 15.0) for at in range(4)))
    assert grounds(shop)["basket.shrinking"].state == "told"
    assert "basket.shrinking" in [trigger.type for trigger in shop.triggers]
    bob = Shop()
    bob.send(order(day(0)))
    assert grounds(bob)["basket.shrunk"].why == "1 order with an amount, and 3 earlier ones are needed"


def test_who_is_loyal_and_who_is_not() -> None:
    standing = Standing({"EUR": (100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 1000.0)}, {})
    shop = Shop(parameters=msgspec.structs.replace(BUILTIN, standing=standing))
    shop.send(*(order(day(30 * at), 100.0) for at in range(4)))
    ground = grounds(shop)["loyal.at_risk"]
    assert (ground.state, ground.why) == ("lacks", "spent 400.00 EUR, which is not among the upper 10 % of customers")
    shop.send(order(day(130), 400.0))
    ground = grounds(shop)["loyal.at_risk"]
    assert ground.state == "waits"
    assert ground.why.startswith("the chance that another order ever comes is 9")


def test_what_was_imported_is_said_to_have_passed() -> None:
    shop = Shop()
    shop.send(*(order(day(30 * at), backfill=True) for at in range(3)))
    shop.send(viewed(day(500)))
    assert shop.triggers == []
    ground = grounds(shop)["repurchase.overdue"]
    assert ground.state == "passed"
    assert "does not stand: it was imported; again after another order" in ground.why


def test_a_trigger_that_a_refund_contradicts_does_not_stand() -> None:
    shop = Shop()
    regular(shop)
    shop.send(added(day(160)))
    shop.wait_until(day(161))
    assert grounds(shop)["cart.abandoned"].state == "told"
    assert shop.triggers[-1].type == "cart.abandoned"
    shop.send(order(day(161), order_id="o"), refunded(day(162), "o"), added(day(162, 1)))
    ground = grounds(shop)["cart.abandoned"]
    assert (ground.state, ground.due_at) == ("waits", day(162, 1) + 4 * HOUR)
