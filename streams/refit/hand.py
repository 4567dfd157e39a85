"""What people do with published parameters: look at them, publish others. For commands; blocking."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import time

import msgspec
from msgspec import Raw

from streams.brokers.topics import look
from streams.errors import StopError
from streams.refit.board import Board
from streams.refit.records import Published, RecordError, published
from streams.refit.topic import Topic
from streams.settings import Settings
from tables.parameters import Parameters

SECONDS = 30.0
"""So long the brokers may take."""


def read_board(settings: Settings) -> Board:
    """What the topic holds now; records that are not to be read are left out.

    Raises BrokerError, StopError, KafkaError, OSError.
    """

    async def read() -> Board:
        board = Board()
        async with _patiently(settings), Topic(settings) as topic:
            await _catch_up(topic, board)
        return board

    _must_be_there(settings)
    return asyncio.run(read())


def publish(settings: Settings, parameters: Parameters, why: str) -> Published:
    """Put parameters in force for all workers that follow; what was published. Raises what `read_board` does."""

    async def write() -> Published:
        board = Board()
        async with _patiently(settings), Topic(settings) as topic:
            await _catch_up(topic, board)
            record = Published(
                serial=board.next_serial,
                way="hand",
                parameters=Raw(msgspec.json.encode(parameters)),
                by=f"command {socket.gethostname()}:{os.getpid()}",
                published_at=round(time() * 1000),
                why=why,
            )
            await topic.write(record.key, published.encode(record))
            return record

    _must_be_there(settings)
    return asyncio.run(write())


def _must_be_there(settings: Settings) -> None:
    if settings.published not in look(settings).found:
        raise StopError(f"topic {settings.published} is missing; run: offbeat topics create")


async def _catch_up(topic: Topic, board: Board) -> None:
    def take(key: bytes | None, value: bytes | None) -> None:
        try:
            board.take(key, value)
        except RecordError:
            return  # workers tell of it

    while not await topic.poll(take, 0.1):
        pass


@asynccontextmanager
async def _patiently(settings: Settings) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except TimeoutError:
        raise StopError(f"{settings.published} could not be read within {SECONDS:.0f} s; see offbeat doctor") from None
