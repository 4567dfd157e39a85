"""Transactions that nobody ends: readers of committed records, and compaction, come to a stop before them."""

import time
from typing import Any, NamedTuple

from kafka import IsolationLevel, OffsetSpec, TopicPartition

from streams.brokers.topicfacts import every
from streams.brokers.topics import admin
from streams.settings import Settings

OLD_SECONDS = 15 * 60.0
"""No producer's transaction is meant to stay open for so long: brokers allow no longer ones unless told otherwise."""


class Stuck(NamedTuple):
    """Where an open transaction begins that is older than OLD_SECONDS, by the times of its records."""

    topic: str
    partition: int
    offset: int


def stuck_transactions(settings: Settings) -> list[Stuck]:
    """One for each partition of our topics that has any. Raises BrokerError."""
    ours = set(every(settings))
    with admin(settings) as client:
        places = [
            TopicPartition(topic["name"], partition["partition_index"])
            for topic in client.describe_topics()
            if topic["name"] in ours
            for partition in topic["partitions"]
        ]
        stable = _offsets(client, places, OffsetSpec.LATEST, IsolationLevel.READ_COMMITTED)
        ends = _offsets(client, places, OffsetSpec.LATEST)
        held = [place for place in places if stable[place] < ends[place]]
        recent = _offsets(client, held, round((time.time() - OLD_SECONDS) * 1000))
    # of a partition without a recent record, the offset is -1
    old = [place for place in held if not 0 <= recent[place] <= stable[place]]
    return sorted(Stuck(place.topic, place.partition, stable[place]) for place in old)


def _offsets(
    client: Any, places: list[TopicPartition], of: int, level: IsolationLevel = IsolationLevel.READ_UNCOMMITTED
) -> dict[TopicPartition, int]:
    """Of the ends, or of the first records that are not older than `of` (epoch ms)."""
    if not places:
        return {}
    told = client.list_partition_offsets(dict.fromkeys(places, of), isolation_level=level)
    return {place: found.offset for place, found in told.items()}
