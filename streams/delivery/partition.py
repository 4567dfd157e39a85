"""One partition number in a worker: taking it over, making its batches durable, giving it up.

A batch is applied only if it follows exactly on what was fetched before. After any error the outcome of a batch is
unknown: the state in memory is thrown away and the partition is taken over anew, from what is durable
(streams.delivery.takeover).
"""

import asyncio
import logging

from aiokafka.errors import IllegalStateError, KafkaError, KafkaTimeoutError

from streams.delivery.batch import Batch
from streams.delivery.batchsize import BatchSize
from streams.delivery.changelog import offsets
from streams.delivery.groupoffsets import GroupOffsets
from streams.delivery.leash import Leash
from streams.delivery.ports import Means
from streams.delivery.reporting import Report
from streams.delivery.rows import RowWriter
from streams.delivery.takeover import FIRST_PAUSE, Takeover, refuse
from streams.errors import StopError
from streams.flow.pipeline import Outcome, Pipeline
from streams.watch.logformat import about

log = logging.getLogger(__name__)

BACKLOG = 20_000
"""Records of one source that may wait for another source before no more of it are fetched."""
BACKLOG_BYTES = 8 << 20
"""The same in bytes of their values."""
GIVE_UP_BATCHES = 5
"""How often a batch may fail in a row for a reason that does not pass."""
END_SECONDS = 2.0
"""How long `drop` waits for the end of what goes on."""


class Partition:
    """A partition number that this worker takes care of. All its methods run in the worker's event loop."""

    def __init__(self, number: int, means: Means) -> None:
        self.number = number
        self.live = False
        """Assigned, recovered, and not being given up."""
        self.dropped = False
        """It is somebody else's now, or nobody's: what still goes on for it counts no longer."""
        self.epoch = 0
        self.pipeline: Pipeline | None = None
        """What is durable; None while that is not known."""
        self._means, self._topics = means, means.settings.sources
        self._granted = True
        """The assignment that it came with is in force."""
        self._writer = means.new_writer(number)
        self._report = Report(number, means.settings, means.metrics, means.status, means.retention)
        self._takeover = Takeover(number, means, self._writer, self._report)
        self._group = GroupOffsets(number, means.settings, means.intake, self._writer)
        self._rows = RowWriter(number, means.settings, means.topic_ids)
        self._leash = Leash()
        self._failures = 0
        self._size = BatchSize()

    @property
    def busy(self) -> bool:
        """Something goes on for it."""
        return self._leash.busy

    # -- taking over

    async def open(self) -> None:
        """Take it over, however long the brokers are away. Raises `FencedError`, `StopError`, StateError."""
        await self._leash.run(self._open)

    async def start(self) -> None:
        """Begin to take events: the assignment is in force."""
        self._granted = True
        await self._leash.run(self._start)

    async def _open(self) -> None:
        pipeline = self.pipeline = await self._takeover.patiently()
        self._means.views.begin(self.number, pipeline)

    async def _start(self) -> None:
        if self.pipeline is not None:  # else opening has ended the worker
            self.live = self._granted and await self._seek() and self._granted
            if self.live:
                self._report.live(self.pipeline, self._means.clock.now())

    async def _seek(self) -> bool:
        """Fetch from the durable positions on. False when the partition was just taken away."""
        pipeline = self._need()
        self.epoch = next(self._means.epochs)
        pipeline.seek(pipeline.positions)
        try:
            at = offsets(pipeline.positions, self._means.settings)
            await self._means.intake.seek_exact(self.number, at, self.epoch)
        except IllegalStateError:
            self.live = False
            return False
        self.release()
        return True

    # -- giving up

    def pause(self) -> None:
        """The assignment is revoked: begin nothing more."""
        self._granted = self.live = False

    async def settled(self, deadline: float) -> bool:
        """Wait for the batch in flight until `deadline` on the loop's clock.

        False: what is in memory is not what is durable, or that is not known; it is to be dropped.
        """
        return self.pipeline is not None and await self._leash.idle(deadline) and self.pipeline is not None

    async def finish(self) -> None:
        """The worker stops: tell the group where it stands."""
        if self.pipeline is not None and not self._leash.busy:
            await self._group.finish(self.pipeline.positions)

    async def drop(self) -> None:
        """It is somebody else's: end what goes on for it, forget everything, send nothing more."""
        self.dropped = True
        self.pause()
        await self._leash.cut(END_SECONDS)
        self._means.views.end(self.number, settled=self.pipeline is not None and not self.busy)
        self._means.learning.end(self.number)
        await self._forget()
        self._report.gone()

    async def _forget(self) -> None:
        self.live = False
        self.pipeline = None
        await self._writer.close()

    # -- working

    async def apply(self, batch: Batch) -> None:
        """Take a fetched batch in, and do what can be done."""
        await self._leash.run(lambda: self._apply(batch))

    async def tick(self) -> None:
        """Fire what is due, if nothing else is going on."""
        if self.live and not self._leash.busy:
            await self._leash.run(self._tick)

    def release(self) -> None:
        """The batch is done: more may be fetched."""
        full: list[str] = []
        if self.pipeline is not None:
            feeds = zip(self._topics, self.pipeline.merge.feeds, strict=True)
            full = [topic for topic, feed in feeds if feed.waiting > BACKLOG or feed.weigh() > BACKLOG_BYTES]
        self._means.intake.release(self.number, full, self._topics)

    async def _apply(self, batch: Batch) -> None:
        if not self.live or batch.epoch != self.epoch:
            return
        pipeline = self._need()
        feeds = dict(zip(self._topics, pipeline.merge.feeds, strict=True))
        if any(feeds[topic].fetched != span.start for topic, span in batch.spans.items()):
            log.warning(
                "partition %d: fetched records do not follow on: fetching again",
                self.number,
                extra=about(self.number, self._from()),
            )
            await self._seek()
            return
        wall = self._means.clock.now()
        for index, topic in enumerate(self._topics):
            span = batch.spans.get(topic)
            if span is not None:
                pipeline.feed(index, span.records, span.end, span.arrived, wall)
        self._report.fetched(batch)
        await self._work(pipeline)

    async def _tick(self) -> None:
        if self.live:
            await self._work(self._need())

    async def _work(self, pipeline: Pipeline) -> None:
        clock = asyncio.get_running_loop().time
        try:
            self._hear_ends(pipeline)
            while True:
                began = clock()
                self._means.learning.prepare(pipeline)
                outcome = pipeline.work(self._means.clock.now(), self._size.most)
                if not outcome.empty:
                    worked = clock()
                    await self._commit(outcome)
                    pipeline.done(outcome)
                    self._means.views.durable(self.number, outcome)
                    self._failures = 0
                    ended = clock()
                    self._size.took(outcome.events.total(), ended - began)
                    self._report.durable(pipeline, outcome, ended - began, ended - worked)
                if not pipeline.more:
                    break
            self._means.views.idle(self.number, pipeline)
            self._means.learning.idle(self.number, pipeline)
            self._report.holds(pipeline, self._means.clock.now())
            await self._group.follow(pipeline.positions)
        except asyncio.CancelledError:  # it was broken off: what is in memory is not to be trusted
            self.live, self.pipeline = False, None
            raise
        except (KafkaError, TimeoutError, OSError) as exc:  # what the brokers do; our own errors are not caught
            await self._rebuild(exc)

    def _hear_ends(self, pipeline: Pipeline) -> None:
        ends = self._means.intake.ends(self.number, self._topics)
        for index, topic in enumerate(self._topics):
            if topic in ends:
                pipeline.complete(index, *ends[topic])
        self._report.ends(pipeline, ends, self._means.clock.now())

    async def _commit(self, outcome: Outcome) -> None:
        rows = self._rows
        at = offsets(outcome.positions, self._means.settings)
        await self._writer.write(rows.states(outcome), rows.outputs(outcome), at)

    async def _rebuild(self, exc: BaseException) -> None:
        """The outcome is unknown: take the partition over from ourselves. Raises `StopError` when that is of no use."""
        begun = self._from()
        await self._forget()
        if not self._granted:
            return  # the next owner finds out
        self._report.failed()
        self._failures += 1
        self._size.failed()
        refuse(exc, self._means)
        if self._failures >= GIVE_UP_BATCHES and not _passes(exc):
            raise StopError(f"partition {self.number}: a batch cannot be made durable: {exc!r}; see the brokers' log")
        log.error(
            "partition %d: a batch failed, taking the partition over anew: %r",
            self.number,
            exc,
            extra=about(self.number, begun),
        )
        await asyncio.sleep(FIRST_PAUSE)
        await self._open()
        await self._start()

    def _from(self) -> dict[str, int]:
        """The offsets from which on the next batch takes events: what names it."""
        return offsets(self.pipeline.positions, self._means.settings) if self.pipeline else {}

    def _need(self) -> Pipeline:
        if self.pipeline is None:
            raise RuntimeError(f"partition {self.number} is not open")
        return self.pipeline


def _passes(exc: BaseException) -> bool:
    """Whether an error may be gone the next time."""
    return not isinstance(exc, KafkaError) or exc.retriable or isinstance(exc, KafkaTimeoutError)
