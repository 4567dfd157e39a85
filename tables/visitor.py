"""A customer as events of the carts feed see it: cart and views are decoded, the rest is carried along packed.

Most events are of that feed, and look at no order, basket or trigger: what they would cost to take apart and to put
together again grows with what is remembered, up to most of such an event's time.
"""

from typing import Any, Final

import msgspec
from msgspec import NODEFAULT, Raw
from msgspec.structs import FieldInfo, fields

from tables.customer import Customer, Visitor
from tables.customerform import VERSION, unpack, unpack_by


def _carried(field: FieldInfo) -> tuple[str, Any, Any]:
    """A field of `Visitor` as `Customer` has it, any other as it is packed; both with the same default."""
    default = field.default if field.default_factory is NODEFAULT else field.default_factory()
    if field.name in Visitor.__annotations__:
        return field.name, field.type, default
    return field.name, Raw, Raw(msgspec.msgpack.encode(default))


_decode: Final = msgspec.msgpack.Decoder(
    msgspec.defstruct("_Visitor", map(_carried, fields(Customer)), array_like=True, gc=False)
).decode


def unpack_visitor(packed: bytes) -> Visitor:
    """What `unpack` gives, as far as a visitor goes. Raises `StateError`, though not for damage elsewhere.

    What is carried along keeps its form, so one of an older version is taken apart wholly.
    """
    if packed and packed[0] < VERSION:
        return unpack(packed)
    return unpack_by(packed, _decode)  # type: ignore[no-any-return]
