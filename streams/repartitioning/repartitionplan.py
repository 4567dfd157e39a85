"""What it takes to give the sources and the changelog more partitions, so that customers keep their history. Pure.

Clients choose a key's partition by a hash of it, modulo the number of partitions. So the partition that a customer
comes from and the one that it goes to leave the same remainder by the greatest common divisor of the two numbers.
"""

import math
import zlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from aiokafka.partitioner import murmur2

from streams.brokers.topicfacts import Cluster
from streams.flow.mark import Mark, Position
from streams.settings import Settings
from tables.events import SOURCES

PARTITIONERS: Mapping[str, Callable[[bytes], int]] = {
    "murmur2": lambda key: int(murmur2(key)) & 0x7FFFFFFF,
    "crc32": zlib.crc32,
}
"""Hashes of keys: of Java's client, kafka-python and aiokafka; and of librdkafka and all that is built on it."""


def partitioners(known: Mapping[int, Collection[bytes]], partitions: int) -> list[Callable[[bytes], int]]:
    """Those that explain where customers are: `known` has some of them by partition number, of so many. Empty: none."""
    if not any(known.values()):
        return []
    return [
        hashed
        for hashed in PARTITIONERS.values()
        if all(hashed(key) % partitions == number for number, keys in known.items() for key in keys)
    ]


Ends = Mapping[tuple[str, int], tuple[int, int]]
"""By source and partition: the offset of the oldest record there is, and the one that the next record will have."""


class RepartitionError(RuntimeError):
    """It cannot be done, or not go on, as things are: mend what the line says and run it again. Nothing is lost."""


@dataclass(frozen=True, slots=True)
class Step:
    """From `old` partitions to `new`. `begun`: a former run was broken off, so some customers may have moved."""

    old: int
    new: int
    begun: bool

    @property
    def places(self) -> range:
        """The partitions where customers may be now."""
        return range(self.new if self.begun else self.old)

    def origins(self, number: int) -> range:
        """The old partitions from which customers may come to this one, itself among them if it is one of them."""
        step = math.gcd(self.old, self.new)
        return range(number % step, self.old, step)


def plan(settings: Settings, cluster: Cluster, new: int) -> Step | None:
    """What is to be done; None: nothing. Raises RepartitionError.

    The changelog grows first and the sources last: as long as they differ, no worker starts.
    """
    names = (*settings.sources, settings.changelog)
    if missing := [name for name in names if name not in cluster.found]:
        raise RepartitionError(f"topic {missing[0]} is missing; run: offbeat topics create")
    counts = {name: cluster.found[name].partitions for name in names}
    old, begun = min(counts.values()), counts[settings.changelog] == new
    for name, count in counts.items():
        if count > new:
            raise RepartitionError(f"topic {name} has {count} partitions: their number can only grow")
        if count not in (old, new):
            raise RepartitionError(
                f"topic {name} has {count} partitions, neither {old} nor {new}: finish what was begun first, with "
                f"--partitions {max(counts.values())}"
            )
    return Step(old, new, begun) if any(count != new for count in counts.values()) else None


class Census:
    """Counts the customers, and for how many of them each partitioner says where they are."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self.customers = 0
        self._explained = Counter(dict.fromkeys(PARTITIONERS, 0))
        self._alike = True
        """All partitioners send everybody to the same new place."""

    def add(self, number: int, keys: Iterable[bytes]) -> None:
        """The customers of partition `number`."""
        step = self._step
        for key in keys:
            self.customers += 1
            hashes = {name: hashed(key) for name, hashed in PARTITIONERS.items()}
            self._alike = self._alike and len({value % step.new for value in hashes.values()}) == 1
            self._explained.update(
                name
                for name, value in hashes.items()
                if value % step.old == number or (step.begun and value % step.new == number)
            )

    def choose(self, told: str | None = None) -> str:
        """The partitioner that explains where everybody is; `told`: which one it should be. Raises RepartitionError."""
        found = [name for name, count in self._explained.items() if count == self.customers]
        if told is None and len(found) > 1 and not self._alike:
            raise RepartitionError(
                f"where the {self.customers} customers are fits {' and '.join(found)} alike: tell with --partitioner "
                "which one your producers use"
            )
        if not found or (told is not None and told not in found):
            counts = ", ".join(f"{name} fits {count}" for name, count in self._explained.items())
            raise RepartitionError(
                f"of {self.customers} customers {counts}: the producers use another partitioner, or several; customers "
                "would be parted from their history. Make new topics under another OFFBEAT_PREFIX and send the events "
                "again"
            )
        return told or found[0]


def check_drained(settings: Settings, marks: Mapping[int, Mark | None], ends: Ends, *, begun: bool) -> None:
    """Raises RepartitionError when a source holds events that no worker has taken.

    `begun`: the changelog has grown, so no worker can take them now.
    """
    advice = (
        "they came while customers were being moved. Stop the producers, save those events, delete them with "
        "kafka-delete-records.sh, run this again, and send them again when it is through"
        if begun
        else "stop the producers, let the workers go on until their lag is 0, stop them, and run this again"
    )
    for (source, number), (beginning, end) in ends.items():
        mark = marks.get(number)
        position = mark.positions[source].offset if mark else 0
        if (unread := end - max(position, beginning)) > 0:
            records = "1 record" if unread == 1 else f"{unread} records"
            place = f"{settings.topic(source)}[{number}]"
            raise RepartitionError(f"{place} holds {records} that no worker has taken: {advice}")


def new_marks(step: Step, marks: Mapping[int, Mark | None], ends: Ends) -> dict[int, Mark]:
    """The marks that must be written, by partition.

    A partition that customers come to goes on from the earliest time that any of them has reached. Events that came
    after the first run are passed if they were deleted since: the way out when producers were not stopped.
    """
    found: dict[int, Mark] = {}
    for number in range(step.new):
        origins = [mark for origin in step.origins(number) if (mark := marks.get(origin)) is not None]
        own = marks.get(number)
        if origins:
            mark = Mark(
                positions={
                    source: Position(
                        _go_on(step, own, source, ends.get((source, number), (0, 0))[0]),
                        min(origin.positions[source].frontier for origin in origins),
                    )
                    for source in SOURCES
                },
                now=min(origin.now for origin in origins),
                live_from=min(origin.live_from for origin in origins),
                topics=origins[0].topics,
            )
            if mark != own:
                found[number] = mark
    return found


def _go_on(step: Step, own: Mark | None, source: str, beginning: int) -> int:
    if own is None:
        return beginning
    offset = own.positions[source].offset
    return max(offset, beginning) if step.begun else offset
