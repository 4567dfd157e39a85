"""What is remembered of products: the same however it comes, bounded whatever comes, and never the regulars' loss."""

from collections.abc import Sequence
from itertools import pairwise, permutations
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.customer import StateError
from tables.events import OrderItem
from tables.productform import due_of, pack_products, seconds, unpack_products, with_new
from tables.products import DAY, KEPT, NEVER, ONCE, REGULARS, TWICE, Products, Regular

T0 = 1_704_067_200
"""A midnight."""
Order = tuple[int, dict[str, float]]
"""Day, and what was bought."""
orders = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.dictionaries(st.integers(0, 30).map(lambda n: f"product-{n}"), st.sampled_from((0.5, 1.0, 2.0)), min_size=1),
    ),
    max_size=40,
)


def nothing() -> Products:
    return Products({}, {}, {})


def on(day: float) -> int:
    return T0 + round(day * DAY)


def items(bought: dict[str, float]) -> list[OrderItem]:
    return [OrderItem(product_id=name, quantity=quantity) for name, quantity in bought.items()]


def take(packed: bytes, at: int, bought: dict[str, float]) -> bytes:
    """An order of which each product is looked at."""
    products = unpack_products(packed)
    for name, quantity in bought.items():
        products.buy(name, None, at, quantity)
    products.trim(at)
    return pack_products(products)


def after(*bought: tuple[float, float]) -> Products:
    """One product bought on these days, so much each."""
    products = nothing()
    for day, quantity in bought:
        products.buy("coffee", "drinks", on(day), quantity)
    return products


def regular_after(*bought: tuple[float, float]) -> Regular:
    return after(*bought).regulars["coffee"]


def sums(bought: Sequence[tuple[float, float]]) -> list[float]:
    """By their definition: of y, x, y^2, x y, x^2 over the intervals, the newest counting most."""
    rows = [
        (KEPT**age, log(later - day), log(quantity))
        for age, ((day, quantity), (later, _)) in enumerate(reversed(list(pairwise(bought))))
    ]
    return [sum(w * f for w, f in found) for found in (
        [(w, y) for w, y, _ in rows], [(w, x) for w, _, x in rows], [(w, y * y) for w, y, _ in rows],
        [(w, x * y) for w, y, x in rows], [(w, x * x) for w, _, x in rows],
    )]  # fmt: skip


def kept(one: Regular) -> list[float]:
    return [one.sy, one.sx, one.syy, one.sxy, one.sxx]


@given(orders)
def test_what_was_never_bought_is_added_as_if_all_were_looked_at(log_of: list[Order]) -> None:
    quick = slow = b""
    added = 0
    for day, bought in log_of:
        slow = take(slow, on(day), bought)
        new = with_new(quick, on(day), items(bought))
        added += new is not None
        quick = take(quick, on(day), bought) if new is None else new
        assert unpack_products(quick) == unpack_products(slow)
        assert quick == slow
    assert added > 0 or not log_of


@given(orders)
def test_the_form_gives_back_what_it_was_given(log_of: list[Order]) -> None:
    packed = b""
    for day, bought in log_of:
        packed = take(packed, on(day), bought)
        assert pack_products(unpack_products(packed)) == packed
        assert due_of(packed) == NEVER
        products = unpack_products(packed)
        assert len(products.once) <= ONCE
        assert len(products.twice) <= TWICE
        assert len(products.regulars) <= REGULARS


def test_the_sums_are_those_of_their_definition() -> None:
    bought = [(0.0, 1.0), (31.5, 2.0), (90.0, 0.5), (100.0, 3.0), (170.25, 1.0)]
    one = regular_after(*bought)
    assert (one.days, one.previous, one.previous_quantity, one.last, one.quantity) == (5, on(100), 3.0, on(170.25), 1.0)
    assert kept(one) == pytest.approx(sums(bought))
    assert one.weight == pytest.approx(1 + KEPT + KEPT**2 + KEPT**3)


@pytest.mark.parametrize("order", list(permutations(((0.0, 1.0), (30.0, 2.0), (95.0, 0.5)))))
def test_three_purchases_are_the_same_in_any_order(order: tuple[tuple[float, float], ...]) -> None:
    assert regular_after(*order) == regular_after((0.0, 1.0), (30.0, 2.0), (95.0, 0.5))


def test_a_late_purchase_finds_its_place_between_the_last_two() -> None:
    in_time = regular_after((0, 1), (30, 2), (60, 1), (75, 3), (90, 1))
    late = regular_after((0, 1), (30, 2), (60, 1), (90, 1), (75, 3))
    assert kept(late) == pytest.approx(kept(in_time))
    assert (late.days, late.previous, late.last) == (in_time.days, in_time.previous, in_time.last)


def test_one_that_is_later_than_that_changes_nothing() -> None:
    assert regular_after((0, 1), (30, 2), (60, 1), (90, 1), (45, 3)) == regular_after((0, 1), (30, 2), (60, 1), (90, 1))


def test_the_purchases_of_a_day_are_one() -> None:
    one = regular_after((0, 1), (30, 1), (30.5, 2), (60, 1), (60.1, 1), (60.2, 1))
    assert (one.days, one.quantity, one.last) == (3, 3.0, on(60))
    assert kept(one) == pytest.approx(sums([(0, 1), (30, 3), (60, 3)]))
    late = regular_after((0, 1), (30, 1), (60, 3), (30.5, 2))
    assert kept(late) == pytest.approx(kept(one))
    assert after((0, 1), (0.5, 1)).once == after((0, 2)).once
    assert after((0, 1), (9, 1), (9.5, 2)).twice == after((0, 1), (9, 3)).twice


@given(st.lists(st.tuples(st.integers(1, 400), st.sampled_from((0.5, 1.0, 2.0, 7.0))), min_size=3, max_size=9))
def test_to_take_the_last_purchase_back_is_as_if_it_had_not_been(gaps: list[tuple[int, float]]) -> None:
    bought, day = [], 0
    for gap, quantity in gaps:
        day += gap
        bought.append((float(day), quantity))
    products = after(*bought)
    (one,) = products.take_back(on(day)) if len(bought) > 2 else [None]
    before = after(*bought[:-1])
    if one is not None and len(bought) > 3:
        assert kept(one) == pytest.approx(kept(before.regulars["coffee"]), abs=1e-9)
        assert (one.days, one.last) == (len(bought) - 1, on(bought[-2][0]))
        assert products.take_back(one.last) == [], "the one before that is not known any more"
        again = products.buy("coffee", None, on(day + 9), 1.0)
        assert again is not None
        assert kept(again) == pytest.approx(sums([*bought[:-1], (day + 9.0, 1.0)]), abs=1e-9)


def test_newcomers_are_taken_back_too() -> None:
    products = after((0, 1))
    assert products.take_back(on(0)) == []
    assert products == nothing()
    products = after((0, 1), (30, 2))
    products.take_back(on(30))
    assert products == after((0, 1))
    products = after((0, 1), (30, 2))
    products.take_back(on(0))
    assert products == after((30, 2))
    products.take_back(on(1))
    assert products == after((30, 2)), "no purchase of that instant"


def test_a_hundred_thousand_products_push_out_no_regular() -> None:
    packed = b""
    for day in (0, 30, 60):
        packed = take(packed, on(day), {"coffee": 1.0, "filters": 1.0})
    for day in range(61, 81):
        crowd = {f"thing-{day}-{number}": 1.0 for number in range(5_000)}
        new = with_new(packed, on(day), items(crowd))
        packed = take(packed, on(day), crowd)
        assert new == packed
        assert len(packed) < 300
    assert set(unpack_products(packed).regulars) == {"coffee", "filters"}
    packed = take(packed, on(90), {"coffee": 1.0})
    assert unpack_products(packed).regulars["coffee"].days == 4


def test_of_a_large_basket_the_same_products_are_followed_from_week_to_week() -> None:
    packed, basket = b"", {f"food-{number}": 1.0 for number in range(40)}
    for week in range(8):
        odd = {f"odd-{week}-{number}": 1.0 for number in range(20)}
        packed = take(packed, on(7 * week), basket | odd)
    regulars = unpack_products(packed).regulars
    assert len(regulars) == REGULARS
    assert set(regulars) <= set(basket)
    assert max(one.days for one in regulars.values()) >= 6


def test_a_regular_that_is_not_bought_any_more_makes_room() -> None:
    products = nothing()
    for number in range(REGULARS):
        for day in (0, 10, 20):
            products.buy(f"old-{number}", None, on(day + number / 10), 1.0)
    for day in (15, 22, 29):  # all are lively still, and bought on as many days
        products.buy("new", None, on(day), 1.0)
        products.trim(on(day))
    assert len(products.regulars) == REGULARS
    assert "new" in products.regulars
    for day in (100, 110, 120):
        products.buy("newer", None, on(day), 1.0)
        products.trim(on(day))
    assert "newer" in products.regulars
    assert len(products.regulars) == REGULARS


def test_the_earliest_due_time_is_read_alone() -> None:
    products = after((0, 1), (30, 1), (60, 1))
    products.regulars["coffee"].due = on(90)
    products.regulars["tea"] = Regular("tea", None, 3, 0, 1.0, on(0), 1.0, due=on(80), told=True)
    packed = pack_products(products)
    assert (due_of(packed), due_of(b"")) == (on(90), NEVER)
    assert [one.product_id for one in unpack_products(packed).waiting()] == ["coffee"]
    assert unpack_products(packed).regulars["tea"].told


@pytest.mark.parametrize("quantity", [1e-9, 1e9])
def test_any_quantity_and_any_time_can_be_kept(quantity: float) -> None:
    packed = b""
    for at in (-(1 << 62), 0, 1, 1 << 62):
        packed = take(packed, seconds(at), {"x": quantity})
        packed = with_new(packed, seconds(1 << 62), items({f"y{at}": quantity})) or packed
    assert unpack_products(packed)


def test_names_are_kept_as_they_are() -> None:
    products = nothing()
    for name, category in (("grün", ""), ("x" * 512, "\N{GRINNING FACE}" * 512), ("\ud7ff\x00", None)):
        for day in (0, 9, 20):
            products.buy(name, category, on(day), 1.0)
    found = unpack_products(pack_products(products)).regulars
    assert {name: one.category for name, one in found.items()} == {
        "grün": "", "x" * 512: "\N{GRINNING FACE}" * 512, "\ud7ff\x00": None,
    }  # fmt: skip


def test_what_is_damaged_is_told() -> None:
    packed = pack_products(after((0, 1), (30, 1), (60, 1)))
    for broken in (packed[:3], packed[:40], b"\x00\x00\x00\x00\x07\x00" + packed[6:]):
        with pytest.raises(StateError, match="products are damaged"):
            unpack_products(broken)
