"""The peers' job in plain Python: the Python peers call it for each event, and every peer's totals are held against it.

The standard library alone: it runs in the peers' environments. A state is what JSON can hold.
"""

from math import exp, log
from typing import Any

DAY_MS = 86_400_000
_Z90 = 1.28
"""Of the logarithms of a customer's gaps, nine in ten lie so many standard deviations above the mean or lower."""
_SHRUNK = -1.5
"""How far the logarithm of a basket has to be below the mean of the earlier ones."""

State = dict[str, Any]


def fresh() -> State:
    """A customer of whom nothing is known."""
    return {
        "orders": 0,
        "last": 0,
        "gaps": 0.0,
        "gaps_squared": 0.0,
        "basket": 0.0,
        "basket_squares": 0.0,
        "due": 0.0,
        "cart": None,
        "touched": 0,
        "views": 0,
    }


def fold(state: State, event: dict[str, Any]) -> dict[str, Any] | None:
    """Change the state by an event of the standard load; the trigger, if it calls for one."""
    kind = event["type"]
    if kind == "order.completed":
        return _order(state, event)
    if kind == "cart.item_added":
        cart = state["cart"] = state["cart"] or {}
        quantity, _ = cart.get(event["product_id"], (0, 0.0))
        cart[event["product_id"]] = [quantity + event["quantity"], event["price"]]
        state["touched"] = event["occurred_at"]
    else:
        state["views"] += 1
    return None


def _order(state: State, event: dict[str, Any]) -> dict[str, Any] | None:
    at = event["occurred_at"]
    if state["orders"]:
        gap = log(max(at - state["last"], 1) / DAY_MS)
        state["gaps"] += gap
        state["gaps_squared"] += gap * gap
    state["orders"] += 1
    state["last"] = at
    basket = log(event["total"] + 1)
    distance = basket - state["basket"]
    state["basket"] += distance / state["orders"]
    state["basket_squares"] += distance * (basket - state["basket"])
    state["cart"] = None
    state["due"] = at + DAY_MS * exp(state["gaps"] / max(state["orders"] - 1, 1) + _Z90)
    return {"order_id": event["order_id"], "distance": distance} if distance < _SHRUNK else None
