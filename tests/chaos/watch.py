"""How far the workers are, as any reader of committed records sees it: by the marks in their changelog."""

import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition

from streams.delivery.changelog import MARK
from streams.flow.mark import decode_mark
from streams.settings import Settings
from tables.events import SOURCES
from tests.chaos.background import Background
from tests.chaos.feed import Place


class Pause(NamedTuple):
    """A partition number that did not move although it had what to do. Times are those of `time.monotonic`."""

    partition: int
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class Pauses:
    """Told what there is to be taken and what has been, it knows for how long nothing moved."""

    def __init__(self, partitions: int) -> None:
        self.found: list[Pause] = []
        self._due: list[dict[str, int]] = [{} for _ in range(partitions)]
        self._taken: list[Mapping[str, int]] = [{} for _ in range(partitions)]
        self._since: list[float | None] = [None] * partitions

    def due(self, ends: Mapping[Place, int], now: float) -> None:
        """The topics hold what ends before these offsets."""
        for (topic, partition), end in ends.items():
            self._due[partition][topic] = end
            if self._since[partition] is None and not self._is_done(partition):
                self._since[partition] = now

    def taken(self, partition: int, offsets: Mapping[str, int], now: float) -> None:
        """The partition number's durable positions."""
        if offsets == self._taken[partition]:
            return
        self._taken[partition] = offsets
        began = self._since[partition]
        if began is not None:
            self.found.append(Pause(partition, began, now))
        self._since[partition] = None if self._is_done(partition) else now

    def _is_done(self, partition: int) -> bool:
        taken = self._taken[partition]
        return all(taken.get(topic, 0) >= end for topic, end in self._due[partition].items())

    @property
    def behind(self) -> list[int]:
        """The partition numbers that have something to do."""
        return [partition for partition, since in enumerate(self._since) if since is not None]


class Watch(Background):
    """Follows the changelog in a thread of its own. `with Watch(...) as watch:`.

    :param brokers: where it reads: not through a network that is to be spoiled
    """

    def __init__(self, brokers: str, settings: Settings) -> None:
        super().__init__("watch")
        self._settings = settings
        self._pauses = Pauses(settings.partitions)
        self._lock = threading.Lock()
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "watch",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "fetch.wait.max.ms": 50,
                "fetch.error.backoff.ms": 100,
                "reconnect.backoff.max.ms": 500,
                "log_level": 0,
            }
        )
        numbers = range(settings.partitions)
        self._consumer.assign([TopicPartition(settings.changelog, n, OFFSET_BEGINNING) for n in numbers])

    def due(self, ends: Mapping[Place, int]) -> None:
        """See `Pauses.due`. Callable from any thread."""
        with self._lock:
            self._pauses.due(ends, time.monotonic())

    @property
    def behind(self) -> list[int]:
        """See `Pauses.behind`."""
        with self._lock:
            return self._pauses.behind

    @property
    def pauses(self) -> list[Pause]:
        """Those that have ended."""
        with self._lock:
            return self._pauses.found.copy()

    def _run(self) -> None:
        topics = dict(zip(SOURCES, self._settings.sources, strict=True))
        while not self._stopped.is_set():
            for message in self._consumer.consume(500, timeout=0.05):
                if message.error() is None and message.key() == MARK:
                    positions = decode_mark(message.value()).positions
                    taken = {topics[source]: position.offset for source, position in positions.items()}
                    with self._lock:
                        self._pauses.taken(message.partition(), taken, time.monotonic())
        self._consumer.close()
