"""One partition of a topic, as its leader keeps it: records, transactions that are open in it, fencing by epoch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka.errors import InvalidProducerEpoch, InvalidTxnState, OutOfOrderSequenceNumber

Headers = tuple[tuple[str, bytes], ...]
Row = tuple[bytes | None, bytes | None, Headers]
Place = tuple[str, int]
"""Topic and partition number."""


class Taken(NamedTuple):
    """What a worker meant a transaction to be: which source offsets it takes. The brokers know nothing of that."""

    number: int
    """Partition number."""
    before: tuple[int, ...]
    """The next offset of each source, before it and after it."""
    after: tuple[int, ...]


class Producer(NamedTuple):
    """Who writes: what InitProducerId gave."""

    id: int
    epoch: int


@dataclass(eq=False, slots=True)
class Transaction:
    """One transaction of one producer. `committed`: None while it is open, or its end is not decided."""

    producer: Producer
    began: float
    places: set[Place] = field(default_factory=set)
    grouped: bool = False
    """It commits offsets of the group too."""
    committed: bool | None = None
    takes: list[Taken] = field(default_factory=list)
    """More than one: a late request tore another transaction."""


class Kept(NamedTuple):
    """A record of a log. `value` of a control record is not for readers."""

    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    transaction: Transaction | None = None
    control: bool = False


class Log:
    """The leader's view of one partition."""

    def __init__(self) -> None:
        self.records: list[Kept] = []
        self.open: dict[int, tuple[Transaction, int]] = {}
        """By producer id: the transaction that is open here, and the offset of its first record."""
        self._epochs: dict[int, int] = {}
        self._next: dict[Producer, int] = {}

    @property
    def end(self) -> int:
        """The high water mark: there is one replica."""
        return len(self.records)

    @property
    def stable(self) -> int:
        """The last stable offset: the first record of the oldest open transaction, or the end."""
        return min((first for _, first in self.open.values()), default=len(self.records))

    def append(self, rows: Iterable[Row], transaction: Transaction | None = None) -> None:
        records = self.records
        for key, value, headers in rows:
            records.append(Kept(len(records), key, value, headers, transaction))

    def produce(self, transaction: Transaction | None, producer: Producer, sequence: int, rows: Sequence[Row]) -> bool:
        """A batch of a transactional producer; False for one that has come before, which is not taken twice.

        `transaction`: that which the coordinator has open for this partition (KIP-890 verifies it). Raises
        InvalidProducerEpoch, InvalidTxnState, OutOfOrderSequenceNumber.
        """
        if producer.epoch < self._epochs.get(producer.id, 0):
            raise InvalidProducerEpoch
        following = self._next.get(producer, 0)
        if sequence < following:
            return False
        if transaction is None:
            raise InvalidTxnState
        if sequence > following:
            raise OutOfOrderSequenceNumber
        self._next[producer] = sequence + len(rows)
        self._epochs[producer.id] = producer.epoch
        self.open.setdefault(producer.id, (transaction, self.end))
        self.append(rows, transaction)
        return True

    def mark(self, transaction: Transaction, epoch: int) -> None:
        """The end of a transaction, as a control record, by a producer's epoch or by that which fences it."""
        producer = transaction.producer.id
        self._epochs[producer] = max(epoch, self._epochs.get(producer, 0))
        self.open.pop(producer, None)
        self.records.append(Kept(self.end, None, None, (), transaction, control=True))

    def committed(self, begin: int, limit: int) -> tuple[list[Kept], int]:
        """Up to `limit` records from `begin` on, as read_committed sees them, and where to go on."""
        end = min(self.stable, begin + limit)
        return [record for record in self.records[begin:end] if visible(record)], max(begin, end)


def visible(record: Kept) -> bool:
    """Whether a record below the last stable offset is for readers."""
    return not record.control and (record.transaction is None or record.transaction.committed is True)
