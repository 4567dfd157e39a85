"""The binary form of a customer, big-endian:

`version (1 byte) | plan (4) | wake (8) | number of visits (1) | their bytes (2) | visits | MessagePack array`.

`wake` and `plan` are read without decoding: `wake` is an instant before which no timer of this customer is due (2^63-1
is NEVER), `plan` the fingerprint of the rules and parameters by which timers were set. The visits wait to be applied
(`tables.visitform`): whoever opens the state finds them applied. Up to version 3 there were none, and the array began
where they are counted.

With every field that is added VERSION goes up: a worker of before would drop the new ones, so it must refuse the form.
"""

from collections.abc import Callable
from struct import Struct as Layout
from typing import Any, Final

import msgspec

from tables.customer import NEVER, Applied, Customer, StateError, Visitor
from tables.seen import SEEN_BYTES
from tables.visitform import MOST, ROOM, apply_visits

VERSION: Final = 4
OLDEST: Final = 1
"""Forms from this one on are read."""
HEAD: Final = Layout(">BIQ")
HEAD_SIZE: Final = HEAD.size
"""Of what all forms begin with."""
BODY: Final = HEAD_SIZE + 3
"""Where the visits begin, the array where there are none."""
_WITHOUT_VISITS: Final = 3
"""The last version that knew none."""
_VISITS_SIZE: Final = HEAD_SIZE + 1
LARGE: Final = 3_072
"""Bytes of a state in which no visit waits: copied, it costs as much as opened. A cart that is full is one of them."""
_SEEN: Final = 4 + SEEN_BYTES
"""Of the array's head, and that of its first element."""
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
    return b"%b%b\0\0\0%b" % (begin, wake.to_bytes(8, "big") if wake < NEVER else _NEVER, _encode(customer))


def unpack(packed: bytes) -> Customer:
    """The state of a binary form; raises `StateError`."""
    return unpack_by(packed, _decode)  # type: ignore[no-any-return]


def unpack_by(packed: bytes, decode: Callable[[bytes], Any]) -> Any:
    """The state as `decode` reads its array; raises `StateError`."""
    wake = read_wake(packed)
    begin = _begin(packed)
    try:
        customer = decode(packed[begin:])
    except (ValueError, RecursionError) as exc:  # msgspec's own errors are ValueErrors
        raise StateError(f"a customer's state is damaged: {exc}") from exc
    customer.wake = wake
    if begin > BODY or (begin == BODY and packed[HEAD_SIZE]):
        apply_visits(customer, packed[HEAD_SIZE], packed[BODY:begin])
    return customer


def _begin(packed: bytes) -> int:
    """Where the array begins; raises `StateError`. The head has been read."""
    if packed[0] <= _WITHOUT_VISITS:
        return HEAD_SIZE
    if len(packed) < BODY:
        raise StateError(f"a customer's state is damaged: it ends after {len(packed)} bytes")
    return BODY + (packed[_VISITS_SIZE] << 8 | packed[_VISITS_SIZE + 1])


def ids_for_visit(packed: bytes) -> bytes | None:
    """A part of a binary form, whose head has been read, that holds the hashes of all events that are remembered.

    None where no more visits may wait.
    """
    if not BODY <= len(packed) <= LARGE or packed[0] != VERSION or packed[HEAD_SIZE] >= MOST:
        return None
    size = packed[_VISITS_SIZE] << 8 | packed[_VISITS_SIZE + 1]
    return packed[BODY : BODY + size + _SEEN] if size <= ROOM else None


def with_visit(packed: bytes, visit: bytes, wake: int) -> bytes:
    """The same state with one more visit that waits, as `tables.visitform` packs it, and this wake time."""
    size = packed[_VISITS_SIZE] << 8 | packed[_VISITS_SIZE + 1]
    visits = (packed[HEAD_SIZE] + 1) << 16 | (size + len(visit))
    end = BODY + size
    return b"%b%b%b%b%b%b" % (
        packed[:_PREFIX_SIZE],
        wake.to_bytes(8, "big") if wake < NEVER else _NEVER,
        visits.to_bytes(3, "big"),
        packed[BODY:end],
        visit,
        packed[end:],
    )


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
    begin = _begin(packed)
    try:
        return _decode_applied(packed[begin:]).applied, plan, wake
    except ValueError as exc:
        raise StateError(f"a customer's state is damaged: {exc}") from exc


def with_wake(packed: bytes, wake: int) -> bytes:
    """The same state with another wake time."""
    read_wake(packed)
    return b"%b%b%b" % (
        packed[:_PREFIX_SIZE],
        wake.to_bytes(8, "big") if wake < NEVER else _NEVER,
        packed[HEAD_SIZE:],
    )


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
