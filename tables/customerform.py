"""The binary form of a customer: `version (1 byte) | plan (4) | wake (8) | MessagePack array`, big-endian.

`wake` and `plan` are read without decoding: `wake` is an instant before which no timer of this customer is due, `plan`
the fingerprint of the rules and parameters by which timers were set. With every field that is added VERSION goes up: a
worker of before would drop the new ones, so it must refuse the form. One that no longer means the same gets a reader of
its own, and OLDEST says which forms need none.
"""

from struct import Struct as Layout
from struct import error as LayoutError  # noqa: N812
from typing import Final

import msgspec

from tables.customer import Applied, Customer, StateError, Visitor

VERSION: Final = 3
OLDEST: Final = 1
"""From this form on, states are read as they are."""
HEAD: Final = Layout(">BIQ")
HEAD_SIZE: Final = HEAD.size
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Customer).decode
_decode_applied: Final = msgspec.msgpack.Decoder(Applied).decode


def pack(customer: Visitor, plan: int) -> bytes:
    """The binary form of a `Customer`, or of what `tables.visitor.unpack_visitor` gave."""
    wake = customer.wake
    customer.wake = 0
    body = _encode(customer)
    customer.wake = wake
    return HEAD.pack(VERSION, plan, wake) + body


def unpack(packed: bytes) -> Customer:
    """The state of a binary form; raises `StateError`."""
    try:
        version, _, wake = HEAD.unpack_from(packed)
        if OLDEST <= version <= VERSION:
            customer = _decode(packed[HEAD_SIZE:])
            customer.wake = wake
            return customer
    except (LayoutError, ValueError, RecursionError) as exc:  # msgspec's own errors are ValueErrors
        raise StateError(f"a customer's state is damaged: {exc}") from exc
    raise StateError(_refusal(version))


def read_head(packed: bytes) -> tuple[int, int]:
    """(plan, wake) of a binary form, without decoding it; raises `StateError`."""
    try:
        version, plan, wake = HEAD.unpack_from(packed)
    except LayoutError as exc:
        raise StateError(f"a customer's state is damaged: {exc}") from exc
    if not OLDEST <= version <= VERSION:
        raise StateError(_refusal(version))
    return plan, wake


def read_progress(packed: bytes) -> tuple[list[int] | None, int, int]:
    """(applied, plan, wake) of a binary form, without decoding the rest; raises `StateError`."""
    plan, wake = read_head(packed)
    try:
        return _decode_applied(packed[HEAD_SIZE:]).applied, plan, wake
    except ValueError as exc:
        raise StateError(f"a customer's state is damaged: {exc}") from exc


def with_wake(packed: bytes, wake: int) -> bytes:
    """The same state with another wake time."""
    return with_head(packed, read_head(packed)[0], wake)


def with_head(packed: bytes, plan: int, wake: int) -> bytes:
    """The same state with another plan and wake time."""
    return HEAD.pack(VERSION, plan, wake) + packed[HEAD_SIZE:]


def moved(packed: bytes) -> bytes:
    """The same state in another partition, whose offsets are others."""
    customer = unpack(packed)
    if customer.applied is None:
        return packed
    customer.applied = None
    return pack(customer, read_head(packed)[0])


def _refusal(version: int) -> str:
    if version > VERSION:
        return (
            f"state was written by a newer version (form {version}, this one reads up to {VERSION}): upgrade the worker"
        )
    return f"state has the unknown form {version}: this is not a changelog of Offbeat"
