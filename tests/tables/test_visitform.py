"""Visits that wait in a packed state: whoever opens it finds what they would have done."""

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_digest

from tables.cartchanges import add_item, look_at
from tables.customer import NEVER, Customer, StateError, Visitor
from tables.customerform import BODY, HEAD_SIZE, LARGE, ids_for_visit, pack, read_head, unpack, with_visit, with_wake
from tables.events import CartItemAdded, ProductViewed
from tables.seen import seen_before
from tables.visitform import MOST, ROOM, pack_adding, pack_look
from tables.visitor import unpack_visitor
from tests.support.core import added, viewed
from tests.tables.golden import waiting
from tests.tables.test_customer import FULL, customers, maybe, names, plans

OPENERS: list[Callable[[bytes], Visitor]] = [unpack, unpack_visitor]

times = st.integers(0, 20)
products = st.sampled_from(["tea", "pot", "mug"]) | names
visits = st.lists(
    st.builds(
        lambda at, product, much, category, cart_id, backfill: added(
            at, product, much, category=category, cart_id=cart_id, backfill=backfill
        ),
        times, products, st.floats(0.5, 9.0), maybe, maybe, st.booleans(),
    )
    | st.builds(lambda at, product, category: viewed(at, product, category=category), times, products, maybe),
    max_size=MOST,
)  # fmt: skip


def ids_in(packed: bytes) -> bytes:
    """As `ids_for_visit` finds them, where one may wait."""
    ids = ids_for_visit(packed)
    assert ids is not None
    return ids


def takes_visit(packed: bytes) -> bool:
    return ids_for_visit(packed) is not None


def packed_visit(event: CartItemAdded | ProductViewed) -> bytes:
    digest, at = xxh3_64_digest(event.event_id), int(event.occurred_at)
    return pack_adding(event, digest, at) if isinstance(event, CartItemAdded) else pack_look(event, digest, at)


def applied(customer: Customer, event: CartItemAdded | ProductViewed) -> None:
    """What an event does that does not wait."""
    at = int(event.occurred_at)
    assert not seen_before(customer, xxh3_64_digest(event.event_id))
    if isinstance(event, CartItemAdded):
        customer.cart = add_item(customer.cart, event, at)
    else:
        look_at(customer, customer.cart, event.product_id, event.category, at, event.event_id)


@pytest.mark.parametrize("opened", OPENERS)
@given(customer=customers, plan=plans, wake=st.integers(0, NEVER), events=visits)
def test_they_do_what_they_would_have_done_at_once(
    opened: Callable[[bytes], Visitor], customer: Customer, plan: int, wake: int, events: list[CartItemAdded]
) -> None:
    packed = pack(customer, plan)
    for event in events:
        packed = with_visit(packed, packed_visit(event), wake)
        applied(customer, event)
        customer.wake = wake
    assert packed[HEAD_SIZE] == len(events)
    assert read_head(packed) == (plan, customer.wake)
    assert pack(opened(packed), plan) == pack(customer, plan)
    assert pack(opened(with_wake(packed, 5)), plan)[BODY:] == pack(customer, plan)[BODY:]


def test_a_large_state_is_opened_for_each() -> None:
    small, large = (pack(Customer(products=b"x" * size), 1) for size in (LARGE - 300, LARGE))
    assert takes_visit(small)
    assert not takes_visit(large)


@given(customers)
def test_every_id_that_is_remembered_is_found_without_opening(customer: Customer) -> None:
    packed = pack(customer, 1)
    assume(len(packed) < LARGE - 200)
    ids = ids_in(packed)
    assert customer.seen in ids
    assert len(ids) < 300, "and little else is searched"
    event = added(1)
    assert xxh3_64_digest(event.event_id) in ids_in(with_visit(packed, packed_visit(event), 1))


def test_so_many_wait_and_no_more() -> None:
    packed = pack(FULL, 1)
    for number in range(MOST):
        assert takes_visit(packed)
        packed = with_visit(packed, packed_visit(added(number)), 9)
    assert not takes_visit(packed)
    assert takes_visit(pack(unpack(packed), 1)), "whoever opens it makes room"


def test_long_names_are_not_gathered() -> None:
    packed = pack(FULL, 1)
    while takes_visit(packed):
        packed = with_visit(packed, packed_visit(added(1, "\N{GRINNING FACE}" * 512, category="c" * 512)), 9)
    assert packed[HEAD_SIZE] == 1
    assert len(packed) < len(pack(FULL, 1)) + ROOM + 4 * 4 * 512


def test_none_wait_in_an_older_form_or_a_mere_head() -> None:
    packed = pack(FULL, 1)
    assert not any(takes_visit(packed[:size]) for size in range(BODY))
    for form in (1, 2, 3):
        assert not takes_visit(bytes([form]) + packed[1:HEAD_SIZE] + packed[BODY:])


@pytest.mark.parametrize("opened", OPENERS)
@pytest.mark.parametrize("size", range(len(waiting())))
def test_a_truncated_state_is_refused(opened: Callable[[bytes], Visitor], size: int) -> None:
    with pytest.raises(StateError, match="damaged"):
        opened(waiting()[:size])


@pytest.mark.parametrize("opened", OPENERS)
@pytest.mark.parametrize(("count", "size"), [(0, None), (2, None), (4, None), (255, None), (3, 0), (3, 1), (0, 65_535)])
def test_a_count_that_does_not_fit_is_refused(opened: Callable[[bytes], Visitor], count: int, size: int | None) -> None:
    packed = bytearray(waiting())
    packed[HEAD_SIZE] = count
    if size is not None:
        packed[HEAD_SIZE + 1 : BODY] = size.to_bytes(2, "big")
    with pytest.raises(StateError, match="damaged"):
        opened(bytes(packed))


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(waiting()) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_refused_or_read_alike(flips: list[tuple[int, int]]) -> None:
    packed = bytearray(waiting())
    for place, value in flips:
        packed[place] = value
    try:
        whole: Customer | None = unpack(bytes(packed))
    except StateError:
        whole = None
    try:
        again = unpack(pack(unpack_visitor(bytes(packed)), 0))
    except StateError:
        assert whole is None
    else:
        assert whole is not None
        assert pack(again, 0) == pack(whole, 0)
