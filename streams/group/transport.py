"""The Faust transport that hands on one message per partition number and fetch, instead of one per record.

Stock Faust costs per message, and it commits, seeks and acknowledges by itself; here a fetch of all sources of one
partition number is one message. Subclasses of faust-streaming 0.15.3.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Any

from faust.transport.drivers import TRANSPORTS
from faust.transport.drivers import aiokafka as stock
from faust.types import TP, ConsumerMessage

from streams.group.consumerthread import ConsumerThread

URL_SCHEME = "offbeat"
TRANSPORTS.aliases[URL_SCHEME] = f"{__name__}:Transport"


class Consumer(stock.Consumer):
    """Hands out batches; at most one of a partition number is in the worker at a time."""

    _thread: ConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._busy: set[int] = set()
        self._full: set[TP] = set()
        self._freed = asyncio.Event()

    @property
    def thread(self) -> ConsumerThread:
        return self._thread

    def _new_consumer_thread(self) -> ConsumerThread:
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:  # noqa: ASYNC109
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
        # a partition at work is left alone meanwhile: its records gather into one larger batch
        active = self._get_active_partitions() - self._full
        free = {tp for tp in active if tp.partition not in self._busy}
        if not free:
            self._freed.clear()
            await self.wait_first(self._freed.wait(), timeout=0.1)
            return
        batches = await self._getmany(free, min(timeout, 0.25) if len(free) == len(active) else 0.005)
        if not batches or self.should_stop or not self.flow_active:
            return  # what is dropped, here or later, breaks the chain of offsets and is fetched again
        for number, batch in batches.items():
            topic, span = next(iter(batch.spans.items()))
            tp = TP(topic, number)
            self._read_offset[tp] = None  # Faust drops what it has seen before; after a seek back that is wrong
            self._busy.add(number)
            yield (
                tp,
                ConsumerMessage(
                    topic,
                    number,
                    span.end - 1,
                    span.arrived / 1000,
                    0,
                    (),
                    None,
                    batch,
                    None,
                    0,
                    0,
                    tp,
                    generation_id=self.app.consumer_generation_id,
                ),
            )

    def release(self, number: int, full: Iterable[str], topics: Iterable[str]) -> None:
        """The partition number's batch is done. `full`: topics that are to be left alone until they are not."""
        self._full.difference_update([TP(topic, number) for topic in topics])
        self._full.update(TP(topic, number) for topic in full)
        self._busy.discard(number)
        self._freed.set()

    async def verify_all_partitions_active(self) -> None:
        """Nothing: stock Faust looks for messages that hang, and fails while there is no connection yet."""

    async def perform_seek(self) -> None:
        """Nothing: positions come from the changelog, and who takes a partition over seeks."""

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        raise RuntimeError(f"Faust tried to commit {offsets}: the source topics are declared with acks=False")


class Producer(stock.Producer):
    """Not used: every partition number has a producer of its own (streams.delivery.writer)."""

    async def on_start(self) -> None:
        pass

    async def flush(self) -> None:
        pass


class Transport(stock.Transport):
    Consumer = Consumer
    Producer = Producer
