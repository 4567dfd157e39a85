"""All that is remembered of a customer, as fields that others may rely on. Pure."""

from typing import Any

import msgspec

from agents.decisions import iso
from agents.portrait import Portrait
from agents.triggers.cart import describe
from tables.basket import Basket
from tables.cartchanges import is_empty
from tables.customer import Customer
from tables.orders import Orders
from tables.productform import unpack_products
from tables.products import NEVER

_SECOND = 1000


def facts(portrait: Portrait, customer: Customer) -> dict[str, Any]:
    """The fields of the view in Redis (`agents.portrait.Portrait`), and the rest of the state. Raises StateError."""
    shown: dict[str, Any] = msgspec.to_builtins(portrait)
    return {
        **shown,
        "recent_orders": _orders(customer.orders),
        "baskets": [_basket(basket) for basket in baskets_of(customer)],
        "cart": _cart(customer),
        "checkout": _checkout(customer),
        "viewed": [
            {"product_id": product, "times": seen.times, "last_at": iso(seen.at), "category": seen.category}
            for product, seen in (customer.viewed or {}).items()
        ],
        "products": _products(customer),
        "profile": _profile(customer),
    }


def baskets_of(customer: Customer) -> list[Basket]:
    """By currency, that of the first order first."""
    found = [] if customer.basket is None else [customer.basket]
    return found + ([] if customer.foreign is None else customer.foreign.baskets)


def _orders(orders: Orders | None) -> list[dict[str, Any]]:
    """Those that are remembered by name, the oldest first."""
    return [
        {"order_id": one.order_id, "at": iso(one.at), "total": one.total, "returned": one.returned}
        for one in (orders.recent if orders is not None else [])
    ]


def _basket(basket: Basket) -> dict[str, Any]:
    return {
        "currency": basket.currency,
        "orders": basket.n,
        "average": round(basket.mean, 2) if basket.n else None,
        "typical": round(basket.typical, 2) if basket.n else None,
        "revenue": round(basket.revenue, 2),
    }


def _cart(customer: Customer) -> dict[str, Any] | None:
    cart = customer.cart
    if cart is None or is_empty(cart):
        return None
    return {**describe(cart), "touched_at": iso(cart.touched_at), "told": cart.told}


def _checkout(customer: Customer) -> dict[str, Any] | None:
    checkout = customer.checkout
    return None if checkout is None else {"started_at": iso(checkout.at), "total": checkout.total}


def _products(customer: Customer) -> dict[str, Any]:
    products = unpack_products(customer.products)
    return {
        "regulars": [
            {
                "product_id": one.product_id,
                "category": one.category,
                "days": one.days,
                "quantity": float(f"{one.quantity:.3g}"),
                "last_bought_at": iso(one.last * _SECOND),
                "due_at": None if one.due == NEVER else iso(one.due * _SECOND),
                "told": one.told,
            }
            for one in products.regulars.values()
        ],
        "bought_twice": len(products.twice),
        "bought_once": len(products.once),
    }


def _profile(customer: Customer) -> dict[str, Any] | None:
    profile = customer.profile
    if profile is None:
        return None
    consent = {"email": profile.email, "sms": profile.sms, "push": profile.push}
    return {
        "consent": consent,
        "timezone": profile.timezone,
        "country": profile.country,
        "updated_at": iso(profile.updated_at),
    }
