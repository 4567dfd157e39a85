"""Between aiokafka's clients and the brokers: requests and answers are held up, or lost."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient

Answer = Callable[[], Awaitable[Any]]


class Network:
    """Between our producers and the brokers. `handle` may keep a request, or its answer, to itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.requests: list[Any] = []
        self.handle: Callable[[Any, Answer], Awaitable[Any]] = lambda _request, answer: answer()
        really = AIOKafkaClient.send

        async def send(client: AIOKafkaClient, node: int, request: Any, **options: Any) -> Any:
            self.requests.append(request)
            return await self.handle(request, lambda: really(client, node, request, **options))

        monkeypatch.setattr(AIOKafkaClient, "send", send)
