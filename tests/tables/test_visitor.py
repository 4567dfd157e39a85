"""What an event of the carts sees and changes of a customer, and that nothing else of it is touched."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import fields

from tables.cart import Cart, CartLine, Checkout, Viewed
from tables.customer import NEVER, Customer, StateError, Visitor
from tables.customerform import BODY, VERSION, pack, unpack
from tables.seen import seen_before
from tables.states import States
from tables.visitor import unpack_visitor
from tests.tables import golden
from tests.tables.test_customer import FULL, customers, plans

SEEN = tuple(Visitor.__annotations__)


@given(customers, plans)
def test_a_visitor_is_the_customer_as_far_as_it_goes(customer: Customer, plan: int) -> None:
    packed = pack(customer, plan)
    visitor = unpack_visitor(packed)
    assert {name: getattr(visitor, name) for name in SEEN} == {name: getattr(customer, name) for name in SEEN}
    assert pack(visitor, plan) == packed


@given(customers, customers, st.binary(min_size=8, max_size=8))
def test_what_is_done_to_a_visitor_is_done_to_the_customer(customer: Customer, other: Customer, digest: bytes) -> None:
    visitor = unpack_visitor(pack(customer, 1))
    for changed in (visitor, customer):
        for name in SEEN:
            setattr(changed, name, getattr(other, name))
        seen_before(changed, digest)
    assert unpack(pack(visitor, 1)) == customer
    assert pack(visitor, 1) == pack(customer, 1)


@pytest.mark.parametrize("known", range(len(fields(Customer)) + 1))
def test_a_form_with_fewer_fields_at_the_end_gets_their_defaults(known: int) -> None:
    empty = Customer(wake=7)
    array = msgspec.msgpack.decode(pack(empty, 0)[BODY:])
    shorter = pack(empty, 0)[:BODY] + msgspec.msgpack.encode(array[:known])
    assert pack(unpack_visitor(shorter), 0) == pack(empty, 0)


@pytest.mark.parametrize("form", range(1, VERSION + 1))
@pytest.mark.parametrize("name", golden.CUSTOMERS)
def test_every_older_form_is_read(form: int, name: str) -> None:
    file = msgspec.json.decode(golden.path_of(form).read_bytes())
    packed = bytes.fromhex(next(state["packed"] for state in file["states"] if state["name"] == name))
    assert unpack(pack(unpack_visitor(packed), 0)) == unpack(packed)
    assert pack(unpack_visitor(packed), 0) == pack(unpack(packed), 0), "and written in the newest"


def test_a_newer_form_is_refused() -> None:
    with pytest.raises(StateError, match="newer version"):
        unpack_visitor(bytes([VERSION + 1]) + pack(FULL, 0)[1:])


@pytest.mark.parametrize("size", range(len(pack(FULL, 0))))
def test_a_truncated_state_is_refused(size: int) -> None:
    with pytest.raises(StateError, match="damaged"):
        unpack_visitor(pack(FULL, 0)[:size])


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(pack(FULL, 0)) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_damage_is_refused_at_once_or_by_whoever_looks_at_it(flips: list[tuple[int, int]]) -> None:
    packed = bytearray(pack(FULL, 0))
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
        assert pack(again, 0) == pack(whole, 0)  # numbers may have become NaN, which is not itself


def test_who_is_held_is_what_an_event_of_the_carts_sees() -> None:
    states = States(1)
    states.ready()
    customer = states.open(b"a")
    states.hold(b"a", customer)
    assert states.open_visitor(b"a") is customer
    assert states.open_visitor(b"b") == Customer(wake=NEVER)


def test_a_visit_is_closed_like_any_change() -> None:
    states = States(1)
    states.ready()
    states.close(b"a", FULL)
    visitor = states.open_visitor(b"a")
    visitor.cart = Cart({"tea": CartLine(2.0, None, None, 5)}, 5, "e5")
    visitor.checkout = Checkout(6, "e6")
    visitor.viewed = {"p": Viewed(2, 7, "e7")}
    states.arm(b"a", visitor, 8)
    states.close(b"a", visitor)
    found = states.open(b"a")
    assert (found.cart, found.checkout, found.viewed) == (visitor.cart, visitor.checkout, visitor.viewed)
    assert (found.orders, found.open, found.profile, found.wake) == (FULL.orders, FULL.open, FULL.profile, 8)
    assert states.pop(9) == (8, b"a", found)
