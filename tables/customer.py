"""All that is remembered of one customer.

Fields are only ever added at the end of a struct, with a default: then an older binary form is read as it is. With
every change the VERSION of that form goes up (`tables.customerform`).
"""

from typing import Final, Protocol

from msgspec import Raw, Struct

from tables.basket import Basket, Foreign
from tables.cart import Cart, Checkout, Viewed
from tables.orders import Orders

NEVER: Final = (1 << 62) - 1
"""Later than any instant, in epoch ms; the largest number that compiled code compares without a call."""
MAX_OPEN: Final = 8


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


class Applied(Struct, array_like=True, gc=False):
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
