"""What aiokafka 0.14's producer does without transactions and idempotence: the batches of a partition go one by one.

One that is not answered is sent again, and may be in the log twice; after `EXPIRES` seconds it is given up.
"""

import asyncio
from collections import defaultdict
from functools import partial
from typing import Any

from aiokafka.errors import KafkaError, KafkaTimeoutError

from streams.delivery.ports import STEP_SECONDS
from tests.sim.brokers import Brokers
from tests.sim.client import Client
from tests.sim.log import Place, Row
from tests.sim.network import Network
from tests.sim.producer import Batch, fail

EXPIRES = STEP_SECONDS


class PlainProducer:
    """Stands for aiokafka.AIOKafkaProducer, with those of its methods that `AcknowledgedWriter` uses."""

    def __init__(self, network: Network, brokers: Brokers, **_options: Any) -> None:
        self.client = Client(network, brokers)
        self.sender_task: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sender_task.add_done_callback(self._ended)
        self._network, self._brokers = network, brokers
        self._turns: dict[Place, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def _sender(self) -> "PlainProducer":
        """Where the writer looks for the sender's task."""
        return self

    async def start(self) -> None:
        await self._network.call("Metadata", lambda: None)

    async def stop(self) -> None:
        """Waits for what is on its way."""
        try:
            if self._tasks and not self.sender_task.done():
                await asyncio.wait(self._tasks)
        finally:
            self.sender_task.cancel()

    def _ended(self, _sender: "asyncio.Future[None]") -> None:
        for task in self._tasks:
            task.cancel()

    def create_batch(self) -> Batch:
        return Batch(None)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[None]":
        """Queue it; the future tells what became of it."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()
        task = loop.create_task(self._deliver((topic, partition), batch.rows, future))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return future

    async def _deliver(self, place: Place, rows: list[Row], future: "asyncio.Future[None]") -> None:
        try:
            async with asyncio.timeout(EXPIRES), self._turns[place]:
                await self.client.insist("Produce", partial(self._brokers.send, place, rows))
        except KafkaError as exc:
            fail(future, exc)
        except TimeoutError:
            fail(future, KafkaTimeoutError("the batch expired"))
        else:
            if not future.done():
                future.set_result(None)
