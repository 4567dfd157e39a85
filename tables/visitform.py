"""The binary form of visits that wait in a packed state, and what they do to it when it is opened.

To take a state apart for every visit, and to put it together again, would cost several times what the visit does.
"""

from typing import Final, TypeAlias

import msgspec

from tables.cartchanges import add_line, look_at
from tables.customer import StateError, Visitor
from tables.events import CartItemAdded, ProductViewed
from tables.seen import remember

MOST: Final = 8
"""Visits that wait, at the most; one MessagePack byte says how many elements an array has up to 15."""
ROOM: Final = 2_048
"""Bytes they take at the most, so that long names do not gather."""
_FIXARRAY: Final = 0x90

Visit: TypeAlias = tuple[bytes, int, str, str, str | None, float, float | None, str | None, bool]
"""Hash of the event's id, event time (epoch ms), event_id, product_id and category; of an item that went into the cart
quantity, price, cart_id, and whether it is a backfill. The quantity of a look is 0.
"""
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[Visit]).decode


def pack_adding(event: CartItemAdded, digest: bytes, at: int) -> bytes:
    """`digest`: the hash of its id; `at`: its event time, epoch ms."""
    return _encode(
        (digest, at, event.event_id, event.product_id, event.category, event.quantity, event.price, event.cart_id,
         event.backfill)
    )  # fmt: skip


def pack_look(event: ProductViewed, digest: bytes, at: int) -> bytes:
    """The same of a look that is no backfill."""
    return _encode((digest, at, event.event_id, event.product_id, event.category, 0, None, None, False))


def apply_visits(visitor: Visitor, count: int, packed: bytes) -> None:
    """Do to a customer what `count` visits in their binary form would have done; raises `StateError`."""
    try:
        visits: list[Visit] = _decode(bytes((_FIXARRAY + count,)) + packed)
    except ValueError as exc:
        raise StateError(f"a customer's state is damaged: {exc}") from exc
    digests = []
    cart = visitor.cart
    for digest, at, event_id, product, category, quantity, price, cart_id, backfill in visits:
        digests.append(digest)
        if quantity:
            cart = add_line(cart, product, quantity, price, category, at, event_id, cart_id, backfill)
        else:
            look_at(visitor, cart, product, category, at, event_id)
    visitor.cart = cart
    remember(visitor, b"".join(digests))
