"""Customers with a past are what they are said to be, costs and delays are added up right, the picture can be drawn."""

from xml.etree import ElementTree

import pytest

from agents.agenda import plan_fingerprint
from agents.core import Core
from agents.rulebook.rules import Rules
from streams.flow.decode import decoder
from tables.cartchanges import is_empty
from tables.customer import NEVER, Customer
from tables.customerform import read_head, unpack
from tables.events import CARTS, PURCHASES
from tables.parameters import BUILTIN
from tests.bench.crew import rate_between
from tests.bench.customers import everybody, packed_states
from tests.bench.feeder import live_load
from tests.bench.listener import Heard
from tests.bench.load import customer_id
from tests.bench.parts import parts_of
from tests.bench.plot import Panel, svg
from tests.bench.quantiles import Delays, delays_of
from tests.bench.realtime import Shop, delays
from tests.bench.staged import asleep, due, due_id, regulars
from tests.bench.worker import BenchError

NOW = 1_763_800_000_000
PLAN = plan_fingerprint(Rules(), BUILTIN)


@pytest.fixture(scope="module")
def packed() -> list[bytes]:
    return packed_states(400, NOW)


def test_customers_have_orders_and_carts_as_said(packed: list[bytes]) -> None:
    customers = [unpack(state) for state in packed]
    orders = [customer.orders.count for customer in customers if customer.orders is not None]
    assert len(orders) == len(set(packed)) == 400
    assert 0.5 < sum(count == 1 for count in orders) / 400 < 0.7
    assert max(orders) > 20
    carts = [customer.cart.lines for customer in customers if customer.cart is not None and not is_empty(customer.cart)]
    assert 0.05 < len(carts) / 400 < 0.15
    assert all(1 <= len(lines) <= 6 for lines in carts)


def test_nothing_is_overdue_in_the_states(packed: list[bytes]) -> None:
    assert all(read_head(state)[0] == PLAN and read_head(state)[1] >= NOW for state in packed)
    assert sum(read_head(state)[1] < NEVER for state in packed) > 200


def test_customers_who_share_a_state_wake_at_different_times(packed: list[bytes]) -> None:
    found = dict(everybody(packed, 4_000))
    assert list(found)[:2] == [customer_id(0).encode(), customer_id(1).encode()]
    heads = [read_head(state) for state in found.values() if state is not None]
    armed = [wake for _, wake in heads if wake < NEVER]
    assert len(heads) == 4_000
    assert len(set(armed)) > 0.99 * len(armed)
    assert min(armed) >= NOW


def core_of(changes: dict[bytes, bytes | None]) -> Core:
    core = Core(Rules(), BUILTIN)
    core.states.restore(changes)
    core.states.ready()
    return core


def test_as_many_fall_due_in_the_second_as_said_and_nobody_else(packed: list[bytes]) -> None:
    core = core_of(dict(due(100, NOW)) | dict(asleep(packed, 300, NOW)))
    assert len(core.states) == 400
    assert core.states.timers.soonest <= NOW
    core.emitter.now = NOW
    core.advance(NOW, 1 << 62)
    assert core.settle().decisions == []
    core.emitter.now = NOW + 1000
    core.advance(NOW + 1000, 1 << 62)
    found = core.settle().decisions
    assert sorted(decision.customer_id for decision in found) == [due_id(number) for number in range(100)]
    assert {decision.type for decision in found} == {"cart.abandoned", "first_purchase.lapsed"}


def test_each_regular_is_told_of_at_the_small_order_and_at_no_other() -> None:
    core = core_of(dict(regulars(5, NOW)))
    rows = list(live_load(50, NOW / 1000, 1_000, 10))
    small = [(source, key, value) for source, key, value in rows if key.startswith(b"w")]
    assert len(small) == 5
    decode = decoder(PURCHASES)
    core.emitter.now = NOW
    for number, (source, key, value) in enumerate(small):
        event, at = decode(key, value, NOW + 1000)
        assert source == PURCHASES
        assert at == NOW + 10 * number + 9
        core.take(1, number, key, event, at)  # type: ignore[arg-type] # not a mark
    assert [decision.type for decision in core.settle().decisions] == ["basket.shrunk"] * 5


def test_the_live_load_is_the_standard_load_at_its_rate() -> None:
    rows = list(live_load(1_000, NOW / 1000, 5_000, 1_001))
    decoders = {source: decoder(source) for source in (PURCHASES, CARTS)}
    times = [decoders[source](key, value, NOW + 1_000)[1] for source, key, value in rows]
    assert all(abs(at - (NOW + number / 5)) <= 1 for number, at in enumerate(times))
    assert times == sorted(times)


def test_a_delay_is_from_the_instant_that_the_order_stands_for() -> None:
    shop = Shop(rate=100.0, seconds=10, every=10, warm_up=1.0)
    heard = [
        Heard(at, "basket.shrunk", b"w", b'{"order_id": "o%09d"}' % number)
        for at, number in ((50.6, 50), (51.7, 100), (52.02, 200))
    ]
    assert delays(heard, shop, 50.0) == pytest.approx([700.0, 20.0])


def test_quantiles_are_delays_that_occurred() -> None:
    assert delays_of([float(number) for number in range(1, 201)]) == Delays(200, 100.0, 190.0, 198.0, 200.0)
    assert delays_of([3.0]) == Delays(1, 3.0, 3.0, 3.0, 3.0)
    assert delays_of([]).count == 0


def test_throughput_is_read_between_samples() -> None:
    samples = [(10.0, 0.0), (11.0, 100.0), (12.0, 500.0), (13.0, 1000.0)]
    assert rate_between(samples, 100, 900) == pytest.approx(800 / 1.8)
    assert rate_between(samples, 50, 300) == pytest.approx(250 / 1.0)
    with pytest.raises(BenchError, match="were taken"):
        rate_between(samples[:3], 100, 900)


def test_the_parts_of_a_state_add_up(packed: list[bytes]) -> None:
    parts = parts_of(packed, 2_000, PLAN)
    assert sum(parts.sections.values()) == pytest.approx(parts.packed, abs=2)
    assert set(parts.sections) == {"head", *Customer.__struct_fields__}
    assert parts.packed + 33 <= parts.value <= parts.packed + 49
    assert 24 < parts.table < 130
    assert 8 < parts.timers < 60, "a place in a list for each, and the lists"
    assert parts.total == parts.value + parts.key + parts.table + parts.timers


def test_the_picture_has_a_point_for_each_size() -> None:
    points = [(10_000, 700.0), (1_000_000, 650.0), (10_000_000, 655.0)]
    root = ElementTree.fromstring(svg([Panel("Bytes & more", points, limit=1_000.0), Panel("Seconds", points)]))  # noqa: S314 - ours
    space = "{http://www.w3.org/2000/svg}"
    circles = root.findall(f".//{space}circle")
    assert len(circles) == 6
    at = [float(circle.attrib["cx"]) for circle in circles[:3]]
    assert at[0] < at[1] < at[2]
    assert at[1] - at[0] == pytest.approx(2 * (at[2] - at[1]), abs=0.2)
    high, low, middle = (float(circle.attrib["cy"]) for circle in circles[:3])
    assert high < middle < low
    assert "Bytes & more" in "".join(root.itertext())
