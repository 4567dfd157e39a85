"""How a batch becomes durable: all records of one partition number, and now and then the group's offsets.

`TransactionalWriter` (exactly_once): one Kafka transaction per batch. Opening it ends the previous owner's transaction
and fences it: nothing that it sends afterwards is taken. Where to go on is in the mark, which is one of the records.
`AcknowledgedWriter` (at_least_once, for brokers without transactions): decisions are acknowledged before states, states
before their mark. Whatever is written again after a crash is written with the same ids.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from itertools import chain, starmap

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    IllegalOperation,
    InvalidProducerEpoch,
    KafkaConnectionError,
    KafkaError,
    ProducerFenced,
    TopicAuthorizationFailedError,
)

from streams.delivery.ports import STEP_SECONDS, Row, Writer
from streams.delivery.producing import Producing, Sent
from streams.delivery.transactionv2 import Transactions
from streams.errors import FencedError
from streams.settings import Settings

TRANSACTION_MS = 15_000
"""A transaction of a frozen worker is ended by the broker after this, and holds up readers no longer."""

TELL_SECONDS = 0.2
"""Transactions carry the group's offsets so often at the most.

They are for people and tools, and take one of the three requests of a small batch (two of five before transactions v2).
"""


class TransactionalWriter(Producing):
    """One transaction per batch; the transactional id is the partition number's."""

    def __init__(self, settings: Settings, number: int, partitions: Mapping[str, int]) -> None:
        super().__init__(
            settings,
            number,
            partitions,
            enable_idempotence=True,
            transactional_id=settings.transactional_id(number),
            transaction_timeout_ms=TRANSACTION_MS,
        )
        self._v2: Transactions | None = None
        """None: the brokers have not agreed on the newer protocol."""
        self._untold: dict[str, int] = {}
        """By topic: how far batches are durable that have not carried their offsets."""
        self._tell_at = 0.0

    async def open(self) -> None:
        self._unanswered, self._untold, self._tell_at = False, {}, 0.0
        self._v2 = None
        await super().open()

    async def _start(self, producer: AIOKafkaProducer) -> None:
        await producer.client.bootstrap()
        transactions = Transactions(producer.client, self.settings.transactional_id(self.number), TRANSACTION_MS)
        if await transactions.supported():
            await transactions.open()
            self._v2 = transactions
        else:
            self._watch_ends(producer.client)
            await producer._sender.start()  # noqa: SLF001 - what `start` does after `bootstrap`

    async def close(self) -> None:
        if self._v2 is not None:
            self._v2.close()
        await super().close()

    async def write(self, states: Iterable[Row], outputs: Mapping[str, list[Row]], offsets: Mapping[str, int]) -> None:
        try:
            async with self._refused.step(STEP_SECONDS):
                await self._write(states, outputs, offsets)
        except (KafkaError, TimeoutError, IllegalOperation) as exc:
            cause = self._cause() or exc
            if isinstance(cause, ProducerFenced | InvalidProducerEpoch):
                raise FencedError(repr(cause)) from exc
            if isinstance(cause, IllegalOperation):  # the producer was broken by an earlier error
                raise KafkaError(repr(cause)) from exc
            if cause is not exc:
                raise cause from exc
            raise

    async def _write(self, states: Iterable[Row], outputs: Mapping[str, list[Row]], offsets: Mapping[str, int]) -> None:
        self._untold.update(offsets)
        telling = bool(self._untold) and asyncio.get_running_loop().time() >= self._tell_at
        told = {(topic, self.number): offset for topic, offset in self._untold.items()} if telling else {}
        if self._v2 is None:
            await self._write_v1(states, outputs, told)
        else:
            written = ((self.settings.changelog, states), *outputs.items())
            batches = chain.from_iterable(starmap(self.batches, written))
            await self._v2.commit(batches, self.settings.group_id, told)
        if telling:
            self._untold, self._tell_at = {}, asyncio.get_running_loop().time() + TELL_SECONDS

    async def _write_v1(
        self, states: Iterable[Row], outputs: Mapping[str, list[Row]], offsets: Mapping[tuple[str, int], int]
    ) -> None:
        producer = self.producer
        await producer.begin_transaction()
        sent = await self.send(self.settings.changelog, states)
        for topic, rows in outputs.items():
            sent += await self.send(topic, rows)
        if offsets:
            await producer.send_offsets_to_transaction(
                {TopicPartition(*place): offset for place, offset in offsets.items()}, self.settings.group_id
            )
        for batch in sent:
            await batch.taken()  # commit_transaction succeeds although a batch has failed
        await producer.commit_transaction()
        if self._unanswered:
            raise KafkaConnectionError("the end of the transaction was not answered at once: it may come twice")

    async def tell(self, *, at_once: bool = False) -> None:
        if at_once:
            self._tell_at = 0.0
        if self._untold and asyncio.get_running_loop().time() >= self._tell_at:
            await self.write((), {}, {})

    def _cause(self) -> BaseException | None:
        """What another error hides: the fencing that has ended the producer's sender, or a right that is missing.

        Of a right that is missing for one topic, the batches of all others fail too, with errors that say nothing.
        """
        if self._producer is None:
            return None
        sender, transaction = self._producer._sender, self._producer._txn_manager  # noqa: SLF001
        fencing = _failure(sender.sender_task, ProducerFenced, InvalidProducerEpoch)
        missing = TopicAuthorizationFailedError, GroupAuthorizationFailedError
        return fencing or _failure(transaction.wait_for_transaction_end(), *missing)


def _failure(ended: "asyncio.Future[None] | None", *kinds: type[BaseException]) -> BaseException | None:
    """What it has ended with, if that is one of these."""
    if ended is None or not ended.done() or ended.cancelled():
        return None
    failure = ended.exception()
    return failure if isinstance(failure, kinds) else None


class AcknowledgedWriter(Producing):
    """Without transactions. The group's offsets are the caller's to commit, afterwards.

    `check` raises `FencedError` when somebody else may have the partition: no broker would refuse what is sent then.
    """

    def __init__(
        self, settings: Settings, number: int, partitions: Mapping[str, int], check: Callable[[], None]
    ) -> None:
        super().__init__(settings, number, partitions)
        self._check = check

    async def write(self, states: Iterable[Row], outputs: Mapping[str, list[Row]], _offsets: Mapping[str, int]) -> None:
        async with self._refused.step(STEP_SECONDS):
            sent: list[Sent] = []
            self._check()
            for topic, rows in outputs.items():
                sent += await self.send(topic, rows)
            for batch in sent:
                await batch.taken()
            self._check()
            for batch in await self.send(self.settings.changelog, states):
                await batch.taken()  # one after the other: the mark comes last

    async def tell(self, *, at_once: bool = False) -> None:
        """The caller commits the group's offsets."""


def make_writer(
    settings: Settings, number: int, partitions: Mapping[str, int], check: Callable[[], None] = lambda: None
) -> Writer:
    """The writer of the delivery mode. `partitions`: how many each output topic has; `check`: of AcknowledgedWriter."""
    if settings.delivery == "exactly_once":
        return TransactionalWriter(settings, number, partitions)
    return AcknowledgedWriter(settings, number, partitions, check)
