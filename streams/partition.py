"""One partition number in a worker: taking it over, making its batches durable, giving it up.

The order at taking over is what exactly-once rests on: open the writer (which fences the previous owner), write the
fence, read the changelog to it, rebuild the timers, seek, and only then take events. A batch is applied only if it
follows exactly on what was fetched before. After any error the outcome of a batch is unknown: the state in memory is
thrown away and the partition is taken over anew, from what is durable.
"""

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from aiokafka.errors import IllegalStateError, KafkaConnectionError, KafkaError, KafkaTimeoutError

from agents.core import Core
from streams.changelog import fence_record, mark_record, offsets, read_changelog
from streams.clock import Clock
from streams.errors import StopError
from streams.mark import Mark, Position
from streams.messages import Headers, MessageWriter
from streams.metrics import Metrics
from streams.pipeline import FloodGuard, Outcome, Pipeline
from streams.positions import go_on_from
from streams.refusals import refusal
from streams.settings import Settings
from streams.status import PartitionStatus, Status
from streams.transport import Batch, Consumer
from streams.writer import Row, Writer
from tables.events import SOURCES

log = logging.getLogger(__name__)

BACKLOG = 20_000
"""Records of one source that may wait for another source before no more of it are fetched."""
GIVE_UP_SECONDS = 60.0
"""How long taking over may fail while the brokers answer. Brokers that are away are waited for."""
GIVE_UP_BATCHES = 5
"""How often a batch may fail in a row for a reason that does not pass."""
NO_HEADERS: Headers = []
GROUP_COMMIT_SECONDS = 1.0
GROUP_COMMIT_PATIENCE = 2.0


class Partition:
    """A partition number that this worker takes care of. All its methods run in the worker's event loop."""

    def __init__(
        self,
        number: int,
        *,
        settings: Settings,
        consumer: Consumer,
        new_core: Callable[[], Core],
        writer: Writer,
        flood: FloodGuard,
        metrics: Metrics,
        status: Status,
        clock: Clock,
        next_epoch: Callable[[], int],
        owned: Callable[[], bool],
    ) -> None:
        self.number = number
        self.lock = asyncio.Lock()
        self.live = False
        """Assigned, recovered, and not being given up."""
        self.stale = False
        """A batch was broken off: what is in memory is not to be trusted."""
        self.epoch = 0
        self._settings, self._consumer, self._new_core, self._writer = settings, consumer, new_core, writer
        self._flood, self._metrics, self._clock, self._next_epoch = flood, metrics, clock, next_epoch
        self._owned, self._status = owned, status
        self._messages = MessageWriter(settings)
        self._sources = dict(zip(SOURCES, settings.sources, strict=True))
        self._wall = settings.clock == "wall"
        self._group_due = 0.0
        self._group_told: dict[str, int] = {}
        self._failures = 0
        self.dropped = False
        """It is somebody else's now, or nobody's: what still goes on for it counts no longer."""
        self.pipeline: Pipeline | None = None

    # -- taking over

    async def open(self) -> None:
        """Take the partition over and restore it. Raises `FencedError`, `StopError`, StateError, KafkaError."""
        began = time.monotonic()
        self.stale = False
        self._progress().restoring()
        await self._writer.open()
        token = uuid4().hex
        await self._writer.write([(*fence_record(token), [])], {}, {})
        core = self._new_core()
        mark = await read_changelog(
            self._settings, self.number, token, core.states.restore, self._metrics.recovered.inc
        )
        core.states.ready()
        pipeline = Pipeline(core, self._flood, wall=self._wall)
        positions = await self._positions(mark)
        if mark:
            pipeline.seek(positions, mark.now, mark.live_from)
        else:
            pipeline.seek(positions)
        self.pipeline = pipeline
        seconds = time.monotonic() - began
        self._metrics.takeovers.inc()
        self._metrics.recovery_seconds.observe(seconds)
        log.info("partition %d: %d customers restored in %.1f s", self.number, len(core.states), seconds)

    async def _positions(self, mark: Mark | None) -> dict[str, Position]:
        thread = self._consumer.thread
        committed = {source: await thread.committed(topic, self.number) for source, topic in self._sources.items()}
        beginnings = {source: await thread.beginning(topic, self.number) for source, topic in self._sources.items()}
        return go_on_from(self._settings, self.number, mark, committed, beginnings)

    async def seek(self) -> bool:
        """Fetch from the durable positions on. False when the partition was just taken away."""
        pipeline = self._need()
        self.epoch = self._next_epoch()
        pipeline.seek(pipeline.positions)
        at = {self._sources[source]: position.offset for source, position in pipeline.positions.items()}
        try:
            await self._consumer.thread.seek_exact(self.number, at, self.epoch)
        except IllegalStateError:
            self.live = False
            return False
        self.release()
        return True

    async def start(self) -> None:
        """Begin to take events."""
        self.live = self._owned() and await self.seek() and self._owned() and not self.dropped
        if self.live:
            self._progress().live(None, 0)
            self._gauge(self._need())

    def _progress(self) -> PartitionStatus:
        return self._status.partitions.setdefault(self.number, PartitionStatus())

    # -- giving up

    async def drop(self) -> None:
        """It is somebody else's: forget everything, send nothing more."""
        self.dropped = True
        await self.close()
        self._metrics.gone(self.number, tuple(self._sources.values()))
        self._status.partitions.pop(self.number, None)

    async def finish(self) -> None:
        """The worker stops: tell the group where it stands."""
        if self.pipeline is not None and not self.lock.locked():
            self._group_due = 0.0
            await self._commit_group(self.pipeline)

    async def close(self) -> None:
        self.live = False
        self.pipeline = None
        await self._writer.close()

    # -- working

    async def apply(self, batch: Batch) -> None:
        """Take a fetched batch in, and do what can be done."""
        async with self.lock:
            if not self.live or batch.epoch != self.epoch:
                return
            pipeline = self._need()
            feeds = dict(zip(self._sources.values(), pipeline.merge.feeds, strict=True))
            if any(feeds[topic].fetched != span.start for topic, span in batch.spans.items()):
                log.warning("partition %d: fetched records do not follow on: fetching again", self.number)
                await self.seek()
                return
            wall = self._clock.now()
            for index, topic in enumerate(self._sources.values()):
                span = batch.spans.get(topic)
                if span is not None:
                    pipeline.feed(index, span.records, span.end, span.arrived, wall)
            await self._work(pipeline)

    async def tick(self) -> None:
        """Fire what is due, if nothing else is going on."""
        if self.live and not self.lock.locked():
            async with self.lock:
                if self.live:
                    await self._work(self._need())

    async def _work(self, pipeline: Pipeline) -> None:
        try:
            self._hear_ends(pipeline)
            while True:
                began = time.perf_counter()
                outcome = pipeline.work(self._clock.now())
                if not outcome.empty:
                    await self._commit(outcome)
                    pipeline.done(outcome)
                    self._count(pipeline, outcome, time.perf_counter() - began)
                if not pipeline.more:
                    break
            self._gauge(pipeline)
            await self._commit_group(pipeline)
        except asyncio.CancelledError:
            self.live, self.stale = False, True
            raise
        except (KafkaError, TimeoutError, OSError) as exc:  # what the brokers do; our own errors are not caught
            await self._rebuild(exc)

    def _hear_ends(self, pipeline: Pipeline) -> None:
        ends = self._consumer.thread.ends(self.number, self._sources.values())
        lags, taken = 0, 0
        for index, topic in enumerate(self._sources.values()):
            if topic in ends:
                end, at = ends[topic]
                pipeline.complete(index, end, at)
                position = pipeline.merge.feeds[index].position[0]
                lag = max(0, end - position)
                self._metrics.lag.labels(topic, str(self.number)).set(lag)
                lags, taken = lags + lag, taken + position
        if len(ends) == len(self._sources):
            self._progress().live(lags, taken)

    async def _commit(self, outcome: Outcome) -> None:
        states: list[Row] = [(key, value, NO_HEADERS) for key, value in outcome.settled.changes]
        if outcome.positions:
            states.append((*mark_record(Mark(outcome.positions, outcome.now, outcome.live_from)), NO_HEADERS))
        outputs: dict[str, list[Row]] = defaultdict(list)
        for decision in outcome.decisions:
            message = self._messages.decision(decision)
            outputs[message.topic].append(message[1:])
        for source, offset, record in outcome.dead:
            topic = self._sources[SOURCES[source]]
            message = self._messages.dead_letter(record, topic, self.number, offset)
            outputs[message.topic].append(message[1:])
        await self._writer.write(states, outputs, offsets(outcome.positions, self._settings))

    async def _commit_group(self, pipeline: Pipeline) -> None:
        """Without transactions the group's offsets follow behind. They are for people: failing does no harm."""
        if self._settings.delivery != "at_least_once" or time.monotonic() < self._group_due:
            return
        self._group_due = time.monotonic() + GROUP_COMMIT_SECONDS
        told = offsets(pipeline.positions, self._settings)
        if told != self._group_told and not self._consumer.thread.away:
            with suppress(KafkaError, TimeoutError):
                async with asyncio.timeout(GROUP_COMMIT_PATIENCE):
                    await self._consumer.thread.commit_group(self.number, told)
                self._group_told = told

    def _count(self, pipeline: Pipeline, outcome: Outcome, seconds: float) -> None:
        metrics, number = self._metrics, str(self.number)
        metrics.outcome(outcome, timed=self._wall)
        metrics.batch_seconds.observe(seconds)
        for why, count in pipeline.core.counts.items():
            metrics.unchanged.labels(why).inc(count)
        pipeline.core.counts.clear()
        self._failures = 0
        metrics.reached.labels(number).set(outcome.now / 1000)

    def _gauge(self, pipeline: Pipeline) -> None:
        if self.dropped:
            return
        metrics, number = self._metrics, str(self.number)
        metrics.customers.labels(number).set(len(pipeline.core.states))
        metrics.waiting.labels(number).set(pipeline.merge.waiting)
        metrics.live.labels(number).set(1)

    def release(self) -> None:
        """The batch is done: more may be fetched."""
        full: list[str] = []
        if self.pipeline is not None:
            feeds = zip(self._sources.values(), self.pipeline.merge.feeds, strict=True)
            full = [topic for topic, feed in feeds if len(feed.entries) > BACKLOG]
        self._consumer.release(self.number, full, self._sources.values())

    def _need(self) -> Pipeline:
        if self.pipeline is None:
            raise RuntimeError(f"partition {self.number} is not open")
        return self.pipeline

    async def _rebuild(self, exc: BaseException) -> None:
        """The outcome is unknown: take the partition over from ourselves. Raises `StopError` when that is of no use."""
        self.live = False
        self._metrics.batches_failed.inc()
        self._metrics.live.labels(str(self.number)).set(0)
        self._progress().restoring()
        self._failures += 1
        self._refuse(exc)
        if self._failures >= GIVE_UP_BATCHES and not _passes(exc):
            raise StopError(f"partition {self.number}: a batch cannot be made durable: {exc!r}; see the brokers' log")
        log.error("partition %d: a batch failed, taking the partition over anew: %r", self.number, exc)
        await self.close()
        await asyncio.sleep(0.1)
        await self.open_patiently()
        if not self.dropped:
            await self.start()

    async def open_patiently(self) -> None:
        """`open`, again and again while the brokers are in trouble. Raises what it does, but for KafkaError."""
        deadline, pause, said = time.monotonic() + GIVE_UP_SECONDS, 0.1, ""
        while not self.dropped:
            try:
                await self.open()
            except (KafkaError, TimeoutError, OSError) as exc:
                await self.close()
                self._refuse(exc)
                if said != (said := type(exc).__name__):
                    log.warning("partition %d: cannot be taken over yet: %r; trying again", self.number, exc)
                if self._consumer.thread.away or isinstance(exc, KafkaConnectionError):
                    deadline = time.monotonic() + GIVE_UP_SECONDS
                elif time.monotonic() > deadline:
                    raise StopError(f"partition {self.number} cannot be taken over: {exc!r}") from exc
                await asyncio.sleep(pause)
                pause = min(2 * pause, 2.0)
            else:
                return

    def _refuse(self, exc: BaseException) -> None:
        """Raises `StopError` for what the brokers refuse for good."""
        if (found := refusal(exc, self._settings)) is not None:
            raise StopError(found[1]) from exc


def _passes(exc: BaseException) -> bool:
    """Whether an error may be gone the next time."""
    return not isinstance(exc, KafkaError) or exc.retriable or isinstance(exc, KafkaTimeoutError)
