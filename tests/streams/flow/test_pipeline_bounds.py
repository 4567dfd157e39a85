"""What waits in a pipeline is bounded, and what is too much of an event is cut off before it waits."""

import msgspec
import pytest

from agents.notices import Notice
from streams.flow import merge
from streams.flow.merge import Rejected
from streams.flow.pipeline import MOST, ROOM
from tables.events import CARTS, PURCHASES, CartUpdated, CustomerUpdated, OrderCompleted, OrderItem
from tests.support.core import added, cart, day, order
from tests.support.pipes import Run, live, sent, write, write_marks


def items(count: int) -> list[OrderItem]:
    return [OrderItem(product_id=f"product-{number}", quantity=1.0) for number in range(count)]


def test_an_order_of_a_hundred_thousand_lines_is_an_order_and_waits_as_a_small_one() -> None:
    run = Run(wall=True, now=day(1))
    large = order(day(1), 50.0, order_id="large")
    large.items = items(100_000)
    write(run, large)
    run.fetch(1)
    (entry,) = run.pipeline.merge.feeds[1].entries
    assert isinstance(entry[6], OrderCompleted)
    assert len(msgspec.msgpack.encode(entry[6])) < 10_000
    run.catch_up()
    orders = run.customer(b"ann").orders
    assert orders is not None
    assert [o.order_id for o in orders.recent] == ["large"]
    assert run.pipeline.core.notices.take() == {"message": Notice(1, "ann")}


def test_a_whole_cart_of_a_hundred_thousand_products_waits_as_a_small_one() -> None:
    run = Run(wall=True, now=day(1))
    write(run, cart(day(1), *(f"product-{number}" for number in range(100_000))))
    run.fetch(2)
    (entry,) = run.pipeline.merge.feeds[2].entries
    assert isinstance(entry[6], CartUpdated)
    assert len(entry[6].items) == 100
    run.catch_up()
    assert set(run.pipeline.core.notices.take()) == {"message", "cart"}


def test_attributes_without_end_do_not_wait() -> None:
    run = Run(wall=True, now=day(1))
    attributes: dict[str, object] = {f"a{number}": [number] * 10 for number in range(10_000)}
    write(
        run, CustomerUpdated(event_id="e", customer_id="ann", occurred_at=day(1), country="DE", attributes=attributes)
    )
    run.catch_up()
    profile = run.customer(b"ann").profile
    assert profile is not None
    assert profile.country == "DE"
    assert run.pipeline.core.notices.take() == {"message": Notice(1, "ann")}


def test_a_large_message_without_too_many_items_is_whole() -> None:
    run = Run(wall=True, now=day(1))
    write(run, cart(day(1), *(f"{number:0500}" for number in range(90))))
    run.catch_up()
    found = run.customer(b"ann").cart
    assert found is not None
    assert len(found.lines) == 90
    assert run.pipeline.core.notices.take() == {}


def test_each_event_of_a_full_cart_is_noticed() -> None:
    run = live(day(1))
    write(run, *(added(day(1) + number, f"product-{number}") for number in range(102)))
    run.catch_up()
    assert run.pipeline.core.notices.take() == {"cart": Notice(3, "ann")}


def test_what_waits_weighs_what_was_fetched_until_it_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge, "_SPAN", 0)
    run = Run(now=day(9))
    weigh = run.pipeline.merge.weigh
    values = sent(*(added(day(0) + number, customer=f"c{number}") for number in range(10)))
    run.write(CARTS, *values, (b"x", b"rubbish"))
    run.fetch(2, 4)
    run.fetch(2)
    size = sum(len(key + value) for key, value in values)
    assert weigh() == size + len(b"x" + b"rubbish")
    run.work_all()
    assert weigh() == size + 8, "nothing may be taken before the other feeds have got there"
    first = sum(len(key + value) for key, value in values[:4])
    write_marks(run, day(0) + 6)
    run.fetch(0)
    run.fetch(1)
    run.work_all()
    assert run.pipeline.merge.waiting == 5
    assert weigh() == size + 8 - first
    write_marks(run, day(1))
    run.catch_up()
    assert (run.pipeline.merge.waiting, weigh()) == (0, 0)


def test_marks_alone_weigh_nothing_that_stays() -> None:
    run = Run(now=day(9))
    for number in range(5_000):
        run.write(PURCHASES, (None, b'{"type":"time.mark","occurred_at":%d}' % (day(0) + number)))
        run.fetch(1, 1)
    assert len(run.pipeline.merge.feeds[1]._spans) <= 1 + 5_000 * 50 // merge._SPAN
    assert run.pipeline.merge.weigh() == 0
    assert len(run.pipeline.merge.feeds[1]._spans) == 0


def test_a_dead_letter_weighs_its_headers_too() -> None:
    rejected = Rejected(b"key", None, (("name", b"value"),), "empty", "no value")
    assert rejected.size == 3 + 9


def test_a_batch_holds_no_more_than_it_may() -> None:
    run = Run(wall=True, now=day(1))
    count = 2 * MOST + 500
    write(run, *(added(day(0) + number, customer=f"c{number % 50}") for number in range(count)))
    for source in range(3):
        run.fetch(source)
    run.hear_ends()
    run.work_all()
    taken = [outcome.events.total() for outcome in run.outcomes]
    assert sum(taken) == count
    assert max(taken) == MOST
    assert run.pipeline.merge.waiting == 0


@pytest.mark.parametrize("most", [1, 7, ROOM])
def test_the_size_of_batches_decides_nothing(most: int) -> None:
    def decided(run: Run, size: int) -> list[bytes]:
        for number in range(60):
            customer = f"c{number % 7}"
            write(run, added(day(number), customer=customer, event_id=f"a{number}"))
            write(run, order(day(number, 12), customer=customer, event_id=f"o{number}"))
        write_marks(run, day(200))
        for source in range(3):
            run.fetch(source)
        found: list[bytes] = []
        while True:
            outcome = run.pipeline.work(run.now, size)
            found += [msgspec.json.encode(decision) for decision in outcome.decisions]
            run.pipeline.done(outcome)
            if not run.pipeline.more:
                return found

    whole = decided(Run(now=1 << 43), MOST)
    assert whole
    assert decided(Run(now=1 << 43), most) == whole


def test_a_customer_who_sends_without_end_is_noticed() -> None:
    run = live(day(1))
    for number in range(30):
        write(run, *(added(day(1) + 500 * number + i, customer="robot") for i in range(500)))
        run.catch_up()
    assert run.pipeline.core.notices.take()["customer"].customer_id == "robot"
