"""Events of the contract as producers write them, valid ones and, by a change, others; and what reads them."""

import json
from typing import Any

import pytest

from streams.flow.decode import KINDS, RejectedError, decoder
from tables.events import CARTS, CUSTOMERS, PURCHASES, AnyEvent, TimeMark

WALL = 1_750_000_000_000
AT = WALL - 86_400_000
COMMON = {"event_id": "e-1", "customer_id": "ann", "occurred_at": AT}
ORDER: dict[str, Any] = {
    **COMMON,
    "type": "order.completed",
    "order_id": "o-1",
    "total": 49.9,
    "currency": "EUR",
    "items": [{"product_id": "p-1", "quantity": 2, "price": 24.95, "category": "tea"}],
}
ADDED: dict[str, Any] = {**COMMON, "type": "cart.item_added", "product_id": "p-1", "quantity": 1}
VALID: dict[str, list[dict[str, Any]]] = {
    PURCHASES: [
        ORDER,
        {
            **ORDER,
            "items": [
                {"product_id": "p", "quantity": 1, "launched_at": "2024-01-01T00:00:00Z", "warranty_until": WALL * 2}
            ],
            "coupon": "SPRING",
            "discount": 5,
            "channel": "web",
            "campaign": "c",
            "country": "DE",
            "backfill": True,
        },
        {**ORDER, "total": 0, "items": []},
        {**COMMON, "type": "order.cancelled", "order_id": "o-1"},
        {**COMMON, "type": "order.refunded", "order_id": "o-1"},
        {**COMMON, "type": "order.refunded", "order_id": "o-1", "amount": 12.5},
    ],
    CARTS: [
        ADDED,
        {**ADDED, "cart_id": "c", "price": 0, "category": "tea", "quantity": 0.5},
        {**ADDED, "type": "cart.item_removed"},
        {**COMMON, "type": "cart.updated", "items": [{"product_id": "p", "quantity": 3}]},
        {**COMMON, "type": "cart.updated", "items": []},
        {**COMMON, "type": "cart.cleared"},
        {**COMMON, "type": "checkout.started"},
        {**COMMON, "type": "checkout.started", "cart_id": "c", "total": 3, "items": []},
        {**COMMON, "type": "product.viewed", "product_id": "p"},
    ],
    CUSTOMERS: [
        {**COMMON, "type": "customer.updated"},
        {
            **COMMON,
            "type": "customer.updated",
            "consent": {"email": True, "sms": None},
            "timezone": "Europe/Berlin",
            "country": "DE",
            "attributes": {"any": ["thing", {"at": 1.5}]},
        },
        {**COMMON, "type": "customer.merged", "previous_id": "b"},
        {**COMMON, "type": "customer.erased"},
    ],
}
EVERY = [(source, event) for source, events in VALID.items() for event in events]


def encoded(event: dict[str, Any], **changes: Any) -> bytes:
    return json.dumps({**event, **changes}, ensure_ascii=False).encode()


def read(source: str, value: bytes | None, key: bytes | None = b"ann") -> tuple[AnyEvent | TimeMark, int]:
    return decoder(source)(key, value, WALL)


def refused(source: str, value: bytes | None, key: bytes | None = b"ann") -> tuple[str, str]:
    """Kind and reason."""
    with pytest.raises(RejectedError) as caught:
        read(source, value, key)
    assert caught.value.kind in KINDS
    assert str(caught.value)
    assert len(str(caught.value)) <= 300
    return caught.value.kind, str(caught.value)


def raw(field: str, text: str, event: dict[str, Any] = ADDED) -> bytes:
    """The event with a field written as no JSON library would write it."""
    return encoded({**event, field: "@"}).replace(b'"@"', text.encode())
