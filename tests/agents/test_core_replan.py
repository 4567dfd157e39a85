"""Other rules, other parameters: who is planned anew, and that nothing is told twice."""

from pathlib import Path

from agents.decisions import iso
from agents.rulebook.rules import BasketShrunk, CartAbandoned, RepurchaseDue, Rules, load_rules
from tables.customerform import read_head
from tables.parameters import BUILTIN, Parameters
from tests.support.core import Shop, added, day, order


def test_the_same_rules_wake_nobody() -> None:
    shop = Shop()
    shop.send(order(day(0)), added(day(0), customer="bob"))
    shop.restart()
    assert shop.core.states.pop(day(0)) is None
    assert shop.core.next_due >= day(0)


def test_changed_rules_plan_anew_and_tell_nothing_twice(tmp_path: Path) -> None:
    shop = Shop()
    shop.send(order(day(0)), order(day(30)))
    shop.wait_until(day(1000))
    shop.send(order(day(0), customer="bob"), added(day(1000), customer="carl"))
    told = [t.message_id for t in shop.triggers]
    assert len(told) == 2
    path = tmp_path / "rules.toml"
    path.write_text(
        '["repurchase.due"]\nwithin = "100d"\n["repurchase.overdue"]\nwindow = 0.5\n["cart.abandoned"]\nafter = "2h"\n'
    )
    shop.restart(load_rules(path))
    assert shop.core.next_due == 0
    shop.wait_until(day(1000, 3))
    assert [(t.customer_id, t.type, t.due_at) for t in shop.triggers[2:] if t.customer_id != "bob"] == [
        ("carl", "cart.abandoned", iso(day(1000, 2)))
    ]
    assert shop.triggers[-1].rule.version != Rules().versions["cart.abandoned"]
    count = len(shop.decisions)
    shop.restart(Rules())
    shop.wait_until(day(1001))
    assert len(shop.decisions) == count


def test_a_rule_switched_on_finds_who_waits_for_it() -> None:
    shop = Shop(Rules(repurchase_due=RepurchaseDue(enabled=False), cart_abandoned=CartAbandoned(enabled=False)))
    shop.send(order(day(0)), order(day(30)), added(day(30)))
    shop.settle()
    shop.restart(Rules())
    shop.wait_until(day(200))
    assert sorted({t.type for t in shop.triggers} - {"repurchase.overdue"}) == ["cart.abandoned", "repurchase.due"]


def test_other_parameters_move_the_dates() -> None:
    prior = BUILTIN.timing
    slower = Parameters(
        version="slow",
        timing=type(prior)(prior.mu0 + 1, prior.tau2, prior.a, prior.b, prior.weights),
        basket=BUILTIN.basket,
    )
    shop, plain = Shop(), Shop()
    for each in (shop, plain):
        each.send(order(day(0), order_id="1"), order(day(30), order_id="2"))
        each.settle()
    shop.restart(parameters=slower)
    for each in (shop, plain):
        each.wait_until(day(4000))
    moved, before = shop.triggers[0], plain.triggers[0]
    assert moved.due_at > before.due_at
    assert (moved.evidence["parameters"], before.evidence["parameters"]) == ("slow", BUILTIN.version)
    assert moved.trigger_id == before.trigger_id, "the cause and the rule are the same"


def test_planning_anew_goes_in_steps() -> None:
    shop = Shop()
    for number in range(100):
        shop.send(order(day(0) + number, customer=f"c{number}"))
    shop.restart(Rules(basket_shrunk=BasketShrunk(p=0.02)))
    steps = 0
    while not shop.core.advance(day(0, 1), 30):
        settled = shop.core.settle()
        assert len(settled.changes) <= 30
        for value in settled.changes.values():
            assert value is not None
            assert read_head(value)[1] > day(1)
        shop.core.adopt()
        steps += 1
    assert steps == 3
    assert len(shop.core.settle().changes) == 10
