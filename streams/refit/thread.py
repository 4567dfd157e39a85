"""The thread that reads and writes the topic of parameters: whatever happens to it, triggers go on."""

import asyncio
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic

from aiokafka.errors import KafkaError

from streams.brokers.refusals import refusal
from streams.brokers.topics import RefusedError
from streams.delivery.ports import Learning
from streams.refit.board import Board
from streams.refit.gatherer import Gatherer
from streams.refit.leader import Leader
from streams.refit.records import RecordError, sample_key, sample_of
from streams.refit.topic import Topic
from streams.settings import Settings
from streams.watch.refitmetrics import RefitMetrics
from tables.parameters import Parameters

log = logging.getLogger(__name__)

START_SECONDS = 30.0
"""How long a worker waits at its start for what is published; then it begins with what it knows."""
POLL_SECONDS = 0.25
_STOP_SECONDS = 3.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 15.0


class RefitThread:
    """Follows the topic until it is stopped; writes samples, and leads refits where the worker has partition 0."""

    def __init__(self, settings: Settings, board: Board, gatherer: Gatherer, leader: Leader) -> None:
        self.gatherer = gatherer
        self._settings, self._board, self._leader = settings, board, leader
        self._caught_up = threading.Event()
        """All that was published is known; or it cannot be read (`_refused`)."""
        self._refused: tuple[int, str] | None = None
        self._metrics = leader.metrics
        self._topic = Topic(settings)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="parameters", daemon=True)
        self._said = ""

    def start(self) -> None:
        self._thread.start()

    async def known(self) -> Learning:
        """What to go by, as soon as all that was published is known; or START_SECONDS are over, which it says.

        Raises RefusedError when the brokers do not let us read it.
        """
        deadline = monotonic() + START_SECONDS
        while not self._caught_up.is_set():
            if monotonic() > deadline:
                log.warning(
                    "parameters: %s could not be read within %.0f s; beginning with %s, what is published follows",
                    self._settings.published,
                    START_SECONDS,
                    self.gatherer.parameters.version,
                )
                break
            await asyncio.sleep(0.02)
        if self._refused is not None:
            raise RefusedError(*self._refused)
        self._metrics.in_force(self.gatherer.parameters)
        return self.gatherer

    def stop(self) -> None:
        """End it, and a refit that is under way: whoever has partition 0 next begins it again."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._until_stopped())
        finally:
            self._loop.close()

    async def _until_stopped(self) -> None:
        following, stopped = asyncio.ensure_future(self._follow()), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait((following, stopped), return_when=asyncio.FIRST_COMPLETED)
        following.cancel()
        stopped.cancel()
        await asyncio.gather(following, stopped, return_exceptions=True)
        await self._leader.let_go()

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                async with self._topic as topic:
                    while True:
                        await self._once(topic)
                        pause = _FIRST_PAUSE
            except (KafkaError, OSError, TimeoutError) as exc:
                self._failed(exc)
            except Exception:  # it must not end the worker, nor be tried without a rest
                if self._said != "an error":
                    log.exception("parameters: an error in Offbeat; please report it")
                self._said = "an error"
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _once(self, topic: Topic) -> None:
        if await topic.poll(self._take, POLL_SECONDS):
            self._caught_up.set()
            if self._said:
                log.warning("parameters: the brokers answer: going on")
                self._said = ""
            await self._write_samples(topic)
            await self._leader.look(self._board, leads=0 in self.gatherer.held, write=topic.write)

    def _failed(self, exc: Exception) -> None:
        self._metrics.failures.inc()
        found = refusal(exc, self._settings)
        if found is not None and not self._caught_up.is_set():
            self._refused = found
            self._caught_up.set()
        said = found[1] if found is not None else repr(exc)
        if said != self._said:
            self._said = said
            log.warning("parameters: %s; triggers go on with those of now, trying again", said)

    def _take(self, key: bytes | None, value: bytes | None) -> None:
        before = self._board.parameters
        try:
            self._board.take(key, value)
        except RecordError as exc:
            self._metrics.ignored.inc()
            log.warning("parameters: a record of %s is left alone: %s", self._settings.published, exc)
            return
        self._metrics.tried(self._board.tried)
        now = self._board.parameters
        if now is not None and now is not before:
            self._metrics.in_force(now)
            self._tell()

    def _tell(self) -> None:
        found = self._board.in_force
        if found is not None:
            log.info("parameters: %s from now on, published by %s: %s", self._board.version, found.by, found.why)

    async def _write_samples(self, topic: Topic) -> None:
        outgoing = self.gatherer.outgoing
        while outgoing:
            number, taking = outgoing[0]
            await topic.write(sample_key(number), sample_of.encode(taking.record()))
            outgoing.popleft()
            self._metrics.samples.inc()


@contextmanager
def learning(
    settings: Settings, start: Parameters, partitions: int, by: str, metrics: RefitMetrics
) -> Iterator[RefitThread]:
    """Follows what is published while the context lasts, and fits where that is asked for.

    `start`: the parameters of as long as none are published; `by`: a name of this worker.
    """
    board = Board()
    gatherer = Gatherer(board, start, partitions if settings.refit_every else 0)
    thread = RefitThread(settings, board, gatherer, Leader(settings.refit_every, partitions, start, by, metrics))
    thread.start()
    try:
        yield thread
    finally:
        thread.stop()
