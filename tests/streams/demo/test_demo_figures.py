"""What the demo tells of a run: shares, tallies, gauges, stories."""

import re

import msgspec
import pytest

from streams.demo.cdnow import BEGIN, DAY, END, read_cdnow
from streams.demo.feed import demo_lines
from streams.demo.gauges import Gauges
from streams.demo.page import span
from streams.demo.story import Storyteller, irregularity
from streams.demo.tally import Fired, Tally
from streams.demo.truth import Truth, judge, orders_of
from tests.support.oracle import decisions_of


def fired(kind: str, customer: str, at: int, name: str = "") -> Fired:
    return Fired(name or f"{kind}/{customer}/{at}", kind, customer, at, "because", {})


def test_share_of_those_who_stayed_away() -> None:
    end = BEGIN + 400 * DAY
    at = BEGIN + 100 * DAY
    orders = {
        "never": [BEGIN],
        "later": [BEGIN, at + 90 * DAY + 1],
        "just": [BEGIN, at + 90 * DAY],
        "soon": [BEGIN, at + 1, at + 200 * DAY],
        "then": [BEGIN, at],
    }
    triggers = [fired("repurchase.overdue", customer, at) for customer in orders]
    triggers.append(fired("repurchase.overdue", "never", end - 90 * DAY))
    triggers.append(fired("repurchase.overdue", "never", end - 90 * DAY + 1))  # too late to tell
    triggers.append(fired("first_purchase.lapsed", "soon", at))
    triggers.append(fired("basket.grown", "never", end))
    assert judge(triggers, orders, end) == {
        "repurchase.overdue": Truth(6, 4),
        "first_purchase.lapsed": Truth(1, 0),
    }
    assert Truth(6, 4).share == pytest.approx(2 / 3)


def message(name: str, **fields: object) -> bytes:
    common = {"trigger_id": name, "type": "cart.abandoned", "customer_id": "1", "reason": "left"}
    return msgspec.json.encode(common | {"fired_at": "1997-03-01T10:00:00.000Z", "evidence": {}} | fields)


def test_tally_counts_a_message_once_and_knows_its_answer() -> None:
    tally = Tally()
    cancelled = message("a", type="cart.abandoned.cancelled", cancelled_at="1997-03-01T12:00:00.000Z")
    for value in (message("a"), message("b"), message("a"), cancelled, cancelled):
        tally.take(value)
    assert tally.fired == {"cart.abandoned": 2}
    assert tally.answered == {"cart.abandoned": 1}
    assert tally.median_answer("cart.abandoned") == 2 * 3_600_000
    assert tally.median_answer("repurchase.due") is None
    assert tally.latest["cart.abandoned"].trigger_id == "b"


def test_gauges_read_the_workers_metrics() -> None:
    gauges = Gauges("127.0.0.1:1")
    text = 'offbeat_events_total{{type="a"}} {}\noffbeat_events_total{{type="b"}} 10.0\noffbeat_events_created 7e+08\n'
    gauges.read(text.format("0.0"), 100.0)
    assert (gauges.taken, gauges.reached, gauges.rate) == (10, (0, 0), 0.0)
    times = 'offbeat_event_time_seconds{partition="0"} 8.6e+08\noffbeat_event_time_seconds{partition="1"} 8.7e+08\n'
    gauges.read(text.format("500.0") + times, 101.0)
    assert (gauges.taken, gauges.reached, gauges.rate) == (510, (860_000_000_000, 870_000_000_000), 500.0)
    assert span(gauges.reached) == "02 Apr 1997 to 27 Jul 1997"
    gauges.look()  # nobody answers at port 1: what was seen stays
    assert gauges.taken == 510


def test_irregularity_is_of_days_with_orders() -> None:
    every_20 = [BEGIN + 20 * DAY * i for i in range(6)]
    assert irregularity(every_20) == 0.0
    assert irregularity([*every_20, every_20[-1] + 3_600_000]) == 0.0
    assert irregularity(every_20[:5]) is None
    assert irregularity([BEGIN + 200 * DAY * i for i in range(6)]) is None
    uneven = irregularity([*every_20, every_20[-1] + 40 * DAY])
    assert uneven is not None
    assert uneven > 0.3


def test_stories_of_a_run_are_about_who_they_say() -> None:
    lines = demo_lines(read_cdnow(6000))
    tally = Tally()
    for decision in decisions_of(lines):
        tally.take(msgspec.json.encode(decision))
    orders = orders_of(lines)
    lost, reminded, shrunk = Storyteller(lines, tally.triggers.values(), orders).stories()
    customers = [re.findall(r"\d{5}", story.title)[0] for story in (lost, reminded, shrunk)]
    assert len(set(customers)) == 3
    told = [moment for moment in lost.moments if moment.mark == "trigger"][-1]
    assert told.text.startswith("repurchase.overdue: ")
    assert orders[customers[0]][-1] < told.at
    answered = [moment for moment in reminded.moments if moment.mark in ("order", "answer")]
    assert [moment.at for moment in answered] == [answered[0].at] * 2
    assert answered[0].at in orders[customers[1]]
    assert any(moment.text.startswith("basket.shrunk: ") for moment in shrunk.moments)
    for story in (lost, reminded, shrunk):
        times = [moment.at for moment in story.moments]
        assert times == sorted(times)
        assert 5 <= len(times) <= 12
    truths = judge(tally.triggers.values(), orders, END)
    assert truths["repurchase.overdue"].share > 0.75
