"""Of a shop whose truth is known: whether coffee is told of when it is used up, and furniture never."""

from collections import defaultdict
from dataclasses import replace
from functools import cache
from statistics import median

from agents.decisions import Trigger
from agents.rulebook.rules import ProductReplenishDue, Rules
from streams.flow.decode import parse_time
from tables.events import OrderCompleted
from tables.orders import DAY
from tests.support.core import Shop, day, time_of
from tests.support.pantry import NO_RHYTHM, SPAN, Pantry, orders

WARM = day(180)
"""From here on customers are known."""
RULES = Rules(product_replenish_due=ProductReplenishDue())


@cache
def log_of(seed: int = 5) -> list[OrderCompleted]:
    return orders(Pantry(), 120, seed)


def sent(rules: Rules) -> list[Trigger]:
    """What was sent of products once customers were known, but not of those whose next purchase lies beyond the log."""
    shop = Shop(rules)
    shop.send(*log_of())
    shop.settle()
    found = [one for one in shop.triggers if one.type == ProductReplenishDue.NAME]
    return [one for one in found if WARM <= parse_time(one.fired_at) <= day(SPAN - 90)]


def next_purchase(trigger: Trigger) -> float:
    """Days from the trigger's last purchase to the next one."""
    bought = purchases()[trigger.customer_id]
    since = parse_time(trigger.evidence["last_bought_at"])
    return min((at - since) / DAY for at in bought if at > since + DAY)


@cache
def purchases() -> dict[str, list[int]]:
    found = defaultdict(list)
    for one in log_of():
        if one.items[0].product_id == "coffee":
            found[one.customer_id].append(time_of(one))
    return found


def regular(trigger: Trigger) -> bool:
    return int(trigger.customer_id[1:]) % NO_RHYTHM != 0


def test_coffee_is_told_of_when_it_is_used_up_and_furniture_never() -> None:
    found = sent(RULES)
    assert len(found) > 300
    assert {one.evidence["product_id"] for one in found} == {"coffee"}
    of_habit = [one for one in found if regular(one)]
    right = [next_purchase(one) <= one.evidence["days_since"] + 14 for one in of_habit]
    assert sum(right) / len(right) > 0.8
    assert len(of_habit) / len(found) > 0.95, "who has no rhythm is hardly told of"


def test_the_date_is_right_within_days() -> None:
    """With a lead of half of the interval everybody is told before the purchase, so nobody is left out."""
    early = replace(RULES, product_replenish_due=ProductReplenishDue(lead=90 * DAY))
    found = [one for one in sent(early) if regular(one)]
    errors = [next_purchase(one) - one.evidence["usual_days"] for one in found]
    share = [abs(error) / next_purchase(one) for error, one in zip(errors, found, strict=True)]
    assert len(found) > 900
    assert median(map(abs, errors)) < 6.0
    assert median(share) < 0.14, "0.1 is what the customers' own scatter comes to"
    assert abs(median(errors)) < 1.0, "neither too early nor too late"


def test_however_the_log_is_cut() -> None:
    some = [one for one in log_of() if one.customer_id < "c0012"]
    found = []
    for style in ("one batch", "batch per event", "restart per event"):
        shop = Shop(RULES, style=style)
        shop.send(*some)
        shop.settle()
        found.append([(one.type, one.message_id, one.at, one.reason) for one in shop.decisions])
    assert found[0] == found[1] == found[2]
    assert any(kind == "product.replenish_due.cancelled" for kind, *_ in found[0])
