"""Why a rule has told of a customer or has not: what is said of one rule, in one form and in the same words."""

from typing import Literal

from msgspec import Struct

from agents.decisions import iso
from tables.customer import Customer

State = Literal["off", "lacks", "waits", "next_order", "told", "passed"]
"""Disabled; a condition is missing; a timer runs; the next order is looked at; told; decided, and not sent."""


class Ground(Struct):
    """One rule and one customer."""

    rule: str
    state: State
    why: str
    """A sentence that a marketer understands."""
    due_at: int | None = None
    """When it fires unless the customer does something before (`waits`), or was due; epoch ms."""


def off(rule: str) -> Ground:
    return Ground(rule, "off", "the rule is disabled")


IMPORTED = "it was imported"
GONE = "it was too long ago (max_age), or something has contradicted it"


def decided(rule: str, customer: Customer, due: int, why: str, again: str) -> Ground:
    """What was due at `due` has been decided. `why` it does not stand, if not; `again`: what lets it fire once more."""
    found = [opened.fired_at for opened in customer.open if opened.rule == rule and opened.due_at == due]
    if found:
        return Ground(rule, "told", f"told on {minute(found[-1])}; again {again}", due)
    return Ground(rule, "passed", f"was due on {minute(due)}, and does not stand: {why}; again {again}", due)


def orders(count: int) -> str:
    return f"{count or 'no'} order{'' if count == 1 else 's'}"


def percent(share: float) -> str:
    """With a digit more where it would be rounded to 0 or 100."""
    return f"{100 * share:.0f} %" if 0.01 <= share <= 0.99 else f"{100 * share:.2g} %"


def day(at: float) -> str:
    """The date of epoch ms, in UTC."""
    return iso(round(at))[:10]


def minute(at: int) -> str:
    """Epoch ms to the minute, in UTC."""
    return iso(at)[:16].replace("T", " ")
