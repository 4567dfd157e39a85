"""Where decisions gather while a batch is worked on, and what holds for each: its stamp, its staleness, its memory."""

from collections.abc import Callable
from typing import Any

from msgspec import UNSET

from agents.decisions import Decision, RuleRef, Trigger, cancel, iso
from agents.rulebook.rules import Rule
from tables.customer import MAX_OPEN, NEVER, Customer, OpenTrigger


class Emitter:
    """Gathers the decisions of one partition, in order.

    `now` (epoch ms) is when a decision is made: the wall clock when the worker is live, event time in a replay.
    """

    def __init__(self) -> None:
        self.now = 0
        self.decisions: list[Decision] = []

    def take(self) -> list[Decision]:
        """What has gathered, in order; the list starts anew."""
        decisions, self.decisions = self.decisions, []
        return decisions

    def trigger(
        self,
        customer: Customer,
        *,
        rule: Rule,
        ref: RuleRef,
        trigger_id: str,
        customer_id: str,
        due: int,
        since: int,
        evidence: dict[str, Any],
        reason: str = "",
        order_id: str | None = None,
        cart: dict[str, Any] | None = None,
    ) -> Trigger:
        """A trigger due at `due`.

        Older than the rule's `max_age` it is suppressed as stale, so that neither a backfill nor a long outage floods
        anybody; else it is remembered, and an order at or after `since` cancels it (NEVER: none does; an erasure
        cancels all).
        """
        fired = max(due, self.now)
        trigger = Trigger(
            trigger_id=trigger_id,
            type=ref.name,
            customer_id=customer_id,
            rule=ref,
            due_at=iso(due),
            fired_at=iso(fired),
            expires_at=iso(fired + rule.expires),
            reason=reason,
            evidence=evidence,
            cart=UNSET if cart is None else cart,
            order_id=UNSET if order_id is None else order_id,
        )
        self.decisions.append(trigger)
        if fired - due > rule.max_age:
            trigger.suppressed_by = "stale"
        else:
            customer.open.append(
                OpenTrigger(ref.name, ref.version, trigger_id, due, fired, fired + rule.expires, since)
            )
            if len(customer.open) > MAX_OPEN:
                customer.open.remove(min(customer.open, key=_expiry))
        return trigger

    def cancel(self, customer_id: str, which: list[OpenTrigger], reason: str, cause: dict[str, Any]) -> None:
        """Cancel triggers that are no longer open."""
        for opened in which:
            self._cancel(customer_id, opened, reason, cause)

    def cancel_where(
        self,
        customer_id: str,
        customer: Customer,
        which: Callable[[OpenTrigger], bool],
        reason: str,
        cause: dict[str, Any],
    ) -> None:
        """Cancel those of the customer's open triggers that are chosen."""
        kept = []
        for opened in customer.open:
            if which(opened):
                self._cancel(customer_id, opened, reason, cause)
            else:
                kept.append(opened)
        customer.open = kept

    def _cancel(self, customer_id: str, opened: OpenTrigger, reason: str, cause: dict[str, Any]) -> None:
        stamp = max(self.now, opened.fired_at)
        self.decisions.append(cancel(opened, customer_id, stamp, reason, cause))


def take_answered(customer: Customer, at: int) -> list[OpenTrigger]:
    """What an order at `at` contradicts, for `Emitter.cancel`: open no longer. What only expires is let go."""
    answered, kept = [], []
    for opened in customer.open:
        since = opened.since
        if at >= since:
            answered.append(opened)
        elif since < NEVER or opened.expires_at > at:
            kept.append(opened)
    customer.open = kept
    return answered


def _expiry(opened: OpenTrigger) -> int:
    return opened.expires_at
