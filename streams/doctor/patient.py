"""The set-up that is looked at. What several checks need is asked once."""

import asyncio
from functools import cached_property
from typing import Any

from kafka import OffsetSpec, TopicPartition

from streams.brokers.topicfacts import TRANSACTION_STATE, Cluster, every
from streams.brokers.topics import admin, look
from streams.brokers.transactions import transactions
from streams.delivery.tails import Tail, first_sent, tails
from streams.flow.mark import Mark
from streams.settings import Settings
from tables.events import SOURCES


class Patient:
    """Settings, and what the brokers answer about them. Whatever is asked raises BrokerError, KafkaError, OSError."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @cached_property
    def cluster(self) -> Cluster:
        return look(self.settings)

    @cached_property
    def partitions(self) -> int:
        """Partition numbers of the sources."""
        return self.cluster.found[self.settings.sources[0]].partitions

    @cached_property
    def replicas(self) -> list[tuple[str, Any]]:
        """By topic of ours, and the brokers' own of transactions: each partition, as the brokers describe it."""
        ours = {*every(self.settings), TRANSACTION_STATE}
        with admin(self.settings) as client:
            found = [(t["name"], p) for t in client.describe_topics() if t["name"] in ours for p in t["partitions"]]
        return sorted(found, key=lambda one: (one[0], one[1]["partition_index"]))

    @property
    def headless(self) -> list[str]:
        """Partitions without a leader: whoever asks for what is in them waits in vain."""
        return [place(topic, partition) for topic, partition in self.replicas if partition["leader_id"] < 0]

    @cached_property
    def no_transactions(self) -> str | None:
        """Why the brokers have none; None: they have. Those without answer other questions wrongly, too."""
        return transactions(self.settings)

    @cached_property
    def committed(self) -> dict[TopicPartition, int]:
        """The group's offsets in the sources, where it has any."""
        group = self.settings.group_id
        with admin(self.settings) as client:
            told = client.list_group_offsets({group: self._places(*self.settings.sources)})
        return {place: found.offset for place, found in told.get(group, {}).items() if found.offset >= 0}

    @cached_property
    def tails(self) -> dict[int, Tail]:
        """The end of each partition of the changelog; the group's offsets, asked for before, are not beyond it."""
        _ = self.committed
        return asyncio.run(tails(self.settings, self.partitions))

    @property
    def marks(self) -> dict[int, Mark]:
        """Where each partition number stands, as far as it has begun, and its mark was found."""
        return {number: tail.mark for number, tail in self.tails.items() if tail.mark is not None}

    @cached_property
    def next(self) -> dict[TopicPartition, int]:
        """The next offset to be taken in each partition of the sources that was ever taken care of."""
        return {
            TopicPartition(self.settings.topic(source), number): mark.positions[source].offset
            for number, mark in self.marks.items()
            for source in SOURCES
            if source in mark.positions
        }

    @cached_property
    def waiting(self) -> dict[TopicPartition, int]:
        """When the event was sent that is the next to be taken, epoch ms; of partitions where there is one."""
        begins = self.offsets(OffsetSpec.EARLIEST, *self.settings.sources)
        starts = {place: max(offset, begins[place]) for place, offset in self.next.items()}
        return asyncio.run(first_sent(self.settings, starts))

    def offsets(self, of: Any, *topics: str) -> dict[TopicPartition, int]:
        """Of beginnings or ends (OffsetSpec), or of the first records since `of` (epoch ms; -1: there is none)."""
        places = self._places(*topics)
        with admin(self.settings) as client:
            told = client.list_partition_offsets(dict.fromkeys(places, of)) if places else {}
        return {place: found.offset for place, found in told.items()}

    def _places(self, *topics: str) -> list[TopicPartition]:
        found = self.cluster.found
        return [TopicPartition(t, number) for t in topics if t in found for number in range(found[t].partitions)]


def place(topic: str, partition: Any) -> str:
    """A partition as it is named to people."""
    return f"{topic}[{partition['partition_index']}]"
