"""`offbeat customers`: one customer, found wherever it is, with what is known, what waits and what was sent."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from streams.commands import run
from streams.customers.search import find, places_of
from streams.delivery.tails import Tail
from streams.repartitioning.repartitionplan import PARTITIONERS
from tables.customer import Customer
from tables.customerform import pack
from tests.support.commands import refused
from tests.support.topics_io import Send, event, now, produce
from tests.support.workers import Deployment, rules_of_a_minute, running

pytestmark = pytest.mark.usefixtures("own_directory")

HOSTILE = "\x1b[2J\x9b31m,=1+1\u202e"
MINUTE, DAY = 60_000, 86_400_000
MURMUR2, CRC32 = PARTITIONERS["murmur2"], PARTITIONERS["crc32"]


def where(to: Deployment) -> list[str]:
    settings = to.settings
    return ["--brokers", settings.brokers, "--prefix", settings.prefix, "--delivery", settings.delivery]


def asked(capsys: pytest.CaptureFixture[str], to: Deployment, *arguments: str) -> dict[str, Any]:
    status = run(["customers", *arguments, "--json", *where(to)])
    out, err = capsys.readouterr()
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def order(to: Deployment, customer: str, at: int, order_id: str, total: float = 24.0) -> Send:
    items = [{"product_id": "coffee", "quantity": 2, "price": total / 2}]
    fields: dict[str, Any] = {"order_id": order_id, "total": total, "currency": "EUR", "items": items}
    return event(to.topic("purchases"), customer, at, "order.completed", **fields)


def shop_of(to: Deployment, *names: str) -> list[Send]:
    """Each has ordered thrice and left something in the cart."""
    today, sent = now(), []
    for name in names:
        for number, days in enumerate((92, 61, 31)):
            sent.append(order(to, name, today - days * DAY, f"o{number}", 20.0 + number))
        added: dict[str, Any] = {"product_id": "=tea", "quantity": 2, "price": 1.5}
        sent.append(event(to.topic("carts"), name, today - 3 * MINUTE, "cart.item_added", **added))
    return sent


def test_what_is_known_what_waits_and_what_was_sent(
    to: Deployment, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    produce(to.broker, shop_of(to, "ann", HOSTILE))
    produce(to.broker, [event(to.topic("customers"), "ann", now(), "customer.updated", consent={"email": True})])
    rules = rules_of_a_minute(tmp_path)
    with running(to.environ, rules=rules) as worker:
        worker.wait_metric("offbeat_events_total", 9)
        worker.wait_until(lambda: bool(_carts_told(capsys, to, rules)))
    found = asked(capsys, to, "show", "ann", "--rules", rules)
    assert (found["customer_id"], found["orders"], found["planned_alike"]) == ("ann", 3, True)
    assert [one["order_id"] for one in found["recent_orders"]] == ["o0", "o1", "o2"]
    assert found["baskets"] == [
        {"currency": "EUR", "orders": 3, "average": 21.0, "typical": 20.98, "revenue": 63.0},
    ]
    assert found["cart"]["items"] == [{"product_id": "=tea", "quantity": 2.0, "price": 1.5, "category": None}]
    assert (found["cart"]["total"], found["cart"]["told"]) == (3.0, True)
    assert found["profile"]["consent"] == {"email": True, "sms": None, "push": None}
    (coffee,) = found["products"]["regulars"]
    assert (coffee["product_id"], coffee["days"], coffee["quantity"]) == ("coffee", 3, 2.0)
    assert {timer["rule"] for timer in found["open_timers"]} <= {
        "repurchase.due", "repurchase.overdue", "product.replenish_due",
    }  # fmt: skip
    (cart,) = [one for one in found["messages"] if one["type"] == "cart.abandoned"]
    assert cart["topic"] == to.topic("triggers.cart")
    assert cart["reason"].startswith("1 product worth 3.00 left in the cart")
    assert cart["trigger_id"] in [sent["trigger_id"] for sent in found["open_triggers"]]
    assert asked(capsys, to, "show", "ann", "--rules", rules, "--messages", "0")["messages"] == []
    told = {rule["rule"]: rule for rule in asked(capsys, to, "explain", "ann", "--rules", rules)["rules"]}
    assert len(told) == 11
    assert told["cart.abandoned"]["state"] == "told"
    assert told["checkout.abandoned"]["why"] == "no checkout is open"
    assert told["first_purchase.lapsed"]["state"] == "lacks"
    assert told["repurchase.overdue"]["state"] in ("waits", "told")
    _terminals_are_safe(capsys, to, rules)


def _carts_told(capsys: pytest.CaptureFixture[str], to: Deployment, rules: str) -> list[Any]:
    found = asked(capsys, to, "show", HOSTILE, "--rules", rules)
    return [one for one in found["messages"] if one["type"] == "cart.abandoned"]


def _terminals_are_safe(capsys: pytest.CaptureFixture[str], to: Deployment, rules: str) -> None:
    for command in ("show", "explain"):
        for as_json in ([], ["--json"]):
            assert run(["customers", command, HOSTILE, "--rules", rules, *as_json, *where(to)]) == 0
            assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    assert asked(capsys, to, "show", HOSTILE, "--rules", rules)["customer_id"] == HOSTILE
    assert run(["customers", "show", "ann", *where(to)]) == 0  # by rules that are not the worker's
    assert "  timers were set by other rules or parameters" in capsys.readouterr().out.splitlines()[-1]


def test_to_people(embedded: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    produce(embedded.broker, shop_of(embedded, "ann"))
    with running(embedded.environ) as worker:
        worker.wait_metric("offbeat_events_total", 4)
        worker.wait_until(lambda: worker.metric("offbeat_customers") == 1)
    assert run(["customers", "show", "ann", *where(embedded)]) == 0
    lines = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert lines["customer"].startswith("ann in partition ")
    assert lines["orders"].startswith("3, every 30.5 days on average; the last: o2 on 20")
    assert lines["baskets"] == "EUR: 3, 21.00 on average, 63.00 in all"
    assert lines["cart"].startswith("2 =tea worth 3.00; touched 20")
    assert "the chance that another one comes at all is 8" in lines["next order"]
    assert lines["product"].startswith("coffee: bought on 3 days, last 2 on 20")
    assert "note" not in lines
    assert run(["customers", "explain", "ann", *where(embedded)]) == 0
    lines = {line.split("  ")[1]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["cart.abandoned"].startswith("waits  cart.abandoned  the cart was touched on 20")
    assert lines["loyal.at_risk"].startswith("lacks  loyal.at_risk  nobody knows what the upper 10 %")


def test_who_is_erased_and_who_was_never_there(to: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    produce(to.broker, [order(to, "ann", now() - DAY, "o1"), order(to, "bob", now() - DAY, "o2")])
    with running(to.environ) as worker:
        worker.wait_until(lambda: worker.metric("offbeat_customers") == 2)
        assert asked(capsys, to, "show", "ann")["orders"] == 1
        produce(to.broker, [event(to.topic("customers"), "ann", now(), "customer.erased")])
        worker.wait_until(lambda: worker.metric("offbeat_customers") == 1)
        for command in ("show", "explain"):
            status, told = refused(capsys, "customers", command, "ann", *where(to))
            assert (status, told.split(" on 20")[0]) == (
                1,
                "customer ann: was erased, or forgotten after long silence,",
            )
            assert told.endswith("Z; nothing is remembered")
        status, told = refused(capsys, "customers", "show", f"nobody{HOSTILE}", *where(to))
        assert (status, told.isprintable()) == (1, True)
        assert told.endswith("-changelog knows nobody of that id; is it the key of the events?")
        assert asked(capsys, to, "show", "bob")["orders"] == 1
        produce(to.broker, [order(to, "ann", now(), "o3")])  # under the same id
        worker.wait_until(lambda: worker.metric("offbeat_customers") == 2)
        assert asked(capsys, to, "show", "ann")["orders"] == 1


def test_what_is_wrong_is_one_line(embedded: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    status, told = refused(capsys, "customers", "show", "ann", "--brokers", "127.0.0.1:9")
    assert (status, told.startswith("no broker at 127.0.0.1:9 (Connection refused); start it")) == (1, True)
    for wrong in ("", "a\0b", "\udcff"):
        status, told = refused(capsys, "customers", "explain", wrong)
        assert (status, "no customer has such an id" in told) == (2, True)
    status, told = refused(capsys, "customers", "show", "ann", *where(embedded)[:2], "--prefix", "nobody.")
    assert (status, told) == (1, "topic nobody.offbeat-parameters is missing; run: offbeat topics create")
    elsewhere = [*where(embedded)[:2], "--prefix", "nobody.", "--parameters", "builtin"]
    status, told = refused(capsys, "customers", "show", "ann", *elsewhere)
    assert (status, told) == (
        1,
        "topic nobody.offbeat-changelog is missing, or may not be seen: see offbeat topics check",
    )


def test_customers_are_looked_for_where_the_others_are() -> None:
    names = [f"c{number}".encode() for number in range(40)]
    for hashed in (MURMUR2, CRC32):
        ends = {number: Tail(keys={name for name in names if hashed(name) % 8 == number}) for number in range(8)}
        assert places_of(b"ann", ends, 8) == [hashed(b"ann") % 8]
    by_hand = {number: Tail(keys=set(names[number::8])) for number in range(8)}
    assert sorted(places_of(b"ann", by_hand, 8)) == list(range(8))
    assert places_of(b"ann", by_hand, 8)[:2] == [MURMUR2(b"ann") % 8, CRC32(b"ann") % 8]
    assert sorted(places_of(b"ann", {number: Tail() for number in range(8)}, 8)) == list(range(8))


def test_who_was_put_elsewhere_by_hand_is_found(embedded: Deployment) -> None:
    """Also behind a tombstone where they were before."""
    settings = embedded.settings
    elsewhere = 1 - MURMUR2(b"ann") % 2
    state = pack(Customer(), 0)
    produce(
        embedded.broker,
        [
            Send(settings.changelog, b"ann", state, elsewhere),
            Send(settings.changelog, b"ann", None, 1 - elsewhere),
            Send(settings.changelog, b"cem", state, 0),
            Send(settings.changelog, b"cem", None, 0),
        ],
    )
    shares: list[float] = []
    found = asyncio.run(find(settings, 2, b"ann", lambda share, _what: shares.append(share)))
    assert found is not None
    assert (found.number, found.packed) == (elsewhere, state)
    assert shares == sorted(shares)
    gone = asyncio.run(find(settings, 2, b"cem", lambda _share, _what: None))
    assert gone is not None
    assert (gone.number, gone.packed) == (0, None)
    assert asyncio.run(find(settings, 2, b"dan", lambda _share, _what: None)) is None


def test_what_was_overtaken_is_passed_over(embedded: Deployment) -> None:
    """A former owner's late write, where nobody is fenced."""
    newer, older = (pack(Customer(seen=b"12345678" * seen, applied=[seen] * 3), 0) for seen in (2, 1))
    place = MURMUR2(b"ann") % 2
    changelog = embedded.settings.changelog
    produce(embedded.broker, [Send(changelog, b"ann", newer, place), Send(changelog, b"ann", older, place)])
    found = asyncio.run(find(embedded.settings, 2, b"ann", lambda _share, _what: None))
    assert found is not None
    assert found.packed == newer
