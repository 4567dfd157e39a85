"""How figures and trigger types are said to people. Dates are UTC."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import NamedTuple

from streams.logs.events import UNKNOWN_CURRENCY

UNKNOWN = "–"
_LONGEST = 80
"""Characters of an id or a product that the page shows; report.json has all of it."""
NBSP = "\N{NO-BREAK SPACE}"


class Said(NamedTuple):
    """A trigger type in plain words."""

    name: str
    when: str
    """Ends the sentence "It is sent when"."""


TYPES: Mapping[str, Said] = {
    "repurchase.due": Said("Next order expected", "the date is reached on which half of such customers have ordered"),
    "repurchase.overdue": Said("Overdue", "a returning customer is late by their own rhythm and probably stays away"),
    "first_purchase.lapsed": Said("First order, no second", "a customer with one order probably never orders again"),
    "product.replenish_due": Said("Needed again", "a product that the customer buys regularly will be used up by now"),
    "loyal.at_risk": Said("Loyal, at risk", "one of the best customers is as likely gone for good as not"),
    "cart.abandoned": Said("Cart left behind", "a filled cart has not been touched for some hours"),
    "checkout.abandoned": Said("Checkout left behind", "a checkout was begun and not finished"),
    "browse.abandoned": Said("Looked, did not buy", "a product was looked at again and again and not bought"),
    "basket.shrunk": Said("One small basket", "an order is far smaller than the customer's usual one"),
    "basket.shrinking": Said("Baskets shrink", "a customer's orders get smaller and smaller"),
    "basket.grown": Said("Baskets grow", "a customer's orders get larger and larger"),
}
CLASSES = {"1": "1 order", "2-3": "2 or 3 orders", "4-6": "4 to 6 orders", "7+": "7 orders or more"}
"""Customers by the number of their orders so far, as `agents.evidence.scoring.CLASSES` has them."""


def said(kind: str) -> Said:
    """The words for a type; a type without words stands for itself."""
    return TYPES.get(kind, Said(kind, ""))


def count(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:,.0f}"


def rate(value: float) -> str:
    """So many a day."""
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 0.1 or not value else "< 0.1"


def many(value: int, thing: str) -> str:
    """1 order, 2 orders."""
    return f"{value:,} {thing}{'' if value == 1 else 's'}"


def percent(value: float | None, digits: int = 0) -> str:
    return UNKNOWN if value is None else f"{100 * value:.{digits}f}{NBSP}%"


def days(value: float | None) -> str:
    """A span; under ten days to the tenth."""
    if value is None:
        return UNKNOWN
    shown = f"{value:,.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")
    return f"{shown} day" if shown == "1" else f"{shown} days"


def day(instant: str | None) -> str:
    """The date of an instant in ISO 8601, or a date: 7 May 1998."""
    if instant is None:
        return UNKNOWN
    found = datetime.fromisoformat(instant).astimezone(UTC) if "T" in instant else date.fromisoformat(instant)
    return f"{found.day} {found:%b %Y}"


def short(value: str, most: int = _LONGEST) -> str:
    """What the log calls something: not longer than a line, and with nothing in it that moves what stands beside it."""
    plain = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in value)
    return plain if len(plain) <= most else f"{plain[: most - 1]}…"


def money(total: float | None, currency: str | None) -> str:
    """An amount of an order; nothing where there is none."""
    if total is None:
        return ""
    return f"{total:,.2f}" if currency is None or currency == UNKNOWN_CURRENCY else f"{total:,.2f} {short(currency)}"
