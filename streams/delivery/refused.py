"""Topics that may no longer be written to: aiokafka says so of a batch that is refused, but not of one that waits.

Brokers tell a client nothing of a topic that it may not use, not even who leads it. A batch that is not on its way when
such an answer comes (aiokafka asks now and then, and after errors) waits as long as it lives, 30 s.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiokafka.errors import TopicAuthorizationFailedError


class Refused:
    """What the brokers have refused to tell a producer of; ends what waits for it."""

    def __init__(self) -> None:
        self._refused: set[str] = set()
        self._wanted: set[str] = set()
        """Topics of the step that goes on."""
        self._limit: asyncio.Timeout | None = None

    def watch(self, cluster: Any) -> None:
        """Hear every answer; `cluster`: what aiokafka's client knows of the brokers."""
        self._refused = set()
        cluster.add_listener(self._hear)

    def want(self, topic: str) -> None:
        """The step waits for this topic too."""
        self._wanted.add(topic)

    @asynccontextmanager
    async def step(self, seconds: float) -> AsyncIterator[None]:
        """Raises TimeoutError when it takes longer, and TopicAuthorizationFailedError at once for a topic it wants."""
        self._wanted.clear()
        try:
            async with asyncio.timeout(seconds) as self._limit:
                yield
        except TimeoutError as exc:
            if found := self._refused & self._wanted:
                raise TopicAuthorizationFailedError(found) from exc
            raise
        finally:
            self._limit = None

    def _hear(self, cluster: Any) -> None:
        self._refused = set(cluster.unauthorized_topics)
        if self._limit is not None and self._refused & self._wanted:
            self._limit.reschedule(asyncio.get_running_loop().time())
