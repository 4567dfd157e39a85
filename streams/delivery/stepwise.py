"""Writes parts in an order: each acknowledged before the next, and all of them or none where there are transactions.

For what is no worker, and has no partition number: it has one transactional id, which a second one of its kind fences.
"""

from collections.abc import Mapping
from typing import Any

from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaConnectionError, KafkaError, ProducerFenced

from streams.delivery.ports import STEP_SECONDS, Row
from streams.delivery.producing import Producing, Sent
from streams.errors import FencedError
from streams.settings import Settings

_TRANSACTION_MS = 60_000
"""Longer than a step may take."""

Place = tuple[str, int]
"""A topic, and a partition of it."""
Part = Mapping[Place, list[Row]]


class Stepwise(Producing):
    """Opening it ends what another one of this `name` has begun, and fences that one."""

    def __init__(self, settings: Settings, name: str) -> None:
        options: dict[str, Any] = {}
        self._transactional = settings.delivery == "exactly_once"
        if self._transactional:
            options = {
                "enable_idempotence": True,
                "transactional_id": f"{settings.group_id}-{name}",
                "transaction_timeout_ms": _TRANSACTION_MS,
            }
        super().__init__(settings, 0, {}, **options)

    async def open(self) -> None:
        self._unanswered = False
        await super().open()
        self._watch_ends(self.producer.client)

    async def write_in_order(self, *parts: Part) -> None:
        """Make them durable, one after the other. Raises KafkaError, TimeoutError, `FencedError`.

        In this order with transactions too: whatever else may end one halfway, nothing later is there without what
        comes before it. After an error it is unknown what is durable: `close`, and read it.
        """
        try:
            async with self._refused.step(STEP_SECONDS):
                if self._transactional:
                    await self.producer.begin_transaction()
                for part in parts:
                    await self._acknowledged(part)
                if self._transactional:
                    await self.producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as exc:
            raise FencedError(str(exc)) from exc
        except IllegalOperation as exc:  # the producer was broken by an earlier error
            raise KafkaError(repr(exc)) from exc
        if self._unanswered:
            raise KafkaConnectionError("the end of the transaction was not answered at once: it may come twice")

    async def _acknowledged(self, part: Part) -> None:
        sent: list[Sent] = []
        for (topic, partition), rows in part.items():
            sent += await self.send(topic, rows, partition)
        for batch in sent:
            await batch.taken()
