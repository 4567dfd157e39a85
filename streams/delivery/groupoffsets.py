"""The group's offsets: how far it is told that a partition number is. For people and tools: the mark is the truth."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from aiokafka.errors import KafkaError

from streams.delivery.changelog import offsets
from streams.delivery.ports import Intake, Writer
from streams.errors import FencedError
from streams.flow.mark import Position
from streams.settings import Settings

EVERY_SECONDS = 1.0
PATIENCE = 2.0


class GroupOffsets:
    """Tells the group, now and then: in a transaction where there are any, else by a commit, which may fail."""

    def __init__(self, number: int, settings: Settings, intake: Intake, writer: Writer) -> None:
        self._number, self._settings, self._intake, self._writer = number, settings, intake, writer
        self._in_transactions = settings.delivery == "exactly_once"
        self._due = 0.0
        self._told: dict[str, int] = {}

    async def follow(self, positions: Mapping[str, Position]) -> None:
        """Tell what it was not told, unless it was told something a moment ago. Raises what `Writer.write` does."""
        if self._in_transactions:
            await self._writer.tell()
        elif asyncio.get_running_loop().time() >= self._due:
            await self._commit(positions)

    async def finish(self, positions: Mapping[str, Position]) -> None:
        """Tell it for the last time. Failing does no harm."""
        if self._in_transactions:
            with suppress(KafkaError, TimeoutError, OSError, FencedError):
                async with asyncio.timeout(PATIENCE):
                    await self._writer.tell(at_once=True)
        else:
            await self._commit(positions)

    async def _commit(self, positions: Mapping[str, Position]) -> None:
        self._due = asyncio.get_running_loop().time() + EVERY_SECONDS
        told = offsets(positions, self._settings)
        if told != self._told and not self._intake.away:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._intake.commit_group(self._number, told)
                self._told = told
