"""Taking a partition number over. The order is what exactly-once rests on.

Ask the group whether the partition is ours at all: a worker that was away for long, and does not know it, would fence
the owner. Open the writer (which fences the previous owner), write the fence, read the changelog to it, rebuild the
timers, find the positions. Then, and only then, may events be fetched and taken.
"""

import asyncio
import logging

from aiokafka.errors import IllegalGenerationError, KafkaConnectionError, KafkaError

from streams.brokers.refusals import refusal
from streams.delivery.changelog import fence_record, offsets
from streams.delivery.ports import STEP_SECONDS, Means, Writer
from streams.delivery.positions import check_topics_are_those, go_on_from
from streams.delivery.reporting import Report
from streams.errors import StopError
from streams.flow.mark import Mark, Position
from streams.flow.pipeline import Pipeline
from streams.watch.logformat import about
from tables.events import SOURCES

log = logging.getLogger(__name__)

GIVE_UP_SECONDS = 60.0
"""How long taking over may fail while the brokers answer. Brokers that are away are waited for."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0


class Takeover:
    """Takes one partition number over, from somebody else or from ourselves."""

    def __init__(self, number: int, means: Means, writer: Writer, report: Report) -> None:
        self._number, self._means, self._writer, self._report = number, means, writer, report

    async def patiently(self) -> Pipeline:
        """`once`, again and again while the brokers are in trouble. Raises what it does, but for their errors."""
        loop = asyncio.get_running_loop()
        deadline, pause, said = loop.time() + GIVE_UP_SECONDS, FIRST_PAUSE, ""
        while True:
            try:
                return await self.once()
            except (KafkaError, TimeoutError, OSError) as exc:
                await self._writer.close()
                refuse(exc, self._means)
                if said != (said := type(exc).__name__):
                    log.warning(
                        "partition %d: cannot be taken over yet: %r; trying again",
                        self._number,
                        exc,
                        extra=about(self._number),
                    )
                if self._means.intake.away or isinstance(exc, KafkaConnectionError):
                    deadline = loop.time() + GIVE_UP_SECONDS
                elif loop.time() > deadline:
                    raise StopError(f"partition {self._number} cannot be taken over: {exc!r}") from exc
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def once(self) -> Pipeline:
        """What is durable, ready to go on. Raises `FencedError`, `StopError`, StateError, and the writer's errors."""
        means, loop = self._means, asyncio.get_running_loop()
        began = loop.time()
        self._report.restoring()
        async with asyncio.timeout(STEP_SECONDS):
            await self._ask_group()
        await self._writer.open()
        token = means.new_token()
        await self._writer.write([(*fence_record(token), [])], {}, {})
        core = means.new_core()
        restore, progress = core.states.restore, self._report.read_back
        mark = await means.read_changelog(self._number, token, restore, progress, core.gone)
        core.states.ready()
        pipeline = Pipeline(core, means.flood, wall=means.settings.clock == "wall")
        async with asyncio.timeout(STEP_SECONDS):
            positions = await self._positions(mark, token)
        if mark:
            pipeline.seek(positions, mark.now, mark.live_from)
        else:
            pipeline.seek(positions)
        at = offsets(pipeline.positions, means.settings)
        self._report.taken_over(len(core.states), loop.time() - began, at)
        return pipeline

    async def _ask_group(self) -> None:
        if not await self._means.intake.in_group():
            raise IllegalGenerationError("the group assigns its partitions anew")

    async def _positions(self, mark: Mark | None, token: str) -> dict[str, Position]:
        settings, intake, number = self._means.settings, self._means.intake, self._number
        check_topics_are_those(settings, mark, self._means.topic_ids)
        topics = dict(zip(SOURCES, settings.sources, strict=True))
        committed = {source: await intake.committed(topic, number) for source, topic in topics.items()}
        beginnings = {source: await intake.beginning(topic, number) for source, topic in topics.items()}
        try:
            return go_on_from(settings, number, mark, committed, beginnings)
        except StopError:
            # nothing is lost if a later owner has gone on since the changelog was read: brokers that fence refuse
            # this then, and of any the group says so
            await self._writer.write([(*fence_record(token), [])], {}, {})
            await self._ask_group()
            raise


def refuse(exc: BaseException, means: Means) -> None:
    """Raises `StopError` for what the brokers refuse for good."""
    if (found := refusal(exc, means.settings)) is not None:
        raise StopError(found[1]) from exc
