"""The orders of the demo stay real; what is simulated around them follows from seed and customer."""

import importlib.metadata

import msgspec
import pytest

from streams.commands import run
from streams.demo.cdnow import BEGIN, DAY, END, read_cdnow
from streams.demo.feed import demo_lines
from streams.flow.decode import decoder
from tables.events import PURCHASES, SOURCES, TimeMark


def test_the_log_is_the_whole_log() -> None:
    orders = read_cdnow()
    assert len(orders) == 23_570
    assert sum(map(len, orders.values())) == 69_659
    assert min(row.day for rows in orders.values() for row in rows) == BEGIN
    assert max(row.day for rows in orders.values() for row in rows) == END - DAY
    assert [tuple(row[1:]) for row in orders["00002"]] == [(1, 12.0), (5, 77.0)]
    assert list(read_cdnow(10)) == sorted(orders)[:: len(orders) // 10][:10]


def test_customers_dates_and_amounts_of_orders_stay_as_they_are() -> None:
    orders = read_cdnow(2000)
    found: dict[str, list[tuple[int, int, float]]] = {}
    for line in demo_lines(orders):
        if line.source == PURCHASES:
            event = msgspec.json.decode(line.value)
            assert event["customer_id"] == line.key.decode()
            cds = sum(item["quantity"] for item in event["items"])
            found.setdefault(event["customer_id"], []).append((line.at // DAY * DAY, cds, event["total"]))
    # two orders of a day may change places with nothing but their time of day
    assert found == {customer: [tuple(row) for row in rows] for customer, rows in orders.items()}


def test_lines_are_valid_events_in_merged_order() -> None:
    lines = demo_lines(read_cdnow(1000))
    decoders = {source: decoder(source) for source in SOURCES}
    ids = set()
    for line in lines:
        event, at = decoders[line.source](line.key, line.value, END)
        assert not isinstance(event, TimeMark)
        ids.add(event.event_id)
        assert BEGIN <= at == line.at == line.effective < END
    assert len(ids) == len(lines)
    places = [(line.effective, SOURCES.index(line.source)) for line in lines]
    assert places == sorted(places)


def test_what_is_simulated_follows_from_seed_and_customer_alone() -> None:
    orders = read_cdnow(300)
    lines = demo_lines(orders, seed=7)
    assert lines == demo_lines(read_cdnow(300), seed=7)
    other = demo_lines(orders, seed=8)
    assert lines != other
    one = next(iter(orders))
    alone = demo_lines({one: orders[one]}, seed=7)
    assert alone == [line for line in lines if line.key == one.encode()]


def test_without_its_package_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: str) -> None:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "files", missing)
    assert run(["demo"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "`make setup`" in err
