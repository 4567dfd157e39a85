"""What the commands about one customer do: look up the state, and draw what it says."""

import asyncio
import time
from typing import Any, NamedTuple

import msgspec

from agents.agenda import plan_fingerprint
from agents.decisions import iso
from agents.grounds.ground import Ground
from agents.grounds.grounds import Grounds
from agents.portrait import Painter
from agents.rulebook.rules import Rules
from streams.brokers.topics import look
from streams.customers.facts import facts
from streams.customers.search import Found, find
from streams.customers.sent import sent
from streams.delivery.whole import Tell
from streams.errors import StopError
from streams.settings import Settings
from tables.customer import Customer
from tables.customerform import read_head, unpack
from tables.parameters import Parameters


class UnknownCustomerError(LookupError):
    """There is no such customer; one line. Nothing to mend but the id."""


class Looked(NamedTuple):
    """A customer's state, as of an instant."""

    customer_id: str
    customer: Customer
    number: int
    plan: int
    now: int
    partitions: dict[str, int]
    """Of each topic."""


def look_up(settings: Settings, customer_id: str, tell: Tell) -> Looked:
    """Raises UnknownCustomerError, BrokerError, StopError, StateError, KafkaError, OSError."""
    partitions = {topic: found.partitions for topic, found in look(settings).found.items()}
    if settings.changelog not in partitions:
        raise StopError(f"topic {settings.changelog} is missing, or may not be seen: see offbeat topics check")
    found = asyncio.run(find(settings, partitions[settings.changelog], customer_id.encode(), tell))
    if found is None or found.packed is None:
        raise UnknownCustomerError(_unknown(settings, customer_id, found))
    now = round(time.time() * 1000) if found.now is None else found.now
    plan, _ = read_head(found.packed)
    return Looked(customer_id, unpack(found.packed), found.number, plan, now, partitions)


def _unknown(settings: Settings, customer_id: str, found: Found | None) -> str:
    if found is None:
        return f"customer {customer_id}: {settings.changelog} knows nobody of that id; is it the key of the events?"
    gone = f"was erased, or forgotten after long silence, on {iso(found.at)}"
    return f"customer {customer_id}: {gone}; nothing is remembered"


def shown(settings: Settings, looked: Looked, rules: Rules, parameters: Parameters) -> dict[str, Any]:
    """The state in fields that others may rely on."""
    (portrait,) = Painter(rules, parameters).portraits([(looked.customer_id, looked.customer)], looked.now)
    return facts(portrait, looked.customer) | _context(settings, looked, rules, parameters)


def explained(
    settings: Settings, looked: Looked, rules: Rules, parameters: Parameters
) -> tuple[dict[str, Any], list[Ground]]:
    """Of which customer, and why each rule has fired or has not."""
    head = {"customer_id": looked.customer_id, "as_of": iso(looked.now)}
    return head | _context(settings, looked, rules, parameters), Grounds(rules, parameters).of(
        looked.customer, looked.now
    )


def messages(settings: Settings, looked: Looked, most: int, tell: Tell) -> list[dict[str, Any]]:
    """What was sent, newest first. Raises KafkaError, StopError."""
    key = looked.customer_id.encode()
    found = asyncio.run(sent(settings, looked.partitions, looked.number, key, most, tell))
    return [msgspec.structs.asdict(one) for one in found]


def _context(settings: Settings, looked: Looked, rules: Rules, parameters: Parameters) -> dict[str, Any]:
    """`planned_alike`: the timers were set by these rules and parameters."""
    return {
        "partition": looked.number,
        "changelog": settings.changelog,
        "parameters": parameters.version,
        "planned_alike": looked.plan == plan_fingerprint(rules, parameters),
    }
