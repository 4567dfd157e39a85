"""The transaction coordinator: producer ids and epochs, open transactions, their markers and their time-outs.

As Apache Kafka 4 treats the protocol versions that aiokafka 0.14 speaks: one epoch per InitProducerId and not per
transaction, every produced batch verified against the open transaction (KIP-890, part 1). And as it treats those of
transactions v2 (part 2), for clusters that have agreed on them: an epoch for each transaction.
"""

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from aiokafka.errors import ConcurrentTransactions, InvalidProducerEpoch, InvalidTxnState, NotEnoughReplicasError

from tests.sim.log import Log, Place, Producer, Transaction

MARKER_SECONDS = (0.001, 0.03)
"""From the decision about a transaction to its marker in a partition."""
SLOW_MARKER_SECONDS = 1.0
Seen = Callable[[str], None]


@dataclass(slots=True)
class _Id:
    """What the coordinator knows of a transactional id."""

    producer: Producer
    seconds: float = 0.0
    """How long its transactions may take."""
    open: Transaction | None = None
    ending: Transaction | None = None
    """Decided, and its markers are on their way."""
    last: bool | None = None
    """How the last one ended; None before the first one since InitProducerId."""


class Coordinator:
    """Of all transactional ids. `seen` hears of each branch; `ended` of a transaction whose markers are all written."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        rng: random.Random,
        logs: Mapping[Place, Log],
        seen: Seen,
        ended: Callable[[Transaction], None],
        written: Callable[[Place], None],
    ) -> None:
        self.transactions: list[Transaction] = []
        """All there were, in the order in which they began."""
        self.v2 = False
        """The cluster has agreed on transactions v2."""
        self.reached: dict[int, tuple[int, ...]] = {}
        """By partition number: the next source offsets after all that was committed."""
        self._loop, self._rng, self._logs = loop, rng, logs
        self._seen, self._ended, self._written = seen, ended, written
        self._ids: dict[str, _Id] = {}
        self._names: dict[int, str] = {}

    # -- requests

    def init_producer(self, name: str, seconds: float) -> Producer:
        """InitProducerId: a new epoch, once the former owner's transaction is ended. Raises ConcurrentTransactions."""
        known = self._ids.get(name)
        if known is None:
            known = self._ids[name] = _Id(Producer(len(self._ids) + 1, -1))
            self._names[known.producer.id] = name
        if known.ending is not None:
            raise ConcurrentTransactions
        known.producer = Producer(known.producer.id, known.producer.epoch + 1)
        if known.open is not None:
            self._seen("init ends an open transaction")
            self._raise_by_v2(known)
            self._end(known, known.open, commit=False)
            raise ConcurrentTransactions
        known.seconds, known.last = seconds, None
        return known.producer

    def add_partitions(self, producer: Producer, places: Iterable[Place]) -> Transaction:
        """AddPartitionsToTxn; the first one begins the transaction."""
        transaction = self._begun(producer)
        transaction.places.update(places)
        return transaction

    def add_group(self, producer: Producer) -> Transaction:
        """AddOffsetsToTxn, for the one group there is."""
        transaction = self._begun(producer)
        transaction.grouped = True
        return transaction

    def end(self, producer: Producer, meant: Transaction | None, *, commit: bool) -> None:
        """EndTxn. It names no transaction: one that comes late ends whichever is open, and not the one `meant`."""
        known = self._known(producer)
        if known.open is not None:
            if known.open is not meant:
                self._seen("late EndTxn ends another transaction")
            self._end(known, known.open, commit=commit)
        elif known.ending is not None:
            raise ConcurrentTransactions
        elif known.last is not commit:
            raise InvalidTxnState

    def end_v2(self, producer: Producer, *, commit: bool) -> Producer:
        """EndTxn of version 5: the transaction of this epoch, and no other. The producer of the next one.

        Asked for again, it answers the same. Raises what `end` does.
        """
        known = self._ids[self._names[producer.id]]
        again = known.producer == Producer(producer.id, producer.epoch + 1)
        if known.ending is not None and again:
            if known.ending.committed is not commit:
                raise InvalidTxnState
            raise ConcurrentTransactions
        if again and known.open is None and known.last is not None:
            if known.last is not commit:
                raise InvalidTxnState
            self._seen("EndTxn asked for again")
            return known.producer
        if again and known.open is not None:
            self._seen("late EndTxn refused")
        self._known(producer)
        if known.open is None:
            raise InvalidTxnState
        self._raise_by_v2(known)
        self._end(known, known.open, commit=commit)
        return known.producer

    def _raise_by_v2(self, known: _Id) -> None:
        """Markers are written with the epoch of what follows."""
        if self.v2:
            known.producer = Producer(known.producer.id, known.producer.epoch + 1)

    def verify(self, producer: Producer, place: Place | None) -> Transaction:
        """The open transaction that a partition (None: the group) was added to (KIP-890).

        Raises InvalidProducerEpoch, InvalidTxnState; NotEnoughReplicasError (for old clients) while one is ended.
        """
        known = self._known(producer)
        if known.ending is not None:
            raise NotEnoughReplicasError
        found = known.open
        if found is None or not (found.grouped if place is None else place in found.places):
            raise InvalidTxnState
        return found

    # -- what comes of them

    def _known(self, producer: Producer) -> _Id:
        known = self._ids[self._names[producer.id]]
        if known.producer != producer:
            self._seen("fenced by the coordinator")
            raise InvalidProducerEpoch
        return known

    def _begun(self, producer: Producer) -> Transaction:
        known = self._known(producer)
        if known.ending is not None:
            raise ConcurrentTransactions
        if known.open is None:
            known.open = transaction = Transaction(producer, self._loop.time())
            self.transactions.append(transaction)
            self._loop.call_later(known.seconds, self._time_out, known, transaction)
        return known.open

    def _time_out(self, known: _Id, transaction: Transaction) -> None:
        if known.open is transaction:
            self._seen("transaction timed out")
            known.producer = Producer(known.producer.id, known.producer.epoch + 1)
            self._raise_by_v2(known)
            self._end(known, transaction, commit=False)

    def _end(self, known: _Id, transaction: Transaction, *, commit: bool) -> None:
        transaction.committed = commit
        known.open, known.ending = None, transaction
        waiting = sorted(transaction.places)
        slowest = 0.0
        low, high = MARKER_SECONDS
        if self._rng.random() < 0.05:
            self._seen("slow markers")
            high = SLOW_MARKER_SECONDS
        for place in waiting:
            seconds = self._rng.uniform(low, high)
            slowest = max(slowest, seconds)
            self._loop.call_later(seconds, self._mark, place, transaction, known.producer.epoch)
        self._loop.call_later(slowest, self._complete, known, transaction)

    def _mark(self, place: Place, transaction: Transaction, epoch: int) -> None:
        self._logs[place].mark(transaction, epoch)
        self._written(place)

    def _complete(self, known: _Id, transaction: Transaction) -> None:
        known.ending, known.last = None, transaction.committed
        if transaction.committed:
            self.reached.update((taken.number, taken.after) for taken in transaction.takes)
        self._ended(transaction)
