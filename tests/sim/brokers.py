"""The brokers: logs of all topics, the transaction coordinator, the group, and what a move of these looks like."""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import NamedTuple

from aiokafka.errors import (
    CoordinatorNotAvailableError,
    MessageSizeTooLargeError,
    NotEnoughReplicasError,
    NotLeaderForPartitionError,
)

from streams.delivery.changelog import MARK
from streams.flow.mark import decode_mark
from streams.settings import Settings
from tables.events import SOURCES
from tests.sim.coordinator import Coordinator
from tests.sim.group import Assignment, Group, Offsets
from tests.sim.log import Kept, Log, Place, Producer, Row, Taken, Transaction
from tests.sim.loop import Loop
from tests.sim.network import Network, Trace

UNSEEN_SECONDS = (0.0, 2.0)
"""From the end of a transaction to its offsets being seen by who asks for the group's (KAFKA-17507)."""
FETCH_WAIT = 5.0
"""How long a fetch that finds nothing is held, in seconds."""


class Fetched(NamedTuple):
    """What a fetch brings of one place: records that are for readers, where to go on, and the high water mark."""

    records: list[Kept]
    following: int
    end: int


class Brokers:
    """The whole cluster. Its methods are requests, called when they arrive; they raise aiokafka's errors."""

    def __init__(
        self, loop: Loop, rng: random.Random, network: Network, trace: Trace, settings: Settings, partitions: int
    ) -> None:
        topics = (*settings.sources, *settings.outputs, settings.changelog)
        self.logs: dict[Place, Log] = {(topic, number): Log() for topic in topics for number in range(partitions)}
        self.coordinator = Coordinator(loop, rng, self.logs, trace.see, self._ended, self._written)
        self.reached = self.coordinator.reached
        """By partition number: the next source offsets after all that is durable."""
        self.group = Group(loop, partitions, settings.session_timeout / 1000, trace.see)
        self.offsets = Offsets()
        self.moving = {"transactions": 0.0, "group": 0.0, "leaders": 0.0}
        """Until when (loop's time) each is nowhere to be found."""
        self.refuse = 0
        """How many of the next batches produced are refused for good."""
        self._loop, self._rng, self._network, self._trace = loop, rng, network, trace
        self._waiting: dict[Place, list[Callable[[], None]]] = {}
        """Fetches that are held."""
        self._seen_by = 0.0

    # -- producers

    def init_producer(self, name: str, seconds: float) -> Producer:
        self._there("transactions")
        producer = self.coordinator.init_producer(name, seconds)
        self._trace.say(f"producer {producer}")
        return producer

    def add_partitions(self, producer: Producer, places: Iterable[Place]) -> Transaction:
        self._there("transactions")
        return self.coordinator.add_partitions(producer, places)

    def add_group(self, producer: Producer) -> Transaction:
        self._there("transactions")
        return self.coordinator.add_group(producer)

    def commit_offsets(self, producer: Producer, offsets: Mapping[Place, int]) -> None:
        self._there("group")
        self.offsets.commit(self.coordinator.verify(producer, None), offsets)

    def produce(self, producer: Producer, place: Place, sequence: int, rows: list[Row], taken: Taken | None) -> None:
        self._take()
        verify = partial(self.coordinator.verify, producer, place)
        transaction = self.logs[place].produce(verify, producer, sequence, rows)
        if transaction is not None:
            if taken is not None:
                transaction.takes.append(taken)
            self._written(place)

    def end_transaction(self, producer: Producer, meant: Transaction | None, *, commit: bool) -> None:
        """`meant` is what a real request does not say: it is for what is counted only."""
        self._there("transactions")
        self.coordinator.end(producer, meant, commit=commit)

    def produce_v2(self, producer: Producer, place: Place, sequence: int, rows: list[Row], taken: Taken | None) -> None:
        """Produce of version 12: the leader adds the partition to the transaction."""
        self._take()

        def add() -> Transaction:
            try:
                return self.add_partitions(producer, [place])
            except CoordinatorNotAvailableError:  # what a leader makes of it
                raise NotEnoughReplicasError from None

        transaction = self.logs[place].produce(add, producer, sequence, rows)
        if transaction is not None:
            if taken is not None:
                transaction.takes.append(taken)
            self._written(place)

    def commit_offsets_v2(self, producer: Producer, offsets: Mapping[Place, int]) -> None:
        """TxnOffsetCommit of version 5: the group's coordinator adds the group to the transaction."""
        self._there("group")
        self.offsets.commit(self.add_group(producer), offsets)

    def end_transaction_v2(self, producer: Producer, *, commit: bool) -> Producer:
        self._there("transactions")
        return self.coordinator.end_v2(producer, commit=commit)

    def send(self, place: Place, rows: list[Row]) -> None:
        """Produce, without transactions: what comes twice is there twice."""
        self._take()
        self.append(place, rows)
        if rows[-1][0] == MARK and rows[-1][1] is not None:
            positions = decode_mark(rows[-1][1]).positions
            at = tuple(positions[source].offset for source in SOURCES)
            self.reached[place[1]] = max(self.reached.get(place[1], at), at)

    def append(self, place: Place, rows: Iterable[Row]) -> None:
        """What shops send, without transactions."""
        self.logs[place].append(rows)
        self._written(place)

    # -- consumers

    def join(self, name: str) -> "asyncio.Future[Assignment]":
        self._there("group")
        return self.group.join(name)

    def heartbeat(self, name: str, generation: int) -> None:
        self._there("group")
        self.group.heartbeat(name, generation)

    def leave(self, name: str) -> None:
        self._there("group")
        self.group.leave(name)

    def commit_group(self, name: str, generation: int, offsets: Mapping[Place, int]) -> None:
        """OffsetCommit, without a transaction."""
        self._there("group")
        self.group.check(name, generation)
        self.offsets.seen.update(offsets)

    def committed(self, place: Place) -> int | None:
        """OffsetFetch as aiokafka sends it: without waiting for what is not settled yet."""
        self._there("group")
        return self.offsets.seen.get(place)

    def beginning(self, place: Place) -> int:
        """ListOffsets: nothing is ever deleted here."""
        del place
        return 0

    def read(self, place: Place, begin: int, limit: int) -> Fetched:
        """Fetch, read_committed."""
        log = self.logs[place]
        records, following = log.committed(begin, limit)
        return Fetched(records, following, log.end)

    def fetch(
        self, positions: Mapping[Place, int], limit: int
    ) -> "dict[Place, Fetched] | asyncio.Future[dict[Place, Fetched]]":
        """Fetch of several places; held while there is nothing new in any."""
        found = self._read_all(positions, limit)
        if any(fetched.following > positions[place] for place, fetched in found.items()):
            return found
        answer: asyncio.Future[dict[Place, Fetched]] = self._loop.create_future()

        def reply() -> None:
            if not answer.done():
                answer.set_result(self._read_all(positions, limit))

        for place in positions:
            self._waiting.setdefault(place, []).append(reply)
        self._loop.call_later(FETCH_WAIT, reply, context=self._network.brokers.context)
        return answer

    def _read_all(self, positions: Mapping[Place, int], limit: int) -> dict[Place, Fetched]:
        return {place: self.read(place, at, limit) for place, at in positions.items()}

    # -- what comes of them

    def _take(self) -> None:
        if self._loop.time() < self.moving["leaders"]:
            raise NotLeaderForPartitionError
        if self.refuse > 0:
            self.refuse -= 1
            self._trace.see("batch refused")
            raise MessageSizeTooLargeError

    def _there(self, part: str) -> None:
        if self._loop.time() < self.moving[part]:
            raise CoordinatorNotAvailableError

    def _written(self, place: Place) -> None:
        for reply in self._waiting.pop(place, ()):
            reply()

    def _ended(self, transaction: Transaction) -> None:
        """The group's readers see its offsets a little later, in the order of the transactions."""
        changes = self.offsets.take(transaction)
        if changes:
            self._seen_by = max(self._seen_by, self._loop.time() + self._rng.uniform(*UNSEEN_SECONDS))
            self._loop.call_at(self._seen_by, self.offsets.seen.update, changes, context=self._network.brokers.context)
