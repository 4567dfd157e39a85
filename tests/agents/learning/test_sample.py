"""Samples of partitions: the same customers each time, small, put together, and read with care."""

import zlib
from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents.learning.sample import EVERYBODY, FORM, MAX_BYTES, Sample, SampleError, decode_sample, merge
from agents.learning.sampling import Sampler, take_sample
from tables.basket import Basket
from tables.customer import Customer
from tables.customerform import pack
from tables.orders import DAY, Orders, RecentOrder
from tables.states import States
from tests.support.core import Shop, added, day, order

UNTIL = day(400)


def states_of(numbers: Iterable[int], orders: int = 3) -> States:
    """Customers by number, each with so many orders a few days apart; those of a number divisible by 5 have none."""
    states = States(1)
    packed: dict[bytes, bytes | None] = {}
    for number in numbers:
        recent = [RecentOrder(f"o{k}", f"e{k}", day(number % 97 + 5 * k) + number, 10.0) for k in range(orders)]
        known = Orders(orders + 1, day(0), recent[-1].at, orders + 1, 1.5 + number, 2.5, recent, e1=1.0, e2=2.0)
        customer = Customer(orders=known if number % 5 else None, basket=Basket("EUR", 3, 2.0 + number / 1e4, 0.5))
        packed[b"customer-%d" % number] = pack(customer, 1)
    states.restore(packed)
    states.ready()
    return states


def same(one: Sample, other: Sample) -> bool:
    return one.encode() == other.encode()


def test_a_small_partition_is_all_in_it() -> None:
    sample = take_sample(states_of(range(50)), UNTIL)
    assert (len(sample), sample.customers, sample.threshold) == (40, 50, EVERYBODY)
    assert sample.of.orders.tolist() == [3] * 40
    assert set(sample.of.x.tolist()) == {3}
    assert np.all(np.diff(sample.of.hash.astype(object)) > 0)


def test_the_same_customers_in_whatever_order_and_step() -> None:
    everybody = list(range(3000))
    whole = take_sample(states_of(everybody), UNTIL, 200)
    assert len(whole) == 200
    assert whole.threshold < EVERYBODY
    sampler = Sampler(states_of(reversed(everybody)), UNTIL, 200)
    steps = 1
    while not sampler.step(100):
        steps += 1
    assert steps > 30
    assert same(whole, sampler.sample())
    # a fifth has not ordered: the threshold says what share of all is in
    assert 200 / (whole.threshold / EVERYBODY) == pytest.approx(2400, rel=0.25)


def test_merged_they_are_the_sample_of_the_whole() -> None:
    whole = take_sample(states_of(range(2000)), UNTIL, 300)
    for partitions in (2, 7):
        parts = [take_sample(states_of(range(part, 2000, partitions)), UNTIL, 300) for part in range(partitions)]
        merged = merge([decode_sample(part.encode()) for part in parts])
        assert merged.customers == 2000
        assert len(merged) > 300
        assert merged.of.hash[:300].tolist() == whole.of.hash.tolist()
        assert merge(parts, 100).of.hash.tolist() == whole.of.hash[:100].tolist()
        assert merge(parts, 100).at.tolist() == whole.at[:300].tolist()
        assert same(merge(parts), merge(parts[::-1]))


def test_who_is_in_two_samples_counts_once_and_an_old_one_not_at_all() -> None:
    one = take_sample(states_of(range(100)), UNTIL)
    assert len(merge([one, one])) == len(one)
    old = take_sample(states_of(range(100, 200)), UNTIL - DAY)
    assert merge([old, one]).of.hash.tolist() == one.of.hash.tolist()
    with pytest.raises(ValueError, match="no sample"):
        merge([])


def test_a_sample_fits_in_a_message_whatever_customers_are_like() -> None:
    for orders in (1, 12):
        raw = take_sample(states_of(range(9000), orders), UNTIL).encode()
        assert 30_000 < len(raw) < MAX_BYTES


def test_what_is_written_is_read() -> None:
    sample = take_sample(states_of(range(500)), UNTIL)
    read = decode_sample(sample.encode())
    assert (read.until, read.customers, read.threshold) == (sample.until, sample.customers, sample.threshold)
    assert read.at.tolist() == sample.at.tolist()
    for name in ("hash", "orders", "x", "baskets", "currency"):
        assert getattr(read.of, name).tolist() == getattr(sample.of, name).tolist()
    for name in ("s1", "s2", "e1", "e2", "mean_ln", "ss"):
        np.testing.assert_allclose(getattr(read.of, name), getattr(sample.of, name), rtol=1e-6)


def test_an_empty_partition_has_an_empty_sample() -> None:
    sample = decode_sample(take_sample(States(1), UNTIL).encode())
    assert (len(sample), sample.customers) == (0, 0)
    assert len(merge([sample, take_sample(states_of(range(10)), UNTIL)])) == 8


def test_one_in_five_is_held_back_always_the_same_ones() -> None:
    small, large = (take_sample(states_of(range(3000)), UNTIL, most) for most in (300, 2000))
    held = set(large.of.hash[large.held_back].tolist())
    assert len(held) / len(large) == pytest.approx(0.2, abs=0.03)
    assert set(small.of.hash[small.held_back].tolist()) <= held
    part = small.take(~small.held_back)
    assert not part.held_back.any()
    assert part.at.size == part.of.orders.sum()


def test_who_comes_or_goes_while_it_is_drawn_does_no_harm() -> None:
    shop = Shop()
    for number in range(300):
        shop.send(order(day(number / 10), customer=f"c{number}"))
    shop.settle()
    sampler = Sampler(shop.core.states, day(40))
    sampler.step(100)
    shop.send(order(day(31), customer="new"), added(day(31), customer="c1"))
    shop.core.states.erase(b"c7")
    shop.settle()
    while not sampler.step(100):
        pass
    assert len(sampler.sample()) == 299


NEWER = bytes((FORM + 1,)) + b"whatever"
GOOD = take_sample(states_of(range(40)), UNTIL).encode()


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "no sample"),
        (b"{}", "no sample"),
        (NEWER, "newer version: upgrade"),
        (GOOD[:-9], "cut short"),
        (GOOD[:40], "damaged"),
        (bytes((FORM,)), "cut short"),
        (bytes((FORM,)) + zlib.compress(b"\x90"), "damaged"),
    ],
)
def test_what_is_no_sample_is_refused_in_one_line(raw: bytes, says: str) -> None:
    with pytest.raises(SampleError, match=says) as error:
        decode_sample(raw)
    assert "\n" not in str(error.value)


@given(st.binary(max_size=60))
def test_no_bytes_do_harm(raw: bytes) -> None:
    for given_ in (raw, bytes((FORM,)) + zlib.compress(raw)):
        with pytest.raises(SampleError):
            decode_sample(given_)


@given(st.data())
def test_a_damaged_sample_is_read_right_or_refused(data: st.DataObject) -> None:
    fields = msgspec.msgpack.decode(zlib.decompress(GOOD[1:]))
    place = data.draw(st.integers(0, len(fields) - 1))
    fields[place] = data.draw(
        st.one_of(st.integers(-(1 << 63), (1 << 64) - 1), st.binary(max_size=400), st.lists(st.binary(), max_size=12))
    )
    try:
        sample = decode_sample(bytes((FORM,)) + zlib.compress(msgspec.msgpack.encode(fields)))
    except SampleError:
        return
    assert sample.of.orders.sum() == sample.at.size
    assert 0 < sample.threshold <= EVERYBODY
