"""Hands tokens to Kafka's clients: aiokafka awaits them, kafka-python calls for them."""

import asyncio
from collections.abc import Callable

from aiokafka.abc import AbstractTokenProvider as AwaitedProvider
from kafka.net.sasl.oauth import AbstractTokenProvider as CalledProvider


class Awaited(AwaitedProvider):
    """For aiokafka."""

    def __init__(self, token: Callable[[], str]) -> None:
        self._token = token

    async def token(self) -> str:
        return await asyncio.to_thread(self._token)


class Called(CalledProvider):
    """For kafka-python."""

    def __init__(self, token: Callable[[], str]) -> None:
        super().__init__()
        self._token = token

    def token(self) -> str:
        return self._token()
