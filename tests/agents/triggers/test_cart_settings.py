"""Settings of the three rules about what is left behind."""

from pathlib import Path

from agents.decisions import iso
from agents.rulebook.rules import BrowseAbandoned, CartAbandoned, CheckoutAbandoned, Rules, load_rules
from tests.support.core import MINUTE, Shop, added, checkout, day, hour, viewed


def test_disabled_rules_are_silent() -> None:
    rules = Rules(
        cart_abandoned=CartAbandoned(enabled=False),
        checkout_abandoned=CheckoutAbandoned(enabled=False),
        browse_abandoned=BrowseAbandoned(enabled=False),
    )
    shop = Shop(rules)
    shop.send(added(hour(0)), checkout(hour(0), customer="bob"))
    shop.send(viewed(hour(0), customer="carl"), viewed(hour(1), customer="carl"))
    assert shop.wait_until(day(99)) == []
    assert shop.core.next_due > day(99)


def test_a_disabled_checkout_rule_leaves_the_cart_to_the_cart_rule() -> None:
    shop = Shop(Rules(checkout_abandoned=CheckoutAbandoned(enabled=False)))
    shop.send(added(hour(0)), checkout(hour(1)))
    shop.wait_until(day(3))
    assert [(t.type, t.due_at) for t in shop.triggers] == [("cart.abandoned", iso(hour(5)))]


def test_settings_of_a_file_change_version_and_behaviour(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(
        '["cart.abandoned"]\nafter = "30m"\nexpires = "2h"\n["checkout.abandoned"]\nafter = "10m"\n'
        '["browse.abandoned"]\nafter = "2h"\nviews = 3\n'
    )
    rules = load_rules(path)
    shop, plain = Shop(rules), Shop()
    for each in (shop, plain):
        each.send(added(hour(0), event_id="a"), checkout(hour(0), customer="bob", event_id="b"))
        for number in range(3):
            each.send(viewed(hour(0.1) + number, customer="carl", event_id=f"v{number}"))
        each.send(viewed(hour(1), customer="dora"), viewed(hour(1.1), customer="dora"))
        each.wait_until(day(2))
    found = {t.type: t for t in shop.triggers}
    assert [(t.customer_id, t.due_at) for t in shop.triggers] == [
        ("bob", iso(hour(0) + 10 * MINUTE)),
        ("ann", iso(hour(0) + 30 * MINUTE)),
        ("carl", iso(hour(2.1) + 2)),
    ]
    assert found["cart.abandoned"].expires_at == iso(hour(2.5))
    for usual in plain.triggers:
        if usual.customer_id != "dora":
            assert usual.rule.version != found[usual.type].rule.version
            assert usual.trigger_id != found[usual.type].trigger_id
