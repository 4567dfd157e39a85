"""The group's offsets, where no transaction carries them. They are for people and tools: the mark is the truth."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress

from aiokafka.errors import KafkaError

from streams.changelog import offsets
from streams.mark import Position
from streams.ports import Intake
from streams.settings import Settings

EVERY_SECONDS = 1.0
PATIENCE = 2.0


class GroupOffsets:
    """Commits how far one partition number is, now and then. Failing does no harm."""

    def __init__(self, number: int, settings: Settings, intake: Intake) -> None:
        self._number, self._settings, self._intake = number, settings, intake
        self._due = 0.0
        self._told: dict[str, int] = {}

    async def follow(self, positions: Mapping[str, Position]) -> None:
        """Commit, unless that was done a moment ago."""
        if self._settings.delivery == "at_least_once" and asyncio.get_running_loop().time() >= self._due:
            await self.commit(positions)

    async def commit(self, positions: Mapping[str, Position]) -> None:
        """Commit what has changed since the last time."""
        if self._settings.delivery != "at_least_once":
            return
        self._due = asyncio.get_running_loop().time() + EVERY_SECONDS
        told = offsets(positions, self._settings)
        if told != self._told and not self._intake.away:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._intake.commit_group(self._number, told)
                self._told = told
