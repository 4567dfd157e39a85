"""The demo's middle: the log goes in, triggers come out, until the worker has taken everything."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from aiokafka.errors import KafkaError

from streams.brokers.reading import Reading
from streams.brokers.topics import BrokerError
from streams.demo.errors import DemoError
from streams.demo.gauges import Gauges
from streams.demo.readers import Reader, ends_of, handled
from streams.demo.stage import Stage
from streams.demo.tally import Tally
from streams.logs import LogLine
from streams.replay import ReplayError, TopicsError, replay

STILL_SECONDS = 60.0
"""Nothing came, went or was taken for so long: something is broken."""
_LOOK_SECONDS = 0.2
_LEAVE_SECONDS = 3.0


async def run_through(
    stage: Stage, lines: Sequence[LogLine], tally: Tally, gauges: Gauges, on_look: Callable[[], None]
) -> None:
    """Send the lines and gather the triggers; returns when the worker has taken everything and all has been read.

    `on_look` is called a few times a second. Raises DemoError when a process ends, or nothing moves any more.
    """
    work = asyncio.create_task(_work(stage, lines, tally))
    watch = asyncio.create_task(_watch(stage, tally, gauges, on_look))
    try:
        await asyncio.wait({work, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            await watch  # it ends only with an error
        try:
            work.result()
        except (KafkaError, BrokerError, ReplayError, TopicsError, OSError) as error:
            # a process that has ended is the better explanation, and is seen within a moment
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(watch), 1.0)
            raise DemoError(f"the embedded broker does not answer ({error}): run it again") from None
    finally:
        await _leave(work, watch)


async def _leave(*tasks: "asyncio.Task[None]") -> None:
    """End the tasks; a client whose broker is gone does not let go at the first time of asking."""
    for _ in range(2):
        for task in tasks:
            task.cancel()
        _, left = await asyncio.wait(tasks, timeout=_LEAVE_SECONDS)
        if not left:
            break
    for task in tasks:
        if task.done() and not task.cancelled():
            task.exception()


async def _work(stage: Stage, lines: Sequence[LogLine], tally: Tally) -> None:
    async with Reading(stage.settings) as consumer:
        reader = Reader(consumer, stage.settings, tally)
        gathering = asyncio.create_task(reader.run())
        try:
            await replay(lines, settings=stage.settings)
            await handled(stage.settings, await ends_of(stage.settings, stage.settings.sources))
            reader.finish_after(time.time())
            await gathering
        finally:
            gathering.cancel()
            await asyncio.gather(gathering, return_exceptions=True)


async def _watch(stage: Stage, tally: Tally, gauges: Gauges, on_look: Callable[[], None]) -> None:
    """Looks after the processes and the view; ends with DemoError only."""
    marker, moved = (0, 0, (0, 0)), time.monotonic()
    while True:
        stage.check()
        await asyncio.to_thread(gauges.look)
        on_look()
        now = (gauges.taken, len(tally.triggers), gauges.reached)
        if now != marker:
            marker, moved = now, time.monotonic()
        elif time.monotonic() - moved > STILL_SECONDS:
            raise stage.stalled(STILL_SECONDS)
        await asyncio.sleep(_LOOK_SECONDS)
