"""What is remembered of a customer's open cart, of a checkout, and of products looked at."""

from typing import Final

from msgspec import Struct

MAX_LINES: Final = 100
"""Products kept of one cart; beyond it the longest untouched goes, so that one customer's cart stays bounded."""
MAX_VIEWED: Final = 20


class CartLine(Struct, array_like=True, gc=False):
    quantity: float
    """Not positive: taken out before its late adding is known."""
    price: float | None
    category: str | None
    at: int


class Cart(Struct, array_like=True, gc=False):
    """The open cart by product. Times in epoch ms of event time."""

    lines: dict[str, CartLine]
    touched_at: int = 0
    touched_by: str = ""
    """The event_id of the newest change."""
    since: int = 0
    """Emptied or replaced at this instant (an order, a whole cart): what happened before it is answered."""
    cart_id: str | None = None
    told: bool = False
    """This state of the cart has had its trigger, or came as backfill."""


class Checkout(Struct, array_like=True, gc=False):
    at: int
    event_id: str
    total: float | None = None
    told: bool = False


class Viewed(Struct, array_like=True, gc=False):
    """One product looked at: how often, and when last."""

    times: int
    at: int
    event_id: str
    category: str | None = None
