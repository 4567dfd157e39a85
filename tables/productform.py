"""The binary form of a customer's products.

`due (4) | once (1) | twice (1) |` products bought twice, regulars, products bought once; big-endian. A product bought
once takes 10 bytes, one bought twice 16, a regular 43 and its names. The due time is read alone, and what was never
bought before is added without a look at the rest: that is most of what most shops sell.
"""

from struct import Struct as Layout
from struct import error as LayoutError  # noqa: N812
from typing import Final

from xxhash import xxh32_digest

from tables.customer import StateError
from tables.events import OrderItem
from tables.products import LAST_SECOND, NEVER, ONCE, Products, Regular, clipped

_HEAD: Final = Layout(">IBB")
_ONCE: Final = Layout(">IIe")
_HALF: Final = Layout(">e")
_BYTES: Final = [bytes((number,)) for number in range(ONCE + 1)]
_EMPTY: Final = NEVER.to_bytes(4, "big") + b"\0\0"
_TWICE: Final = Layout(">IIeIe")
_HEAD_SIZE: Final = _HEAD.size
_ONCE_SIZE: Final = _ONCE.size
_TWICE_SIZE: Final = _TWICE.size
_ONCE_ROOM: Final = ONCE * _ONCE_SIZE
_REGULAR: Final = Layout(">HHHBIeIe5fI")
"""Bytes of the names, days, flags, and the fields of a regular in their order; `told` is a flag."""
_TOLD: Final = 1
_CATEGORY: Final = 2
IDLE: Final = NEVER >> 24
"""The first byte of what is not due at any time."""
_MOST_DAYS: Final = (1 << 16) - 1
_FIRST_SECOND: Final = 1
_hash: Final = xxh32_digest
_USUAL: Final = 10
_HALVES: Final = [_HALF.pack(clipped(number)) for number in range(_USUAL + 1)]
"""Whole quantities up to the usual ones, packed."""


def seconds(at: int) -> int:
    """Epoch ms as the seconds in which products are remembered."""
    return min(max(at // 1000, _FIRST_SECOND), LAST_SECOND)


def due_of(packed: bytes) -> int:
    """When the next regular is due, in epoch seconds; NEVER."""
    return int.from_bytes(packed[:4], "big") if packed else NEVER


def pack_products(products: Products) -> bytes:
    """The binary form; nothing remembered is no bytes."""
    once, twice, regulars = products.once, products.twice, products.regulars
    if not (once or twice or regulars):
        return b""
    parts = [_HEAD.pack(products.next_due, len(once), len(twice))]
    parts += [_TWICE.pack(name, *bought) for name, bought in twice.items()]
    for one in regulars.values():
        name = one.product_id.encode()
        category = b"" if one.category is None else one.category.encode()
        flags = one.told * _TOLD + (one.category is not None) * _CATEGORY
        parts.append(
            _REGULAR.pack(
                len(name), len(category), min(one.days, _MOST_DAYS), flags, one.previous, one.previous_quantity,
                one.last, one.quantity, one.sy, one.sx, one.syy, one.sxy, one.sxx, one.due,
            )
        )  # fmt: skip
        parts += (name, category)
    parts += [_ONCE.pack(name, *bought) for name, bought in once.items()]
    return b"".join(parts)


def unpack_products(packed: bytes) -> Products:
    """The products of a binary form; raises `StateError`."""
    if not packed:
        return Products({}, {}, {})
    try:
        _, once, twice = _HEAD.unpack_from(packed)
        middle, end = _HEAD.size + twice * _TWICE.size, len(packed) - once * _ONCE.size
        return Products(
            {name: (at, much) for name, at, much in _ONCE.iter_unpack(packed[end:])},
            {
                name: (at, much, last, more)
                for name, at, much, last, more in _TWICE.iter_unpack(packed[_HEAD.size : middle])
            },
            _regulars(packed, middle, end),
        )
    except (LayoutError, UnicodeDecodeError) as error:
        raise StateError(f"a customer's products are damaged: {error}") from error


def _regulars(packed: bytes, at: int, end: int) -> dict[str, Regular]:
    found = {}
    while at < end:
        name_size, category_size, days, flags, *fields = _REGULAR.unpack_from(packed, at)
        middle = at + _REGULAR.size + name_size
        name = packed[at + _REGULAR.size : middle].decode()
        at = middle + category_size
        category = packed[middle:at].decode() if flags & _CATEGORY else None
        one = found[name] = Regular(name, category, days, *fields)
        one.told = bool(flags & _TOLD)
    return found


def with_new(packed: bytes, at: int, items: list[OrderItem]) -> bytes | None:
    """The same products after an order at `at` (seconds) of others, as `Products.trim` leaves them.

    None: some may be known already, or the order is not the newest; look at them one by one. This runs for most orders,
    so it calls as little as it can.
    """
    if not _FIRST_SECOND <= at <= LAST_SECOND:
        return None
    when = at.to_bytes(4, "big")
    form = packed or _EMPTY
    count = form[4]
    if count and form[-6:-2] >= when:
        return None
    end = len(form) - count * _ONCE_SIZE
    named = form[_HEAD_SIZE + form[5] * _TWICE_SIZE : end]
    bought: dict[bytes, bytes] = {}
    for item in items:
        product = item.product_id
        name = _hash(product)
        # not `name in packed`, which takes half as long again: it tries the name as a number first
        if packed and (packed.find(name) >= 0 or (named and product.encode() in named)):
            return None
        quantity = item.quantity
        if 0.0 <= quantity <= _USUAL and (whole := int(quantity)) == quantity:
            half = _HALVES[whole]
        else:
            half = _HALF.pack(clipped(quantity))
        bought[name] = b"%b%b%b" % (name, when, half)
    new = list(bought.values())
    if len(new) < len(items):
        return None
    new.sort()
    new.reverse()
    once = (form[end:] + b"".join(new))[-_ONCE_ROOM:]
    return b"%b%b%b%b" % (form[:4], _BYTES[len(once) // _ONCE_SIZE], form[5:end], once)
