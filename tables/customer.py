"""All that is remembered of one customer, and its binary form.

The form is `version (1 byte) | plan (4) | wake (8) | MessagePack array`, big-endian. `wake` and `plan` are read without
decoding: `wake` is an instant before which no timer of this customer is due, `plan` the fingerprint of the rules and
parameters by which timers were set. Fields are only ever added at the end of a struct, with a default: then an older
form is read as it is. With every such change VERSION goes up: a worker of before would drop the new fields, so it must
refuse the form. One that no longer means the same gets a reader of its own, and OLDEST says which forms need none.
"""

from struct import Struct as Layout
from struct import error as LayoutError  # noqa: N812
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from tables.basket import Basket, Foreign
from tables.cart import Cart, Checkout, Viewed
from tables.orders import Orders

VERSION = 3
OLDEST = 1
"""From this form on, states are read as they are."""
NEVER = (1 << 63) - 1
MAX_SEEN = 32
"""How many event ids are remembered: the second coming of one of them changes nothing."""
_SEEN_BYTES = 8 * MAX_SEEN
MAX_OPEN = 8


class OpenTrigger(Struct, array_like=True, gc=False):
    """A trigger that was sent and that a later event can still contradict."""

    rule: str
    version: str
    trigger_id: str
    due_at: int
    fired_at: int
    expires_at: int
    since: int
    """An order at or after this instant contradicts it."""


class Profile(Struct, array_like=True, gc=False):
    """What the shop says of the customer. Consent: None is unknown."""

    email: bool | None = None
    sms: bool | None = None
    push: bool | None = None
    timezone: str | None = None
    country: str | None = None
    updated_at: int = 0


class Customer(Struct, array_like=True, gc=False):
    """The rolling state of one customer."""

    seen: bytes = b""
    """The newest event ids, 8 bytes of hash each, oldest first."""
    orders: Orders | None = None
    basket: Basket | None = None
    cart: Cart | None = None
    checkout: Checkout | None = None
    viewed: dict[str, Viewed] | None = None
    open: list[OpenTrigger] = []
    profile: Profile | None = None
    applied: list[int] | None = None
    """The last offset applied of each source (tables.events.SOURCES), where delivery is at_least_once."""
    wake: int = 0
    """In memory: the due time of this customer's entry among the timers. Packed: 0, the head holds it."""
    products: bytes = b""
    """What was bought how often, in the form of `tables.productform`: it is opened only where that matters."""
    foreign: Foreign | None = None
    """Baskets of other currencies than the first one."""


class Visitor(Protocol):
    """What of a `Customer` events of the carts feed may read and change: see tables.visitor."""

    seen: bytes
    cart: Cart | None
    checkout: Checkout | None
    viewed: dict[str, Viewed] | None
    applied: list[int] | None
    wake: int


class _Applied(Struct, array_like=True, gc=False):
    """A customer of whom one field alone is looked at."""

    seen: Raw
    orders: Raw
    basket: Raw
    cart: Raw
    checkout: Raw
    viewed: Raw
    open: Raw
    profile: Raw
    applied: list[int] | None = None


class StateError(RuntimeError):
    """A state cannot be read by this version: stop, and run the version that wrote it or a newer one."""


HEAD = Layout(">BIQ")
HEAD_SIZE = HEAD.size
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Customer).decode
_decode_applied = msgspec.msgpack.Decoder(_Applied).decode


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


def seen_before(customer: Visitor, digest: bytes) -> bool:
    """Whether an event id of this 8-byte hash was applied; if not, it is remembered."""
    seen = customer.seen
    at = seen.find(digest)
    while at >= 0:
        if not at % 8:
            return True
        at = seen.find(digest, at + 1)
    customer.seen = seen + digest if len(seen) < _SEEN_BYTES else seen[len(digest) - _SEEN_BYTES :] + digest
    return False
