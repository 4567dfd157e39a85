"""The events a shop sends, as types: what is checked field by field is declared here.

Times are ISO 8601 with an offset, or epoch milliseconds; `streams.flow.decode` turns them into milliseconds. Money
is in major units of its currency. An event is never changed after decoding.
"""

from typing import Annotated, TypeAlias, final

from msgspec import Meta, Struct

Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=512)]
Label: TypeAlias = Annotated[str, Meta(max_length=512)]
Money: TypeAlias = Annotated[float, Meta(ge=0, le=1e12)]
Quantity: TypeAlias = Annotated[float, Meta(gt=0, le=1e9)]
Currency: TypeAlias = Annotated[str, Meta(min_length=1, max_length=8)]
Moment: TypeAlias = int | str

PURCHASES = "purchases"
CARTS = "carts"
CUSTOMERS = "customers"
SOURCES = (CUSTOMERS, PURCHASES, CARTS)
"""The three feeds, in the order in which records of the same instant are taken."""


class Event(Struct, tag_field="type", kw_only=True, gc=False):
    """What every event of a customer carries."""

    event_id: Id
    customer_id: Id
    occurred_at: Moment
    backfill: bool = False


@final
class TimeMark(Struct, tag_field="type", tag="time.mark", kw_only=True, gc=False):
    """Nothing earlier follows in this partition of this topic. No customer; sent by `replay`."""

    occurred_at: Moment
    backfill: bool = False


class OrderItem(Struct, kw_only=True, gc=False):
    product_id: Id
    quantity: Quantity
    price: Money | None = None
    category: Label | None = None
    launched_at: Moment | None = None
    warranty_until: Moment | None = None


class OrderCompleted(Event, tag="order.completed", kw_only=True):
    order_id: Id
    total: Money
    currency: Currency
    items: list[OrderItem]
    coupon: Label | None = None
    discount: Money | None = None
    channel: Label | None = None
    campaign: Label | None = None
    country: Label | None = None


class OrderCancelled(Event, tag="order.cancelled", kw_only=True, gc=False):
    order_id: Id


class OrderRefunded(Event, tag="order.refunded", kw_only=True, gc=False):
    order_id: Id
    amount: Money | None = None
    """None: the whole order."""


class CartItem(Struct, kw_only=True, gc=False):
    product_id: Id
    quantity: Quantity
    price: Money | None = None
    category: Label | None = None


class CartItemAdded(Event, tag="cart.item_added", kw_only=True, gc=False):
    product_id: Id
    quantity: Quantity
    price: Money | None = None
    category: Label | None = None
    cart_id: Label | None = None


class CartItemRemoved(Event, tag="cart.item_removed", kw_only=True, gc=False):
    product_id: Id
    quantity: Quantity
    price: Money | None = None
    category: Label | None = None
    cart_id: Label | None = None


class CartUpdated(Event, tag="cart.updated", kw_only=True):
    """The whole cart, as it is now."""

    items: list[CartItem]
    cart_id: Label | None = None


class CartCleared(Event, tag="cart.cleared", kw_only=True, gc=False):
    cart_id: Label | None = None


class CheckoutStarted(Event, tag="checkout.started", kw_only=True):
    cart_id: Label | None = None
    items: list[CartItem] | None = None
    total: Money | None = None


class ProductViewed(Event, tag="product.viewed", kw_only=True, gc=False):
    product_id: Id
    category: Label | None = None


class Consent(Struct, kw_only=True, gc=False):
    email: bool | None = None
    sms: bool | None = None
    push: bool | None = None


class CustomerUpdated(Event, tag="customer.updated", kw_only=True):
    consent: Consent | None = None
    timezone: Label | None = None
    country: Label | None = None
    attributes: dict[str, object] | None = None


class CustomerMerged(Event, tag="customer.merged", kw_only=True, gc=False):
    previous_id: Id


class CustomerErased(Event, tag="customer.erased", kw_only=True, gc=False):
    pass


PurchaseEvent: TypeAlias = OrderCompleted | OrderCancelled | OrderRefunded
CartEvent: TypeAlias = CartItemAdded | CartItemRemoved | CartUpdated | CartCleared | CheckoutStarted | ProductViewed
CustomerEvent: TypeAlias = CustomerUpdated | CustomerMerged | CustomerErased
AnyEvent: TypeAlias = PurchaseEvent | CartEvent | CustomerEvent

BY_SOURCE = {
    PURCHASES: PurchaseEvent | TimeMark,
    CARTS: CartEvent | TimeMark,
    CUSTOMERS: CustomerEvent | TimeMark,
}
"""Which events each feed carries."""


def type_name(kind: type[Struct]) -> str:
    """The `type` field of an event's class."""
    return str(kind.__struct_config__.tag)
