"""One partition of a topic, as its leader keeps it: records, transactions that are open in it, fencing by epoch."""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from aiokafka.errors import InvalidProducerEpoch, OutOfOrderSequenceNumber

Headers = tuple[tuple[str, bytes], ...]
Row = tuple[bytes | None, bytes | None, Headers]
Place = tuple[str, int]
"""Topic and partition number."""
REMEMBERED = 5
"""Batches of a producer that are known again when they come twice."""


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


@dataclass(slots=True)
class _Known:
    """What a partition remembers of a producer id."""

    epoch: int
    batches: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    """Sequence and length of the last ones of this epoch."""


class Log:
    """The leader's view of one partition."""

    def __init__(self) -> None:
        self.records: list[Kept] = []
        self.open: dict[int, tuple[Transaction, int]] = {}
        """By producer id: the transaction that is open here, and the offset of its first record."""
        self._known: dict[int, _Known] = {}
        self._asked: dict[int, tuple[int, int]] = {}
        """By producer id: the epoch and the lowest sequence that was asked about and is not taken yet."""

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

    def produce(
        self, verify: Callable[[], Transaction], producer: Producer, sequence: int, rows: Sequence[Row]
    ) -> Transaction | None:
        """A batch of a transactional producer: what it was taken into; None for one that has come before.

        `verify` asks the coordinator for the transaction that is open for this partition (KIP-890). Raises what that
        does, InvalidProducerEpoch, OutOfOrderSequenceNumber.
        """
        transaction, _ = self.open.get(producer.id, (None, 0))
        if transaction is None or transaction.producer != producer:
            self._ask(producer, sequence)
            transaction = verify()
        known = self._known.get(producer.id)
        if known is not None and known.epoch == producer.epoch and (sequence, len(rows)) in known.batches:
            return None
        self._check(known, producer, sequence)
        if known is None or known.epoch != producer.epoch:
            known = self._known[producer.id] = _Known(producer.epoch)
        known.batches.append((sequence, len(rows)))
        self._asked.pop(producer.id, None)
        self.open.setdefault(producer.id, (transaction, self.end))
        self.append(rows, transaction)
        return transaction

    def _ask(self, producer: Producer, sequence: int) -> None:
        epoch, lowest = self._asked.get(producer.id, (-1, 0))
        if producer.epoch > epoch or (producer.epoch == epoch and sequence < lowest):
            self._asked[producer.id] = producer.epoch, sequence

    def _check(self, known: _Known | None, producer: Producer, sequence: int) -> None:
        if known is not None and producer.epoch < known.epoch:
            raise InvalidProducerEpoch
        epoch, lowest = self._asked.get(producer.id, (-1, 0))
        if epoch == producer.epoch and sequence > lowest:
            raise OutOfOrderSequenceNumber
        if known is None:
            return  # whatever its sequence
        following = sum(known.batches[-1]) if known.epoch == producer.epoch and known.batches else 0
        if sequence != following:
            raise OutOfOrderSequenceNumber

    def mark(self, transaction: Transaction, epoch: int) -> None:
        """The end of a transaction, as a control record, by a producer's epoch or by that which fences it."""
        producer = transaction.producer.id
        known = self._known.get(producer)
        if known is None or known.epoch < epoch:
            self._known[producer] = _Known(epoch)
        self._asked.pop(producer, None)
        self.open.pop(producer, None)
        self.records.append(Kept(self.end, None, None, (), transaction, control=True))

    def committed(self, begin: int, limit: int) -> tuple[list[Kept], int]:
        """Up to `limit` records from `begin` on, as read_committed sees them, and where to go on."""
        end = min(self.stable, begin + limit)
        return [record for record in self.records[begin:end] if visible(record)], max(begin, end)


def visible(record: Kept) -> bool:
    """Whether a record below the last stable offset is for readers."""
    return not record.control and (record.transaction is None or record.transaction.committed is True)
