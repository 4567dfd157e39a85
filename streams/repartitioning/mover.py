"""Writes customers to other partitions of the changelog than they were in."""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaError, ProducerFenced

from streams.delivery.ports import STEP_SECONDS, Row
from streams.delivery.producing import Producing, Sent
from streams.errors import FencedError
from streams.settings import Settings

_TRANSACTION_MS = 60_000
"""Longer than a step may take."""

Rows = Mapping[int, list[Row]]
"""By partition of the changelog."""


class Mover(Producing):
    """With transactions each write is one, of an id that a second mover fences."""

    def __init__(self, settings: Settings) -> None:
        options: dict[str, Any] = {}
        self._transactional = settings.delivery == "exactly_once"
        if self._transactional:
            options = {
                "enable_idempotence": True,
                "transactional_id": f"{settings.group_id}-repartition",
                "transaction_timeout_ms": _TRANSACTION_MS,
            }
        super().__init__(settings, 0, {}, **options)

    async def write(self, arriving: Rows, leaving: Rows) -> None:
        """Make both durable, `arriving` before `leaving`. Raises KafkaError, TimeoutError, `FencedError`.

        In this order with transactions too: whatever else may end one halfway, nobody has left without having arrived.
        """
        try:
            async with asyncio.timeout(STEP_SECONDS):
                if self._transactional:
                    await self.producer.begin_transaction()
                await self._acknowledged(arriving)
                await self._acknowledged(leaving)
                if self._transactional:
                    await self.producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as exc:
            raise FencedError(str(exc)) from exc
        except IllegalOperation as exc:  # the producer was broken by an earlier error
            raise KafkaError(repr(exc)) from exc

    async def _acknowledged(self, part: Rows) -> None:
        sent: list[Sent] = []
        for number, rows in part.items():
            sent += await self.send(self.settings.changelog, rows, number)
        for batch in sent:
            await batch.taken()
