"""The customers who hold a partition up are found, in bounded memory, and nobody else is."""

import random

from agents.notices import Notices
from streams.flow.busiest import HOUR, LIMIT, Busiest
from streams.flow.merge import Entry, Rejected
from tests.support.core import T0, viewed


def entries_of(customer: str, count: int) -> list[Entry]:
    event = viewed(T0, customer=customer)
    return [(T0, 2, offset, T0, T0, customer.encode(), event) for offset in range(count)]


def test_a_robot_among_many_customers() -> None:
    rng = random.Random(1)
    crowd = [entry for number in range(20_000) for entry in entries_of(f"c{number}", 10)]
    entries = crowd + entries_of("robot", 40_000)
    rng.shuffle(entries)
    notices = Notices()
    busiest = Busiest(notices)
    for begin in range(0, len(entries), 500):
        batch = entries[begin : begin + 500]
        busiest.look(batch, len(batch), T0)
        assert len(busiest._counts) <= 32
    found = notices.take()
    assert set(found) == {"customer"}
    assert found["customer"].customer_id == "robot"
    assert 10_000 < found["customer"].events <= 40_000 - LIMIT + 2_000


def test_the_same_in_batches_of_one() -> None:
    notices = Notices()
    busiest = Busiest(notices)
    for entry in entries_of("robot", LIMIT):
        busiest.look([entry], 1, T0)
    assert notices.take() == {}
    for entry in entries_of("robot", 32):
        busiest.look([entry], 1, T0)
    assert notices.take()["customer"].events == 32


def test_a_customer_with_many_events_over_the_hours() -> None:
    notices = Notices()
    busiest = Busiest(notices)
    for hour in range(10):
        busiest.look(entries_of("ann", LIMIT), LIMIT, T0 + hour * HOUR)
    assert notices.take() == {}


def test_what_is_no_event_is_nobodys() -> None:
    notices = Notices()
    entry: Entry = (T0, 2, 0, T0, 0, b"ann", Rejected(b"ann", b"rubbish", (), "not_json", "not JSON"))
    Busiest(notices).look([entry] * 3 * LIMIT, 3 * LIMIT, T0)
    assert notices.take() == {}


def test_only_what_was_taken_counts() -> None:
    notices = Notices()
    busiest = Busiest(notices)
    for _ in range(LIMIT):
        busiest.look(entries_of("ann", 100), 1, T0)
    assert notices.take() == {}
