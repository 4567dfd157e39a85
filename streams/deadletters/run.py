"""What the commands do: list, look at what would pass, send back."""

import time

from streams.deadletters.judge import NO_PLACE, Judge, Verdicts
from streams.deadletters.letter import FOREIGN, Letter, Selection, Wanted
from streams.deadletters.listing import Listing
from streams.deadletters.placing import Place, placing
from streams.deadletters.returning import CHUNK, CHUNK_BYTES, Returner
from streams.deadletters.shelf import Shelf
from streams.delivery.whole import Tell, WholeReading
from streams.settings import Settings


async def list_letters(
    settings: Settings, partitions: dict[str, int], selection: Selection, examples: int, tell: Tell
) -> Listing:
    """What there is. `partitions`: of each topic. Raises KafkaError, StopError."""
    found, topic = Listing(examples), settings.topic("dead_letters")
    async with WholeReading(settings) as reading:
        shelf = Shelf(reading, topic, partitions[topic], tell)
        sent_back = await shelf.sent_back()
        async for letter in shelf.letters():
            if selection.takes(letter):
                found.add(letter, sent_back=sent_back.has(letter))
    return found


async def foretell(settings: Settings, partitions: dict[str, int], wanted: Wanted, tell: Tell) -> Verdicts:
    """What `send_back` would do now. Raises KafkaError, StopError."""
    return await _Run(settings, partitions, wanted).go(None, tell)


async def send_back(settings: Settings, partitions: dict[str, int], wanted: Wanted, tell: Tell) -> Verdicts:
    """Send back what is wanted and was not sent back before; what it came to.

    Raises KafkaError, TimeoutError, FencedError, StopError: then run it again, which goes on from there.
    """
    returner = Returner(settings)
    try:
        await returner.open()  # before the receipts are read: whoever came before writes none from here on
        return await _Run(settings, partitions, wanted).go(returner, tell)
    finally:
        await returner.close()


class _Run:
    def __init__(self, settings: Settings, partitions: dict[str, int], wanted: Wanted) -> None:
        self._settings, self._wanted = settings, wanted
        self._topic = settings.topic("dead_letters")
        self._partitions = partitions[self._topic]
        self._customers = partitions.get(settings.changelog, 0)
        self._place: Place = lambda letter: letter.partition
        self._judge = Judge(settings, partitions, round(time.time() * 1000))
        self._verdicts = Verdicts()
        self._chunk: list[Letter] = []
        self._bytes = 0

    async def go(self, returner: Returner | None, tell: Tell) -> Verdicts:
        if returner is not None and self._customers:
            self._place = await placing(self._settings, self._customers)
        async with WholeReading(self._settings) as reading:
            shelf = Shelf(reading, self._topic, self._partitions, tell)
            sent_back = await shelf.sent_back()
            async for letter in shelf.letters():
                if not self._wanted.selection.takes(letter):
                    continue
                if sent_back.has(letter):
                    self._verdicts.before += 1
                elif self._goes(letter):
                    self._verdicts.passing += 1
                    await self._send(returner, letter)
                    if self._verdicts.passing == self._wanted.limit:
                        break
        await self._flush(returner)
        return self._verdicts

    def _goes(self, letter: Letter) -> bool:
        against = self._judge.against(letter)
        if against is None or (self._wanted.everything and against[0] not in (FOREIGN, NO_PLACE)):
            return True
        self._verdicts.refuse(letter, *against)
        return False

    async def _send(self, returner: Returner | None, letter: Letter) -> None:
        if returner is None:
            return
        self._chunk.append(letter)
        self._bytes += letter.size
        if len(self._chunk) >= CHUNK or self._bytes >= CHUNK_BYTES:
            await self._flush(returner)

    async def _flush(self, returner: Returner | None) -> None:
        if returner is not None and self._chunk:
            await returner.write(self._chunk, self._place)
        self._chunk, self._bytes = [], 0
