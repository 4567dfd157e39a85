"""Topics of one round on Apache Kafka: made before it, gone after it."""

from collections.abc import Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.bench.worker import BenchError
from tests.support.topics import make_topics

_SECONDS = 30.0
_WARNING = 4


def make_topic(brokers: str, name: str, partitions: int) -> None:
    """Raises BenchError."""
    with _told(f"topic {name} could not be made"):
        make_topics(brokers, [name], partitions)


def remove_topics(brokers: str, part: str) -> None:
    """All whose name has this part: else the broker compacts them while the next is measured. Raises BenchError."""
    with _told(f"topics of {part} could not be removed"):
        admin = AdminClient({"bootstrap.servers": brokers, "log_level": _WARNING})
        names = [name for name in admin.list_topics(timeout=_SECONDS).topics if part in name]
        for answer in admin.delete_topics(names).values() if names else ():
            answer.result(_SECONDS)


@contextmanager
def _told(trouble: str) -> Iterator[None]:
    try:
        yield
    except (KafkaException, TimeoutError) as error:
        raise BenchError(f"{trouble}: {error}") from error
