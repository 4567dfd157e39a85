"""The largest state there can be: every text as long as an event may have it, every memory full."""

from tables.cart import MAX_LINES, MAX_VIEWED
from tables.customer import MAX_OPEN
from tables.events import CustomerUpdated
from tables.orders import DAY, REMEMBERED
from tables.productform import unpack_products
from tables.products import REGULARS
from tables.seen import MAX_SEEN
from tests.support.core import MINUTE, Shop, added, checkout, day, item, order, viewed

LONGEST = 512
LARGEST = 670_000
"""Bytes; as tables/README.md has it."""


def text(number: int) -> str:
    """One that takes most room: four bytes a character."""
    return f"{number:08}".translate({ord(digit): chr(0x1F600 + int(digit)) for digit in "0123456789"}).rjust(
        LONGEST, "\N{GRINNING FACE}"
    )


def fill(shop: Shop, begin: int, rounds: int) -> None:
    at = day(0) + begin * MINUTE
    profile = CustomerUpdated(
        event_id=text(begin), customer_id="ann", occurred_at=at, country=text(1), timezone=text(2)
    )
    shop.send(profile)
    bought = [item(text(begin + number), 1e9, text(number)) for number in range(REGULARS)]
    for before in range(9, 3, -1):
        items = bought[:6] if before > 6 else bought[6:]
        name = text(begin + 700 + before)
        shop.send(order(at - before * DAY, 10.0, event_id=name, order_id=name, items=items))
    for number in range(begin, begin + rounds):
        at = day(0) + number * MINUTE
        shop.send(order(at, 10.0, event_id=text(3 * number), order_id=text(number)))
        shop.send(viewed(at, text(number), event_id=text(3 * number + 1), category=text(number)))
        shop.send(viewed(at, text(number), event_id=text(3 * number + 2), category=text(number)))
    for number in range(begin, begin + 2 * MAX_LINES):
        shop.send(added(at, text(number), category=text(number), price=1e-9, cart_id=text(3)))
    shop.send(checkout(at, event_id=text(4)))
    for number in range(begin, begin + 2 * MAX_VIEWED):
        shop.send(viewed(at, text(number), event_id=text(3 * number + 1), category=text(number)))
    shop.settle()


def test_the_largest_state_is_as_large_as_the_page_says_and_no_larger() -> None:
    shop = Shop()
    fill(shop, 0, 50)
    customer = shop.customer()
    assert customer.cart is not None
    assert customer.viewed is not None
    assert len(customer.cart.lines) == MAX_LINES
    assert len(customer.viewed) == MAX_VIEWED
    assert len(customer.seen) == 8 * MAX_SEEN
    assert len(shop.orders().recent) == REMEMBERED
    assert len(unpack_products(customer.products).regulars) == REGULARS
    first = len(shop.durable[b"ann"])
    assert 0.9 * LARGEST < first <= LARGEST
    fill(shop, 1_000, 50)
    assert len(shop.durable[b"ann"]) <= LARGEST
    assert abs(len(shop.durable[b"ann"]) - first) < 1_000
    assert len(shop.customer().open) <= MAX_OPEN
