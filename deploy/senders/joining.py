"""A consumer of kafka-python 3.0 that sees a join through to its end."""

from typing import Any

from kafka import KafkaConsumer


def joining_consumer(**options: Any) -> Any:
    """A KafkaConsumer with these options.

    kafka-python 3.0 forgets a join when `poll` comes back between the answers to JoinGroup and SyncGroup, and a change
    of the topics was its cause: more partitions, or none known for a moment, as while brokers restart. It no longer
    finds that it has to join, sends no heartbeats, and reads nothing for good. So here it has to while a join is under
    way.
    """
    found = KafkaConsumer(**options)
    coordinator = found._coordinator  # noqa: SLF001 - nothing public tells of a join
    wanted = coordinator.need_rejoin
    coordinator.need_rejoin = lambda: getattr(coordinator, "_join_task", None) is not None or wanted()
    return found
