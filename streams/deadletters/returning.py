"""Sends letters back to where they came from, with their receipts.

With transactions both are one, under an id that a second run fences: however a run ends, the next one sends what has no
receipt, and nothing twice. Without them a run that is broken off may send a chunk again, which the events' ids make
harmless to a worker.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from aiokafka.errors import IllegalOperation, InvalidProducerEpoch, KafkaConnectionError, KafkaError, ProducerFenced

from streams.deadletters.letter import Letter, receipt_row
from streams.delivery.ports import STEP_SECONDS, Row
from streams.delivery.producing import Producing, Sent
from streams.errors import FencedError
from streams.settings import Settings

CHUNK, CHUNK_BYTES = 500, 4 << 20
"""Letters that are sent back at once, and their bytes."""
_TRANSACTION_MS = 60_000
"""Longer than a step may take."""


class Returner(Producing):
    """Opening it ends what another one has begun, and fences that one."""

    def __init__(self, settings: Settings) -> None:
        options: dict[str, Any] = {}
        self._transactional = settings.delivery == "exactly_once"
        if self._transactional:
            options = {
                "enable_idempotence": True,
                "transactional_id": f"{settings.group_id}-dead-letters",
                "transaction_timeout_ms": _TRANSACTION_MS,
            }
        super().__init__(settings, 0, {}, **options)
        self._topic = settings.topic("dead_letters")

    async def open(self) -> None:
        self._unanswered = False
        await super().open()
        self._watch_ends(self.producer.client)

    async def write(self, letters: Iterable[Letter]) -> None:
        """Make them and their receipts durable. Raises KafkaError, TimeoutError, `FencedError`.

        After an error it is unknown whether they are: `close`, and read what the receipts say.
        """
        back: dict[tuple[str, int], list[Row]] = defaultdict(list)
        offsets: dict[tuple[str, int], list[int]] = defaultdict(list)
        for letter in letters:
            back[letter.topic, letter.partition].append(letter.row())
            offsets[self._topic, letter.number].append(letter.offset)
        receipts = {place: [receipt_row(some)] for place, some in offsets.items()}
        try:
            async with asyncio.timeout(STEP_SECONDS):
                if self._transactional:
                    await self.producer.begin_transaction()
                await self._acknowledged(back)
                await self._acknowledged(receipts)
                if self._transactional:
                    await self.producer.commit_transaction()
        except (ProducerFenced, InvalidProducerEpoch) as exc:
            raise FencedError(str(exc)) from exc
        except IllegalOperation as exc:  # the producer was broken by an earlier error
            raise KafkaError(repr(exc)) from exc
        if self._unanswered:
            raise KafkaConnectionError("the end of the transaction was not answered at once: it may come twice")

    async def _acknowledged(self, rows: dict[tuple[str, int], list[Row]]) -> None:
        sent: list[Sent] = []
        for (topic, partition), some in rows.items():
            sent += await self.send(topic, some, partition)
        for batch in sent:
            await batch.taken()
