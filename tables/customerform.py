"""The binary form of a customer: `version (1 byte) | plan (4) | wake (8) | MessagePack array`, big-endian.

`wake` and `plan` are read without decoding: `wake` is an instant before which no timer of this customer is due (2^63-1
is NEVER), `plan` the fingerprint of the rules and parameters by which timers were set. With every field that is added
VERSION goes up: a worker of before would drop the new ones, so it must refuse the form. One that no longer means the
same gets a reader of its own, and OLDEST says which forms need none.
"""

from struct import Struct as Layout
from typing import Final

import msgspec

from tables.customer import NEVER, Applied, Customer, StateError, Visitor

VERSION: Final = 3
OLDEST: Final = 1
"""From this form on, states are read as they are."""
HEAD: Final = Layout(">BIQ")
HEAD_SIZE: Final = HEAD.size
_PREFIX_SIZE: Final = 5
_NEVER: Final = ((1 << 63) - 1).to_bytes(8, "big")
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Customer).decode
_decode_applied: Final = msgspec.msgpack.Decoder(Applied).decode


def prefix(plan: int) -> bytes:
    """What the binary forms of all customers of a plan begin with."""
    return VERSION.to_bytes(1, "big") + plan.to_bytes(4, "big")


def pack(customer: Visitor, plan: int) -> bytes:
    """The binary form of a `Customer`, or of what `tables.visitor.unpack_visitor` gave."""
    wake = customer.wake
    packed = pack_away(customer, prefix(plan), wake)
    customer.wake = wake
    return packed


def pack_away(customer: Visitor, begin: bytes, wake: int) -> bytes:
    """The same, with the prefix of its plan and its wake time given, of a customer who is not looked at any more."""
    customer.wake = 0
    return begin + (wake.to_bytes(8, "big") if wake < NEVER else _NEVER) + _encode(customer)


def unpack(packed: bytes) -> Customer:
    """The state of a binary form; raises `StateError`."""
    wake = read_wake(packed)
    try:
        customer = _decode(packed[HEAD_SIZE:])
    except (ValueError, RecursionError) as exc:  # msgspec's own errors are ValueErrors
        raise StateError(f"a customer's state is damaged: {exc}") from exc
    customer.wake = wake
    return customer


def read_wake(packed: bytes) -> int:
    """The wake time of a binary form, without decoding it; raises `StateError`."""
    if len(packed) < HEAD_SIZE:
        raise StateError(f"a customer's state is damaged: it has {len(packed)} bytes, and its head alone {HEAD_SIZE}")
    version = packed[0]
    if not OLDEST <= version <= VERSION:
        raise StateError(_refusal(version))
    if packed[5] or packed[6]:  # far beyond all that has a date
        return min(int.from_bytes(packed[_PREFIX_SIZE:HEAD_SIZE], "big"), NEVER)
    # of every state; in compiled code `int.from_bytes` takes three times as long
    return packed[7] << 40 | packed[8] << 32 | packed[9] << 24 | packed[10] << 16 | packed[11] << 8 | packed[12]


def read_head(packed: bytes) -> tuple[int, int]:
    """(plan, wake) of a binary form, without decoding it; raises `StateError`."""
    wake = read_wake(packed)
    return int.from_bytes(packed[1:_PREFIX_SIZE], "big"), wake


def read_progress(packed: bytes) -> tuple[list[int] | None, int, int]:
    """(applied, plan, wake) of a binary form, without decoding the rest; raises `StateError`."""
    plan, wake = read_head(packed)
    try:
        return _decode_applied(packed[HEAD_SIZE:]).applied, plan, wake
    except ValueError as exc:
        raise StateError(f"a customer's state is damaged: {exc}") from exc


def with_wake(packed: bytes, wake: int) -> bytes:
    """The same state with another wake time."""
    read_wake(packed)
    return packed[:_PREFIX_SIZE] + (wake.to_bytes(8, "big") if wake < NEVER else _NEVER) + packed[HEAD_SIZE:]


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
