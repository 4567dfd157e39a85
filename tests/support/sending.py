"""The senders of deploy/senders as processes, and the triggers that they are fed with."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.decisions import Cancellation, Decision, RuleRef, Trigger, cancel, trigger_id
from streams.brokers.embedded import EmbeddedBroker
from streams.flow.messages import MessageWriter
from tables.customer import OpenTrigger
from tests.support.processes import Running
from tests.support.topics_io import Message, Send, produce, read_all
from tests.support.workers import ROOT, Deployment

SENDERS = ROOT / "deploy" / "senders"
CART = {"items": [{"product_id": "tea", "quantity": 2, "price": 4.5, "category": None}], "total": 9.0}


def trigger(
    customer: str,
    *,
    now: datetime | None = None,
    hours: float = 24,
    holdout: bool = False,
    kind: str = "cart.abandoned",
    **fields: Any,
) -> Trigger:
    """One that fired at `now` (the present) and expires `hours` after it."""
    at = now or datetime.now(UTC)
    rule = RuleRef(kind, "1-12345678")
    fired = _iso(at)
    return Trigger(
        trigger_id=trigger_id(rule, customer, "cause"),
        type=kind,
        customer_id=customer,
        rule=rule,
        due_at=fired,
        fired_at=fired,
        expires_at=_iso(at + timedelta(hours=hours)),
        reason="a cart was left 4 hours ago",
        holdout=holdout,
        **{"cart": CART, "evidence": {}, **fields},
    )


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def taken_back(sent: Trigger) -> Cancellation:
    opened = OpenTrigger(sent.type, sent.rule.version, sent.trigger_id, 0, 0, 0, 0)
    return cancel(opened, sent.customer_id, 0, "an order came", {})


def tell(to: Deployment, *decisions: Decision) -> None:
    """Write them to their topics, all to partition 0, as the worker would."""
    rows = [MessageWriter(to.settings).decision(decision) for decision in decisions]
    produce(to.broker, [Send(row.topic, row.key, row.value, 0, tuple(row.headers)) for row in rows])


class Sender(Running):
    """A sender, running. `with Sender(to, "mail_sender.py", "--smtp", ...) as sender:`; its end kills it."""

    def __init__(self, to: Deployment, program: str, *options: str, environ: Mapping[str, str] | None = None) -> None:
        self.to = to
        session = "1s" if isinstance(to.broker, EmbeddedBroker) else "6s"
        self.arguments = [str(SENDERS / program), "--session", session, "--verbose", *options]
        known = {"OFFBEAT_BROKERS": to.settings.brokers, "OFFBEAT_PREFIX": to.settings.prefix, **(environ or {})}
        super().__init__(self.arguments, {**os.environ, **known})

    def dead_letters(self, name: str) -> list[Message]:
        return read_all(self.to.broker, [f"{self.to.settings.prefix}{name}"])
