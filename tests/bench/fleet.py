"""What a shop of a given size needs: arithmetic on measured figures. Pure; tests.bench.sizing makes tables of it."""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

MONTH = 365.25 / 12 * 86_400
"""Seconds."""
GB = 1e9

# Measured (tests/bench/README.md): of one worker with one processor that it shares with its broker
EVENTS = 60_000
"""A second, where every ninth event fires a trigger; 110,000 where few do."""
RESTORED = 200_000
"""States read back a second: ten million of them by two workers, into memory that is touched for the first time."""
RESIDENT = 780
"""Bytes of memory for a customer at the most, of ten million, while a load goes on; 715 after a start."""
STATE = 580
"""Bytes of a packed state with its key."""
EVENT = 215
"""Bytes of an event's value."""
TRANSACTION = 0.0006
"""CPU seconds of a worker for a transaction, however few events it holds (tests.bench.transactions)."""
BROKERS_TRANSACTION = 0.0011
"""The same of the brokers, all together."""
PROCESS = 3.5
"""Seconds until a new process is in the group (streams/OPERATING.md)."""
RECORD = 700
"""Bytes that a worker adds to the group's record; counted."""

# Counted in the same load
MESSAGE = 790
"""Bytes of a trigger with its headers."""

# Settings of Offbeat and Kafka that the arithmetic rests on
SESSION = 10.0
"""Seconds until a killed worker is noticed: session_timeout."""
DIRTY = 0.1
"""Of the changelog, before it is cleaned: min.cleanable.dirty.ratio."""
SEGMENT = 64 << 20
"""Bytes of the changelog that are not cleaned, per partition: segment.bytes."""
TOPICS = 11
"""With partitions for the customers; that of the parameters has one."""

# Assumed
BATCH = 0.03
"""Seconds from the fetch of a batch to its commit: the next one of its partition number comes no sooner."""

# Chosen
LOAD = 0.5
"""Of what the workers can, at the peak: the rest is for catching up and for a worker that is missing."""
NUMBERS_EACH = 4
"""Partition numbers of a worker: what a lost one had goes to several others, and there is room to grow."""
START = 120.0
"""Seconds that a worker may take to read back what it has."""
OVERHEAD = 40
"""Bytes of a record in the log, besides key and value."""


@dataclass(frozen=True, slots=True)
class Shop:
    """What is assumed of a shop."""

    customers: float
    events: float = 20.0
    """Of a customer in a month, on the average over all that are known."""
    peak: float = 4.0
    """The busiest minutes against the average."""
    triggers: float = 0.1
    """For each event."""
    memory: float = 32 * GB
    """Bytes, of the machine or container of a worker."""
    retention: float = 7.0
    """Days that sources and outputs are kept."""
    copies: int = 3


@dataclass(frozen=True, slots=True)
class Fleet:
    """So many workers for a shop, one processor each. All else follows from it."""

    shop: Shop
    workers: int

    @property
    def partitions(self) -> int:
        return NUMBERS_EACH * self.workers

    @property
    def most_after_loss(self) -> int:
        """Partition numbers of one worker when another one is missing."""
        return ceil(self.partitions / (self.workers - 1))

    @property
    def customers_of_number(self) -> float:
        return self.shop.customers / self.partitions

    @property
    def average(self) -> float:
        """Events a second, over a month."""
        return self.shop.customers * self.shop.events / MONTH

    @property
    def peak(self) -> float:
        return self.average * self.shop.peak

    @property
    def load(self) -> float:
        """Of what the workers can, at the peak: for the events, and for batches that hold few of them."""
        return (self.peak / EVENTS + self.transactions * TRANSACTION) / self.workers

    @property
    def memory(self) -> float:
        """Bytes of one worker when another one is missing."""
        return self.most_after_loss * self.customers_of_number * RESIDENT

    @property
    def start(self) -> float:
        """Seconds until a worker that starts has read back its share."""
        return NUMBERS_EACH * self.customers_of_number / RESTORED

    @property
    def takeover(self) -> float:
        """Seconds until a killed worker's partition numbers go on elsewhere, the slowest of them."""
        extra = ceil(NUMBERS_EACH / (self.workers - 1))
        return SESSION + extra * self.customers_of_number / RESTORED

    @property
    def catch_up(self) -> float:
        """Seconds to catch up with an hour in which nobody worked, at the peak."""
        return self.peak * 3600 / (EVENTS * self.workers - self.peak)

    @property
    def changelog(self) -> float:
        """Bytes of one copy at its largest, just before it is cleaned."""
        return self.shop.customers * (STATE + OVERHEAD) / (1 - DIRTY) + self.partitions * SEGMENT

    @property
    def written(self) -> float:
        """Bytes a second of one copy of all topics, on the average; each event changes one state."""
        return self.average * self._bytes_of_event

    @property
    def _bytes_of_event(self) -> float:
        return (EVENT + OVERHEAD) + (STATE + OVERHEAD) + self.shop.triggers * MESSAGE

    @property
    def disk(self) -> float:
        """Bytes of all copies of all topics."""
        kept = self.average * (EVENT + OVERHEAD + self.shop.triggers * MESSAGE) * self.shop.retention * 86_400
        return self.shop.copies * (self.changelog + kept)

    @property
    def cleaned(self) -> float:
        """Bytes a second that the brokers read again to clean the changelog, all copies; they write as much."""
        return self.shop.copies * self.average * (STATE + OVERHEAD) / DIRTY

    @property
    def network(self) -> float:
        """Bytes a second at the peak into the brokers: producers, workers, and the copies among the brokers."""
        return self.shop.copies * self.peak * self._bytes_of_event

    @property
    def transactions(self) -> float:
        """A second at the peak: one for each event, until batches hold more of them because others are under way."""
        return min(self.peak, self.partitions / BATCH)

    @property
    def brokers(self) -> float:
        """Processors that the transactions keep busy in the brokers, at the peak."""
        return self.transactions * BROKERS_TRANSACTION

    @property
    def rolling(self) -> float:
        """Seconds to replace all workers in turn: what one has goes to others, and its successor gets its share."""
        return self.workers * (self.takeover - SESSION + PROCESS + self.start)

    @property
    def replicas(self) -> int:
        """Of partitions, in all brokers."""
        return (TOPICS * self.partitions + 1) * self.shop.copies

    @property
    def record(self) -> float:
        """Bytes of the group's record."""
        return RECORD * self.workers


LIMITS: dict[str, Callable[[Fleet], bool]] = {
    "events a second": lambda fleet: fleet.load <= LOAD,
    "memory": lambda fleet: fleet.memory <= fleet.shop.memory,
    "time to start": lambda fleet: fleet.start <= START,
}
"""What a fleet must be large enough for."""


def fleet_for(shop: Shop) -> Fleet:
    """The smallest that keeps within all limits; two at the least, so that one may be missing."""
    workers = 2
    while exceeded(fleet := Fleet(shop, workers)):
        workers += 1
    return fleet


def exceeded(fleet: Fleet) -> list[str]:
    """The limits that it is too small for."""
    return [name for name, within in LIMITS.items() if not within(fleet)]


def binding(fleet: Fleet) -> str:
    """What one worker less would be too few for."""
    return (
        ", ".join(exceeded(Fleet(fleet.shop, fleet.workers - 1))) if fleet.workers > 2 else "one must be able to fail"
    )
