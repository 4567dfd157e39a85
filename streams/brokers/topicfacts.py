"""What brokers tell of topics, and how those differ from what the engine needs. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from streams.settings import Settings

KAFKA_MESSAGE_BYTES = 1_048_588
"""What a topic takes when nobody has said anything else."""
TRANSACTION_STATE = "__transaction_state"
"""What is lost of it may leave a transaction half committed. Of the group's offsets nothing depends: see the mark."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be made."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is. `configs` is empty when the brokers do not tell."""

    partitions: int
    replication: int
    configs: Mapping[str, str]
    id: str = ""
    """Given by the brokers when it was made; empty when they give none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it should be, how to mend it, and whether the worker cannot do without (`must`)."""

    topic: str
    what: str
    advice: str
    must: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the brokers told: how many there are, and those of our topics that exist, by name."""

    brokers: int
    found: Mapping[str, Found]
    hidden: frozenset[str] = frozenset()
    """Topics of ours that they do not let us see, or that do not exist: they do not tell which."""
    transactions: Found | None = None
    """Where the brokers themselves keep transactions (TRANSACTION_STATE); None when they do not tell of it."""


def every(settings: Settings) -> tuple[str, ...]:
    """The full names of all topics."""
    return (*settings.sources, *settings.outputs, settings.changelog, settings.published)


def retention_of(topic: Found) -> int | None:
    """How long it keeps events, in ms; None: for ever, or the brokers do not tell. What `retention.bytes` does adds."""
    told = topic.configs.get("retention.ms", "")
    deletes = "delete" in topic.configs.get("cleanup.policy", "delete")
    return int(told) if deletes and told.isdigit() else None


def message_bytes(configs: Mapping[str, str]) -> int:
    """The largest message that a topic takes."""
    told = configs.get("max.message.bytes", "")
    return int(told) if told.isdigit() else KAFKA_MESSAGE_BYTES


def configure(settings: Settings, name: str, config: str) -> str:
    """What sets it so."""
    return (
        f"run: kafka-configs.sh --bootstrap-server {settings.brokers} --alter --entity-type topics "
        f"--entity-name {name} --add-config {config}"
    )
