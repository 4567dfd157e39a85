"""A subscriber to triggers, as a sender of messages is one: reads what is committed, and notes when it came."""

import time
import uuid
from collections.abc import Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from streams.settings import Settings
from tests.bench.worker import BenchError


class Heard(NamedTuple):
    """A message, and when it was handed over (Unix time, seconds)."""

    at: float
    type: str
    """`ce_type`"""
    key: bytes
    value: bytes


class Listener:
    """Reads the contract's topics of these names from their beginning: they must be small."""

    def __init__(self, settings: Settings, names: Sequence[str]) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.brokers,
                "group.id": f"bench-{uuid.uuid4()}",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
            }
        )
        topics = [settings.topic(name) for name in names]
        self._consumer.assign(
            [
                TopicPartition(topic, number, OFFSET_BEGINNING)
                for topic in topics
                for number in range(settings.partitions)
            ]
        )

    def hear(self, seconds: float) -> Heard | None:
        """The next message, as soon as it comes; None when none comes for so long. Raises BenchError."""
        message: Any = self._consumer.poll(seconds)
        at = time.time()
        if message is None:
            return None
        if message.error() is not None:
            raise BenchError(f"triggers cannot be read: {message.error()}")
        return Heard(at, dict(message.headers())["ce_type"].decode(), message.key(), message.value())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._consumer.close()
