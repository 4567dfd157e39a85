"""The binary form of a customer: what goes in comes out, what is older is read, what is newer or broken is refused."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tables.basket import Basket, Foreign
from tables.cart import Cart, CartLine, Checkout, Viewed
from tables.customer import NEVER, Customer, OpenTrigger, Profile, StateError
from tables.customerform import BODY, HEAD_SIZE, VERSION, pack, read_head, unpack, with_wake
from tables.orders import Orders, RecentOrder
from tables.seen import MAX_SEEN, seen_before

instants = st.integers(0, 1 << 53)
names = st.text(max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
counts = st.integers(0, 1 << 31)
maybe = st.none() | names
flags = st.booleans()

recent = st.builds(RecentOrder, names, names, instants, numbers, numbers)
lines = st.builds(CartLine, numbers, st.none() | numbers, maybe, instants)
zeros = st.none() | numbers
baskets = st.builds(Basket, names, counts, numbers, numbers, numbers, zeros, zeros, zeros, st.integers(0, 3))
customers = st.builds(
    Customer,
    seen=st.binary(max_size=MAX_SEEN).map(lambda ids: ids.ljust(-(-len(ids) // 8) * 8, b"\0")),
    orders=st.none()
    | st.builds(
        Orders,
        counts,
        instants,
        instants,
        counts,
        numbers,
        numbers,
        st.lists(recent, max_size=12),
        instants,
        instants,
        st.integers(0, 3),
        flags,
        instants,
    ),
    basket=st.none() | baskets,
    cart=st.none()
    | st.builds(Cart, st.dictionaries(names, lines, max_size=5), instants, names, instants, maybe, flags),
    checkout=st.none() | st.builds(Checkout, instants, names, st.none() | numbers, flags),
    viewed=st.none()
    | st.dictionaries(names, st.builds(Viewed, counts, instants, names, maybe), min_size=1, max_size=5),
    open=st.lists(
        st.builds(OpenTrigger, names, names, names, instants, instants, instants, instants | st.just(NEVER)), max_size=8
    ),
    profile=st.none()
    | st.builds(Profile, st.none() | flags, st.none() | flags, st.none() | flags, maybe, maybe, instants),
    applied=st.none() | st.lists(st.integers(-1, NEVER), min_size=3, max_size=3),
    wake=st.integers(1, NEVER),
    foreign=st.none() | st.builds(Foreign, st.lists(baskets, max_size=3), st.dictionaries(names, names, max_size=3)),
)
plans = st.integers(0, (1 << 32) - 1)


@given(customers, plans)
def test_what_goes_in_comes_out(customer: Customer, plan: int) -> None:
    wake = customer.wake
    packed = pack(customer, plan)
    assert customer.wake == wake, "packing leaves the state as it is"
    assert read_head(packed) == (plan, wake)
    found = unpack(packed)
    assert found == customer
    assert pack(found, plan) == packed


@given(customers, plans, st.integers(0, NEVER))
def test_another_wake_time_changes_nothing_else(customer: Customer, plan: int, wake: int) -> None:
    moved = with_wake(pack(customer, plan), wake)
    assert read_head(moved) == (plan, wake)
    customer.wake = wake
    assert unpack(moved) == customer


@given(st.integers(NEVER, (1 << 64) - 1))
def test_what_lies_beyond_any_instant_is_never(wake: int) -> None:
    packed = pack(Customer(), 1)
    packed = packed[:5] + wake.to_bytes(8, "big") + packed[HEAD_SIZE:]
    assert read_head(packed) == (1, NEVER)
    assert unpack(packed).wake == NEVER


def test_no_wake_time_is_written_as_it_always_was() -> None:
    assert pack(Customer(wake=NEVER), 1)[5:HEAD_SIZE] == ((1 << 63) - 1).to_bytes(8, "big")


def test_two_states_share_nothing() -> None:
    first, second = Customer(), Customer()
    first.open.append(OpenTrigger("r", "v", "t", 1, 2, 3, 4))
    assert second.open == []
    assert unpack(pack(first, 0)).open is not first.open


def test_a_new_customer_is_small() -> None:
    assert len(pack(Customer(wake=NEVER), 0)) <= 31


def test_a_usual_customer_is_small() -> None:
    """Five orders, a cart of three products, one trigger: what the memory of a worker is made of."""
    customer = Customer(
        seen=b"x" * 64,
        orders=Orders(5, 1, 2, 5, 1.5, 2.5, [RecentOrder(f"order-{n}", f"event-{n}", 1 << 40, 9.9) for n in range(5)]),
        basket=Basket("EUR", 5, 3.5, 0.4, 250.0),
        cart=Cart({f"product-{n}": CartLine(1.0, 9.9, "drinks", 1 << 40) for n in range(3)}, 1 << 40, "event-9"),
        open=[OpenTrigger("cart.abandoned", "1-12345678", "x" * 36, 1 << 40, 1 << 40, 1 << 40, 1 << 40)],
        profile=Profile(True, None, None, "Europe/Berlin", "DE", 1 << 40),
        wake=1 << 40,
    )
    assert len(pack(customer, 0)) < 700


# --- other versions --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", range(len(Customer.__struct_fields__) + 1))
def test_a_form_with_fewer_fields_at_the_end_is_read_with_defaults(fields: int) -> None:
    packed = pack(Customer(wake=7), 0)
    array = msgspec.msgpack.decode(packed[BODY:])
    assert len(array) == len(Customer.__struct_fields__)
    older = packed[:BODY] + msgspec.msgpack.encode(array[:fields])
    assert unpack(older) == Customer(wake=7)


def test_orders_of_an_older_form_get_defaults() -> None:
    array = [b"", [2, 10, 20, 2, 0.5, 0.25, [["o", "e", 20, 9.5]]]]
    found = unpack(pack(Customer(), 0)[:BODY] + msgspec.msgpack.encode(array))
    assert found.orders == Orders(2, 10, 20, 2, 0.5, 0.25, [RecentOrder("o", "e", 20, 9.5, 0.0)], 0, 0, 0, False, 0)


@pytest.mark.parametrize("version", [VERSION + 1, 255])
def test_a_newer_form_is_refused_and_says_what_to_do(version: int) -> None:
    packed = bytes([version]) + pack(Customer(), 0)[1:]
    for read in (unpack, read_head):
        with pytest.raises(StateError, match=rf"newer version \(form {version}, .* up to {VERSION}\): upgrade the wo"):
            read(packed)


def test_no_form_of_ours_is_refused() -> None:
    with pytest.raises(StateError, match="unknown form 0: this is not a changelog of Offbeat"):
        unpack(bytes(40))


# --- damage ----------------------------------------------------------------------------------------------------------

FULL = Customer(
    seen=b"12345678",
    orders=Orders(2, 1, 2, 2, 0.1, 0.2, [RecentOrder("o", "e", 1, 2.0)]),
    basket=Basket("EUR"),
    cart=Cart({"köln": CartLine(1.0, None, "c", 3)}),
    viewed={"p": Viewed(1, 2, "e")},
    open=[OpenTrigger("r", "v", "t", 1, 2, 3, 4)],
    profile=Profile(),
    wake=9,
)


@pytest.mark.parametrize("size", range(len(pack(FULL, 0))))
def test_a_truncated_state_is_refused(size: int) -> None:
    with pytest.raises(StateError, match="damaged"):
        unpack(pack(FULL, 0)[:size])


@settings(max_examples=400)
@given(st.lists(st.tuples(st.integers(0, len(pack(FULL, 0)) - 1), st.integers(0, 255)), min_size=1, max_size=4))
def test_flipped_bytes_are_refused_or_read_never_another_error(flips: list[tuple[int, int]]) -> None:
    packed = bytearray(pack(FULL, 0))
    for place, value in flips:
        packed[place] = value
    try:
        told = type(unpack(bytes(packed))).__name__
    except StateError as exc:
        told = str(exc)
    assert told


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(rubbish: bytes) -> None:
    for packed in (rubbish, pack(FULL, 0)[:HEAD_SIZE] + rubbish, pack(FULL, 0)[:BODY] + rubbish):
        try:
            unpack(packed)
            read_head(packed)
        except StateError:
            continue


def test_bytes_that_are_not_utf8_where_text_stands_are_refused() -> None:
    packed = pack(FULL, 0)
    with pytest.raises(StateError, match="damaged"):
        unpack(packed.replace("köln".encode(), b"k\xff\xffln"))


def test_a_state_nested_without_end_is_refused() -> None:
    array: list[object] = [b"", None, None, None, None, None, [], None, None, 0]
    body = bytearray(msgspec.msgpack.encode(array))
    body[0] = 0x9B  # one more field, which nobody knows
    with pytest.raises(StateError, match="damaged"):
        unpack(pack(FULL, 0)[:BODY] + bytes(body) + b"\x91" * 100_000)


# --- event ids -------------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(min_size=8, max_size=8), max_size=80))
def test_the_newest_ids_are_known(digests: list[bytes]) -> None:
    customer = Customer()
    known: list[bytes] = []
    for digest in digests:
        assert seen_before(customer, digest) is (digest in known)
        if digest not in known:
            known = [*known, digest][-MAX_SEEN:]
    assert customer.seen == b"".join(known)


def test_an_id_across_the_border_of_two_others_is_not_known() -> None:
    customer = Customer(seen=b"abcdefghABCDEFGH")
    assert not seen_before(customer, b"efghABCD")
    assert seen_before(customer, b"ABCDEFGH")
