"""Reads the topic of dead letters to where it ended when first looked at; in bounded memory, writing nothing."""

from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self

from streams.deadletters.letter import Letter, Receipt, SentBack, read
from streams.delivery.whole import Tell, WholeReading
from streams.settings import Settings


class Shelf:
    """`async with Shelf(settings, partitions) as shelf`: reads one partition after the other, by one fetch at a time.

    Raises KafkaError, and StopError when there is no end of a partition.
    """

    def __init__(self, settings: Settings, partitions: int, tell: Tell = lambda _share, _what: None) -> None:
        self.topic = settings.topic("dead_letters")
        self._partitions, self._tell = partitions, tell
        self._reading = WholeReading(settings)

    async def __aenter__(self) -> Self:
        await self._reading.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._reading.__aexit__(kind, error, trace)

    async def sent_back(self) -> SentBack:
        """What the receipts tell."""
        found = SentBack()
        for number in range(self._partitions):
            found.begins(number, await self._reading.begin(self.topic, number))
            async for entry in self._read(number):
                if isinstance(entry, Receipt):
                    found.note(number, entry)
        return found

    async def letters(self) -> AsyncIterator[Letter]:
        """Every letter, by partition and offset: what was written after the first look is left for another time."""
        for number in range(self._partitions):
            async for entry in self._read(number):
                if isinstance(entry, Letter):
                    yield entry

    async def _read(self, number: int) -> AsyncIterator[Letter | Receipt]:
        def tell(share: float) -> None:
            self._tell((number + share) / self._partitions, f"reading {self.topic}")

        async for records in self._reading.records(self.topic, number, tell):
            for record in records:
                yield read(number, record)
