"""Topics of one round on Apache Kafka: made before it, gone after it."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from tests.bench.worker import BenchError

_SECONDS = 30.0
_WARNING = 4


def make_topic(brokers: str, name: str, partitions: int) -> None:
    """Raises BenchError."""
    with _admin(brokers, f"topic {name} could not be made") as admin:
        for answer in admin.create_topics([NewTopic(name, partitions, 1)]).values():
            answer.result(_SECONDS)


def remove_topics(brokers: str, part: str) -> None:
    """All whose name has this part: else the broker compacts them while the next is measured. Raises BenchError."""
    with _admin(brokers, f"topics of {part} could not be removed") as admin:
        names = [name for name in admin.list_topics(timeout=_SECONDS).topics if part in name]
        for answer in admin.delete_topics(names).values() if names else ():
            answer.result(_SECONDS)


@contextmanager
def _admin(brokers: str, trouble: str) -> Iterator[AdminClient]:
    try:
        yield AdminClient({"bootstrap.servers": brokers, "log_level": _WARNING})
    except (KafkaException, TimeoutError) as error:
        raise BenchError(f"{trouble}: {error}") from error
