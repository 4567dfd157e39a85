"""The open cart: what lies in it after events in any order, and that it stays bounded."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tables.cart import MAX_LINES, MAX_VIEWED, Cart, Viewed
from tables.cartchanges import (
    add_item,
    empty_cart,
    forget_views,
    is_empty,
    look_at,
    remove_item,
    replace_cart,
    start_checkout,
)
from tables.customer import Customer
from tables.events import CartItem, CartItemAdded, CartItemRemoved, ProductViewed
from tests.support.core import added, cart, checkout, removed, viewed

Change = tuple[str, int, int]
"""What, which product, how many."""


def views(*events: ProductViewed) -> dict[str, Viewed]:
    """What is known of products after looks at them."""
    customer = Customer()
    for event in events:
        assert look_at(customer, None, event.product_id, event.category, int(event.occurred_at), event.event_id)
    assert customer.viewed is not None
    return customer.viewed


def quantities(found: Cart | None) -> dict[str, float]:
    return {} if found is None else {name: line.quantity for name, line in found.lines.items() if line.quantity > 0}


def applied(events: list[CartItemAdded | CartItemRemoved]) -> Cart | None:
    found: Cart | None = None
    for event in events:
        assert isinstance(event.occurred_at, int)
        if isinstance(event, CartItemAdded):
            found = add_item(found, event, event.occurred_at)
        else:
            found = remove_item(found, event, event.occurred_at)
    return found


@pytest.mark.parametrize("arrival", list(permutations(range(4))))
def test_adding_and_removing_come_to_the_same_in_any_order(arrival: tuple[int, ...]) -> None:
    """As long as no more is taken out than was put in, which only a late event can make seem so."""
    events: list[CartItemAdded | CartItemRemoved] = [
        added(1, "tea", 3),
        added(2, "pot", 1),
        removed(3, "tea", 1),
        removed(4, "pot", 1),
    ]
    found = applied([events[place] for place in arrival])
    assert quantities(found) == {"tea": 2.0}
    assert found is not None
    assert (found.touched_at, found.touched_by) == (4, events[3].event_id)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 3)), min_size=1, max_size=12), st.data())
def test_any_additions_in_any_order(items: list[tuple[int, int]], data: st.DataObject) -> None:
    events: list[CartItemAdded | CartItemRemoved] = [
        added(at, f"p{product}", quantity) for at, (product, quantity) in enumerate(items, 1)
    ]
    late = data.draw(st.permutations(events))
    wanted: dict[str, float] = {}
    for product, quantity in items:
        wanted[f"p{product}"] = wanted.get(f"p{product}", 0.0) + quantity
    assert quantities(applied(late)) == wanted


def test_what_is_not_there_is_not_owed_to_what_comes_later() -> None:
    assert quantities(applied([removed(1), added(2, quantity=2)])) == {"tea": 2.0}
    assert quantities(applied([added(1), removed(2, quantity=5), added(3)])) == {"tea": 1.0}


def test_prices_and_categories_are_kept_when_an_event_has_none() -> None:
    found = applied([added(1, price=5.0, category="drinks"), added(2)])
    assert found is not None
    line = found.lines["tea"]
    assert (line.quantity, line.price, line.category, line.at) == (2.0, 5.0, "drinks", 2)


def test_an_emptied_cart_forgets_its_name() -> None:
    found = applied([added(1, cart_id="c"), removed(2)])
    assert found is not None
    assert (is_empty(found), found.cart_id) == (True, None)
    emptied = empty_cart(applied([added(1, cart_id="c")]), 2)
    assert emptied is not None
    assert (is_empty(emptied), emptied.cart_id, emptied.since) == (True, None, 2)


def test_emptying_in_the_past_takes_what_lay_there_then() -> None:
    found = empty_cart(applied([added(1, "tea"), added(5, "pot")]), 3)
    assert quantities(found) == {"pot": 1.0}
    assert found is not None
    assert (found.since, found.touched_at) == (3, 5)
    at_once = empty_cart(applied([added(3, "tea"), added(5, "pot")]), 3)
    assert quantities(at_once) == {"pot": 1.0}, "what lay there at that very instant too"
    assert empty_cart(None, 7) == Cart({}, since=7)


def test_nothing_from_before_an_order_comes_back() -> None:
    found = empty_cart(None, 10)
    found = add_item(found, added(9), 9)
    found = remove_item(found, removed(9), 9)
    found = replace_cart(found, cart(9, "pot"), 9)
    assert found == Cart({}, since=10)


def test_a_whole_cart_counts_products_that_stand_twice_together() -> None:
    found = replace_cart(None, cart(1, "tea", "pot", "tea"), 1)
    assert quantities(found) == {"tea": 2.0, "pot": 1.0}


def test_the_oldest_lines_go_first() -> None:
    found: Cart | None = None
    for number in range(MAX_LINES + 20):
        found = add_item(found, added(number + 1, f"p{number}"), number + 1)
    found = add_item(found, added(3, "late and older than all"), 3)
    assert found is not None
    assert list(found.lines) == [f"p{number}" for number in range(20, MAX_LINES + 20)]


def test_removals_of_unknown_products_do_not_push_out_a_line() -> None:
    found: Cart | None = None
    for number in range(MAX_LINES):
        found = add_item(found, added(1, f"p{number}"), 1)
    for number in range(50):
        found = remove_item(found, removed(2, f"unknown-{number}"), 2)
    assert len(quantities(found)) == MAX_LINES


def test_a_full_cart_of_removals_lets_an_adding_in() -> None:
    found: Cart | None = None
    for number in range(MAX_LINES + 5):
        found = remove_item(found, removed(number + 1, f"unknown-{number}"), number + 1)
    found = add_item(found, added(500), 500)
    assert quantities(found) == {"tea": 1.0}


def test_a_checkout_keeps_the_newest() -> None:
    found, opened = start_checkout(None, None, checkout(5, event_id="b"), 5)
    assert opened is not None
    assert (opened.at, opened.event_id, found.touched_at) == (5, "b", 5)
    again, same = start_checkout(found, opened, checkout(4, event_id="a"), 4)
    assert same is opened
    assert again is found
    _, newer = start_checkout(found, opened, checkout(6, event_id="c", total=3.0), 6)
    assert newer is not None
    assert (newer.at, newer.event_id, newer.total) == (6, "c", 3.0)


def test_a_checkout_older_than_the_cart_does_not_change_its_contents() -> None:
    found = add_item(None, added(5, "tea"), 5)
    items = [CartItem(product_id="cup", quantity=1.0)]
    found, opened = start_checkout(found, None, checkout(4, items=items), 4)
    assert quantities(found) == {"tea": 1.0}
    assert opened is not None


@given(st.lists(st.integers(0, 60), min_size=1, max_size=200))
def test_views_are_bounded_to_the_newest_products(products: list[int]) -> None:
    found = views(*(viewed(at, f"p{product}") for at, product in enumerate(products, 1)))
    newest = list(dict.fromkeys(reversed(products)))[:MAX_VIEWED]
    assert set(found) == {f"p{product}" for product in newest}
    for name, seen in found.items():
        assert seen.at == max(place for place, one in enumerate(products, 1) if f"p{one}" == name)


def test_a_late_look_counts_and_moves_no_time_back() -> None:
    found = views(viewed(5, event_id="b"), viewed(3, event_id="a"))
    assert (found["tea"].times, found["tea"].at, found["tea"].event_id) == (2, 5, "b")


def test_views_up_to_an_order_are_forgotten() -> None:
    found = views(viewed(1), viewed(3, "pot"))
    kept = forget_views(found, 2)
    assert kept is not None
    assert set(kept) == {"pot"}
    assert forget_views(kept, 3) is None
