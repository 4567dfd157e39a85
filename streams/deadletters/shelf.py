"""Reads the topic of dead letters to where it ended when first looked at; in bounded memory, writing nothing."""

from collections.abc import AsyncIterator, Callable
from functools import partial

from streams.deadletters.letter import Letter, Receipt, SentBack, read
from streams.delivery.whole import Tell, WholeReading


class Shelf:
    """Reads the topic's partitions, so many, one after the other, by one fetch at a time.

    Raises KafkaError, and StopError when there is no end of a partition.
    """

    def __init__(self, reading: WholeReading, topic: str, partitions: int, tell: Tell) -> None:
        self._reading, self._topic = reading, topic
        self._partitions, self._tell = partitions, tell

    async def sent_back(self) -> SentBack:
        """What the receipts tell."""
        found = SentBack()
        for number in range(self._partitions):
            async for entry in self._read(number, partial(found.begins, number)):
                if isinstance(entry, Receipt):
                    found.note(number, entry)
        return found

    async def letters(self) -> AsyncIterator[Letter]:
        """Every letter, by partition and offset: what was written after the first look is left for another time."""
        for number in range(self._partitions):
            async for entry in self._read(number):
                if isinstance(entry, Letter):
                    yield entry

    async def _read(
        self, number: int, begins: Callable[[int], None] = lambda _offset: None
    ) -> AsyncIterator[Letter | Receipt]:
        def tell(share: float) -> None:
            self._tell((number + share) / self._partitions, f"reading {self._topic}")

        async for records in self._reading.records(self._topic, number, tell, begins):
            for record in records:
                yield read(number, record)
