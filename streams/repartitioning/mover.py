"""Writes customers to other partitions of the changelog than they were in."""

from collections.abc import Mapping

from streams.delivery.ports import Row
from streams.delivery.stepwise import Part, Stepwise
from streams.settings import Settings

Rows = Mapping[int, list[Row]]
"""By partition of the changelog."""


class Mover(Stepwise):
    """With transactions each write is one, of an id that a second mover fences."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings, "repartition")

    async def write(self, arriving: Rows, leaving: Rows) -> None:
        """Make both durable, `arriving` before `leaving`: nobody has left without having arrived.

        Raises what `write_in_order` does.
        """
        await self.write_in_order(self._part(arriving), self._part(leaving))

    def _part(self, rows: Rows) -> Part:
        return {(self.settings.changelog, number): some for number, some in rows.items()}
