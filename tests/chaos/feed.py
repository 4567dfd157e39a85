"""The load: a log as `replay` sends it, cut into portions that a worker can work off whole, and its sending meanwhile.

Sent by an idempotent producer, so that the topics hold every line once whatever becomes of the brokers.
"""

import asyncio
import itertools
import sys
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from confluent_kafka import KafkaError, Producer

from streams.logs import LogLine
from streams.replay.pace import Clock
from streams.replay.run import _Replay
from streams.settings import Settings
from tests.chaos.background import Background

Place = tuple[str, int]
"""Topic and partition."""


class Row(NamedTuple):
    """A record to be sent; marks of time have no key."""

    place: Place
    key: bytes | None
    value: bytes


Portion = list[Row]
"""It ends with marks in every partition, so that all that comes before them can be taken."""


class _Recorder:
    """Takes what `replay` would send."""

    def __init__(self, topics: tuple[str, ...], partitions: int) -> None:
        self.slots = len(topics) * partitions
        self._places = list(itertools.product(topics, range(partitions)))
        self._rows: Portion = []

    def add(self, slot: int, key: bytes | None, value: bytes) -> bool:
        self._rows.append(Row(self._places[slot], key, value))
        return True

    async def flush(self) -> None:
        """Nothing: who records sends later."""

    def take(self) -> Portion:
        rows, self._rows = self._rows, []
        return rows


def portions(lines: Iterable[LogLine], settings: Settings, size: int) -> Iterator[Portion]:
    """The log as `replay` sends it to the source topics, in portions of about `size` lines, made when asked for."""
    recorder: Any = _Recorder(settings.sources, settings.partitions)
    clock = Clock(time.monotonic, asyncio.sleep)
    replay = _Replay(recorder, settings.partitions, None, False, clock, lambda _: None)
    replay._mark_lines = sys.maxsize  # marks come with each portion's end alone
    with asyncio.Runner() as runner:
        for part in _parts(lines, size):
            runner.run(replay.send(part))
            yield recorder.take()


def _parts(lines: Iterable[LogLine], size: int) -> Iterator[list[LogLine]]:
    """No instant is in two of them: the marks after a part say that it is over."""
    part: list[LogLine] = []
    for line in lines:
        if len(part) >= size and line.effective > part[-1].effective:
            yield part
            part = []
        part.append(line)
    if part:
        yield part


@dataclass
class _Sent:
    """A partition number's part of a portion, on its way."""

    missing: int = 0
    """Acknowledgements."""
    ends: dict[Place, int] = field(default_factory=dict)
    """The offset after the last line, marks aside."""


class Sending(Background):
    """A producer whose acknowledgements are watched; `_send` and `_settle` are for the thread of who inherits it.

    :param acknowledged: hears, in that thread and in order, where a partition number's part of each portion ends
    """

    def __init__(self, name: str, brokers: str, acknowledged: Callable[[dict[Place, int]], None]) -> None:
        super().__init__(name)
        self._acknowledged = acknowledged
        self._producer = Producer(
            {
                "bootstrap.servers": brokers,
                "enable.idempotence": True,
                "linger.ms": 2,
                "message.timeout.ms": 600_000,
                "queue.buffering.max.messages": 0,  # any number
                "reconnect.backoff.max.ms": 500,
                "allow.auto.create.topics": False,
                "log_level": 0,
            }
        )
        self._on_the_way: dict[int, deque[_Sent]] = defaultdict(deque)
        """By partition number."""
        self._failed: KafkaError | None = None

    @property
    def all_acknowledged(self) -> bool:
        """Whether nothing is on its way. Raises RuntimeError when the brokers refused some of it."""
        if self._failed is not None:
            raise RuntimeError(f"the load cannot be sent: {self._failed}")
        return not any(self._on_the_way.values())

    def _settle(self, seconds: float) -> None:
        """Hear acknowledgements; wait so long for one."""
        self._producer.poll(seconds)
        for parts in self._on_the_way.values():
            while parts and not parts[0].missing:
                self._acknowledged(parts[0].ends)
                parts.popleft()

    def _send(self, portion: Portion) -> None:
        parts: dict[int, _Sent] = defaultdict(_Sent)
        for row in portion:
            topic, partition = row.place
            part = parts[partition]
            part.missing += 1
            self._producer.produce(topic, row.value, row.key, partition, on_delivery=self._told(row, part))
        for partition, part in parts.items():
            self._on_the_way[partition].append(part)

    def _told(self, row: Row, part: _Sent) -> Callable[[KafkaError | None, Any], None]:
        def on_delivery(error: KafkaError | None, message: Any) -> None:
            if error is not None:
                self._failed = error
                return
            part.missing -= 1
            if row.key is not None:
                part.ends[row.place] = message.offset() + 1

        return on_delivery


class Feed(Sending):
    """Sends portions, spread over time, in a thread of its own. `with Feed(...) as feed:`."""

    def __init__(self, brokers: str, load: list[Portion], acknowledged: Callable[[dict[Place, int]], None]) -> None:
        super().__init__("feed", brokers, acknowledged)
        self._load = load
        self._times: list[float] = []
        """When each portion is due, as far as that has been told."""
        self._sent = 0

    @property
    def done(self) -> bool:
        """Whether all of the load has been acknowledged. Raises RuntimeError when the brokers refused some of it."""
        return self._sent == len(self._load) and self.all_acknowledged

    @property
    def busy(self) -> bool:
        """Whether something that is due is not acknowledged. Raises as `done`."""
        return self._sent < len(self._times) or not self.all_acknowledged

    def go(self, share: float, seconds: float) -> None:
        """Let this share of the whole load be sent within the next seconds, besides what is due already."""
        known = len(self._times)
        count = min(len(self._load), known + max(1, round(share * len(self._load)))) - known
        now = time.monotonic()
        self._times += [now + seconds * number / count for number in range(count)]

    def finish(self) -> None:
        """Let all the rest be sent at once."""
        self._times = [0.0] * len(self._load)

    def _run(self) -> None:
        while not self._stopped.is_set():
            times = self._times
            due = self._sent < len(times) and times[self._sent] <= time.monotonic()
            if due:
                self._send(self._load[self._sent])
                self._sent += 1
            self._settle(0 if due else 0.01)
