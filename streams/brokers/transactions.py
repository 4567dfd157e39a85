"""Whether the brokers have transactions, and what time it is there: asked with a transaction that leaves nothing."""

import asyncio
import contextlib
import time
from typing import Any

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError

from streams.brokers.topics import BrokerError, admin
from streams.settings import Settings

_SECONDS = 15.0


def _id(settings: Settings) -> str:
    """An id that no worker has: two of the same id would fence each other."""
    return f"{settings.group_id}-doctor"


def transactions(settings: Settings) -> str | None:
    """None when the brokers give a transactional producer its id (InitProducerId), else why not, in one line."""

    async def ask() -> None:
        producer = _producer(settings)
        try:
            await producer.start()
        finally:
            await producer.stop()

    return _run(ask())


def clock(settings: Settings) -> tuple[float | None, str]:
    """Seconds by which our clock is ahead of the broker's (0 within the time the question took), and how it was asked.

    None: it cannot be known, and why. A transaction is opened, the broker is asked when that began by its own clock
    (DescribeTransactions, Kafka 3.0), and it is aborted; it holds an offset of a group of its own and no record of
    any of our topics.
    """
    measured: list[float] = []

    async def ask() -> None:
        producer = _producer(settings)
        try:
            await producer.start()
            before = time.time()
            await producer.begin_transaction()
            await producer.send_offsets_to_transaction({TopicPartition(settings.sources[0], 0): 0}, _id(settings))
            after = time.time()
            began = await asyncio.to_thread(_began, settings)
            await producer.abort_transaction()
        finally:
            await producer.stop()
        if began > 0:
            measured.append(max(0.0, before - began) or min(0.0, after - began))

    why = _run(ask())
    if measured:
        return measured[0], "by the time at which it began a transaction"
    return None, why or "the broker does not tell when a transaction began"


def _producer(settings: Settings) -> Any:
    return AIOKafkaProducer(
        **settings.client_options(),
        transactional_id=_id(settings),
        transaction_timeout_ms=15_000,
        request_timeout_ms=5_000,
    )


def _began(settings: Settings) -> float:
    with admin(settings) as client:
        told = client.describe_transactions([_id(settings)])
    milliseconds: int = told[_id(settings)].transaction_start_time_ms
    return milliseconds / 1000


def _run(question: Any) -> str | None:
    """Run it for at most 15 seconds; None when it came through, else why not, in one line."""

    async def bounded() -> None:
        await asyncio.wait_for(question, _SECONDS)

    with contextlib.suppress(KeyError):  # an answer without our id
        try:
            asyncio.run(bounded())
        except TimeoutError:
            return f"no answer within {_SECONDS:.0f} s"
        except (KafkaError, BrokerError, OSError) as error:
            text = " ".join(str(error).split())
            return text[:200] or type(error).__name__
    return None
