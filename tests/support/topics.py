"""Topics of a test, made on real brokers."""

from collections.abc import Iterable

from confluent_kafka.admin import AdminClient, NewTopic

_SECONDS = 30.0
_WARNING = 4


def make_topics(brokers: str, names: Iterable[str], partitions: int) -> None:
    """Topics of one copy with the brokers' defaults, and all of them there. Raises KafkaException."""
    admin = AdminClient({"bootstrap.servers": brokers, "log_level": _WARNING})
    for answer in admin.create_topics([NewTopic(name, partitions, 1) for name in names]).values():
        answer.result(_SECONDS)
