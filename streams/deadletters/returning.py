"""Sends letters back, each to its place, with their receipts.

With transactions both are one, under an id that a second run fences: however a run ends, the next one sends what has no
receipt, and nothing twice. Without them a run that is broken off may send a chunk again, which the events' ids make
harmless to a worker.
"""

from collections import defaultdict
from collections.abc import Iterable

from streams.deadletters.letter import Letter, receipt_row
from streams.deadletters.placing import Place
from streams.delivery.ports import Row
from streams.delivery.stepwise import Stepwise
from streams.settings import Settings

CHUNK, CHUNK_BYTES = 500, 4 << 20
"""Letters that are sent back at once, and their bytes."""


class Returner(Stepwise):
    """Opening it ends what another one has begun, and fences that one."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "dead-letters")
        self._topic = settings.topic("dead_letters")

    async def write(self, letters: Iterable[Letter], place: Place) -> None:
        """Make them, each in its place, and then their receipts durable. Raises what `write_in_order` does.

        After an error it is unknown whether they are: `close`, and read what the receipts say.
        """
        back: dict[tuple[str, int], list[Row]] = defaultdict(list)
        offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
        for letter in letters:
            back[letter.topic, place(letter)].append(letter.row())
            offsets[self._topic, letter.number].append(letter.offset)
        await self.write_in_order(back, {where: [receipt_row(some)] for where, some in offsets.items()})
