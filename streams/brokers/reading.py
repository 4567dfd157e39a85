"""Reading topics without a group: a consumer that is assigned its partitions by hand and commits nothing."""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition

from streams.settings import Settings

_CLOSE_SECONDS = 5.0


class Reading:
    """`async with Reading(settings) as consumer`: what is committed, from the beginning of what it is assigned.

    `options`: of aiokafka, beside ours or instead of them. Raises KafkaError, OSError; nothing is left open.
    """

    def __init__(self, settings: Settings, **options: Any) -> None:
        self._options = {
            **settings.client_options(),
            "enable_auto_commit": False,
            "auto_offset_reset": "earliest",
            "isolation_level": "read_committed",
            "fetch_max_wait_ms": 50,
            "retry_backoff_ms": 20,
            **options,
        }
        self._consumer: Any = None

    async def __aenter__(self) -> Any:
        self._consumer = AIOKafkaConsumer(**self._options)
        try:
            await self._consumer.start()
        except BaseException:
            await self._close()
            raise
        return self._consumer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    async def _close(self) -> None:
        with suppress(Exception):  # it may be broken; what was read is read
            await asyncio.wait_for(self._consumer.stop(), _CLOSE_SECONDS)


def end_of(consumer: Any, place: TopicPartition) -> int | None:
    """Where what is committed ends, as the last fetch told; None: there was none yet.

    The embedded broker tells it no other way.
    """
    end: int | None = consumer.last_stable_offset(place)
    return end if end is not None and end >= 0 else consumer.highwater(place)
