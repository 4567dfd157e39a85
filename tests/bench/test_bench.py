"""The load is what it says, and figures are read right; measuring itself is not a test."""

import json
import math
from collections import Counter

import pytest

from streams.flow.decode import decoder
from tables.events import CARTS, PURCHASES, OrderCompleted, type_name
from tests.bench.load import APART_MS, Row, partition_of, standard_load
from tests.bench.measure import Limit, Run
from tests.bench.report import Report, lines_of
from tests.bench.rounds import Side, shares
from tests.bench.table import spread
from tests.bench.worker import sum_samples

END = 1_763_800_000_000


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(standard_load(20_000, END))


def test_the_worker_understands_every_event(rows: list[Row]) -> None:
    decoders = {source: decoder(source) for source in (PURCHASES, CARTS)}
    kinds: Counter[str] = Counter()
    items: Counter[int] = Counter()
    for number, (source, key, value) in enumerate(rows):
        event, at = decoders[source](key, value, END)
        assert at == END - (len(rows) - 1 - number) * APART_MS
        kinds[type_name(type(event))] += 1
        if isinstance(event, OrderCompleted):
            items[len(event.items)] += 1
            total = sum(item.quantity * (item.price or 0.0) for item in event.items)
            assert math.isclose(event.total, total, abs_tol=0.005)
    assert sorted(items) == [1, 2, 3, 4]
    for kind, share in {"cart.item_added": 0.5, "order.completed": 0.3, "product.viewed": 0.2}.items():
        assert abs(kinds[kind] / len(rows) - share) < 0.01


def test_an_event_has_about_215_bytes(rows: list[Row]) -> None:
    assert 205 < sum(len(value) for _, _, value in rows) / len(rows) < 225


def test_the_same_seed_gives_the_same_events(rows: list[Row]) -> None:
    assert list(standard_load(20_000, END)) == rows
    other = list(standard_load(20_000, END, seed=2))
    assert sum(ours[2] == theirs[2] for ours, theirs in zip(rows, other, strict=True)) < 10


def test_only_times_depend_on_the_end(rows: list[Row]) -> None:
    def timeless(value: bytes) -> dict[str, object]:
        found: dict[str, object] = json.loads(value)
        return found | {"occurred_at": 0}

    later = standard_load(20_000, END + 1_000)
    assert all(timeless(a[2]) == timeless(b[2]) and a[:2] == b[:2] for a, b in zip(rows, later, strict=True))


def test_customers_are_spread_over_all_partitions(rows: list[Row]) -> None:
    numbers = Counter(partition_of(key, 4) for _, key, _ in rows)
    assert sorted(numbers) == [0, 1, 2, 3]
    assert min(numbers.values()) > 0.2 * len(rows)


def test_metrics_are_summed_over_their_labels() -> None:
    text = (
        "# HELP offbeat_events_total Events taken\n"
        'offbeat_events_total{type="cart.item_added"} 3.0\noffbeat_events_total{type="order.completed"} 4.0\n'
        'offbeat_batch_seconds_bucket{le="+Inf"} 2.0\noffbeat_batch_seconds_count 2.0\n'
    )
    assert sum_samples(text) == {
        "offbeat_events_total": 7.0,
        "offbeat_batch_seconds_bucket": 2.0,
        "offbeat_batch_seconds_count": 2.0,
    }


def a_run(seconds: float) -> Run:
    return Run(
        delivery="exactly_once",
        events=1000,
        seconds=seconds,
        cpu_seconds=1.5,
        peak_rss_bytes=200 << 20,
        rss_bytes=100_000,
        customers=100,
        triggers=7,
        suppressed=0,
        cancellations=2,
        batches=3,
        state_bytes=250.0,
    )


def test_a_round_is_compared_with_the_limit_of_the_same_round() -> None:
    limits = [Limit(events=1000, seconds=0.1, cpu_seconds=0.1), Limit(events=1000, seconds=0.2, cpu_seconds=0.1)]
    side = Side("a broker", 215.0, limits, {"exactly_once": [a_run(1.0), a_run(0.4)]})
    assert shares(side, "exactly_once") == pytest.approx([10.0, 50.0])
    text = "\n".join(lines_of(Report({"date": "today"}, 1000, [side], None, [])))
    assert "1,000 / 1,750 / 2,500  events/s" in text
    assert "10.0 / 30.0 / 50.0  % of the limit" in text
    assert "CDNOW" not in text


def test_one_round_has_no_spread() -> None:
    assert spread([5.0]) == "5"
    assert spread([3.0, 1.0, 8.0], ".1f") == "1.0 / 3.0 / 8.0"
