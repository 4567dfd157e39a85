"""What the worker that has partition 0 does besides: it fits when a round is complete, and publishes what came of it.

Two that believe to have it, for a moment, do no harm: of the same samples they make the same parameters under the same
serial number, and what is published last is in force for all.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic, time

import msgspec
from msgspec import Raw

from streams.refit.board import Board
from streams.refit.child import Answer, Task
from streams.refit.records import TRIED, Outcome, Published, Tried, published, tried
from streams.refit.running import RefitFailedError, refit_apart
from streams.refit.schedule import Due, due
from streams.watch.refitmetrics import RefitMetrics
from tables.parameters import Parameters

log = logging.getLogger(__name__)

PATIENCE = 600.0
"""Seconds that a round waits for partition numbers whose samples are missing: nobody may have them."""
Write = Callable[[bytes, bytes], Awaitable[None]]
"""Writes a record: key and value."""
Refit = Callable[[Task], Awaitable[Answer]]


class Leader:
    """Lives in the thread of parameters.

    :param every: ms after which everything is fitted anew at the latest; 0: nothing is ever fitted
    :param start: the parameters of as long as none are published
    :param by: a name of this worker
    """

    def __init__(
        self,
        every: int,
        partitions: int,
        start: Parameters,
        by: str,
        metrics: RefitMetrics,
        refit: Refit = refit_apart,
        clock: Callable[[], float] = monotonic,
        wall: Callable[[], float] = time,
    ) -> None:
        self.metrics = metrics
        self._every, self._partitions, self._start, self._by = every, partitions, start, by
        self._refit, self._clock, self._wall = refit, clock, wall
        self._fitting: asyncio.Task[tuple[Due, Outcome, Answer]] | None = None
        self._serial = 0
        """Of what it would publish."""
        self._round = 0
        self._round_since = 0.0
        """When a sample of that round was first seen, on a monotonic clock."""

    async def look(self, board: Board, *, leads: bool, write: Write) -> None:
        """Begin what is due, or publish what has come of it. `leads`: the worker has partition 0. Raises as `write`."""
        if not leads or not self._every:
            await self.let_go()
        elif self._fitting is None:
            self._begin(board)
        elif board.next_serial != self._serial:  # somebody has published by hand: it is to be judged against that
            await self.let_go()
        elif self._fitting.done():
            await self._finish(board, *self._fitting.result(), write)
            self._fitting = None

    async def let_go(self) -> None:
        """End what is under way."""
        fitting, self._fitting = self._fitting, None
        if fitting is not None:
            fitting.cancel()
            await asyncio.wait((fitting,))

    def _begin(self, board: Board) -> None:
        until, _ = board.round_of(self._partitions)
        if until != self._round:
            self._round, self._round_since = until, self._clock()
        waited = self._clock() - self._round_since > PATIENCE
        found = due(board, board.parameters or self._start, self._partitions, waited=waited)
        if found is None:
            return
        if (missing := self._partitions - len(found.samples)) > 0:
            log.warning("parameters: fitted without %d partitions, of which no worker tells", missing)
        self._serial = board.next_serial
        self._fitting = asyncio.ensure_future(self._fit(found, board.parameters or self._start))

    async def _fit(self, found: Due, current: Parameters) -> tuple[Due, Outcome, Answer]:
        began = self._clock()
        task = Task(
            current=msgspec.json.encode(current),
            samples=[sample.sample for sample in found.samples],
            until=found.until,
            every=self._every,
        )
        try:
            answer = await self._refit(task)
        except Exception as exc:  # noqa: BLE001 - whatever it is, triggers go on, and so does the next round
            why = str(exc) if isinstance(exc, RefitFailedError) else repr(exc)
            log.warning("parameters: a refit failed: %s; those of now stay, the next round tries again", why)
            return found, "failed", Answer(parameters=None, why=why)
        finally:
            self.metrics.seconds.observe(self._clock() - began)
        if answer.tried and not answer.adopted:
            log.info("parameters: fitted anew, and nothing of it is adopted: %s", answer.why)
        return found, _outcome(answer), answer

    async def _finish(self, board: Board, found: Due, outcome: Outcome, answer: Answer, write: Write) -> None:
        if answer.parameters is not None:
            record = self._published(board, found, answer, answer.parameters)
            await write(record.key, published.encode(record))
        await write(TRIED, tried.encode(self._tried(board.tried, found, answer, outcome)))
        self.metrics.refits.labels(outcome).inc()

    def _published(self, board: Board, found: Due, answer: Answer, parameters: Parameters) -> Published:
        return Published(
            serial=board.next_serial,
            way="refit" if answer.adopted else "clock",
            parameters=Raw(msgspec.json.encode(parameters)),
            by=self._by,
            published_at=round(self._wall() * 1000),
            until=found.until,
            why=answer.why,
            before=answer.before,
            after=answer.after,
        )

    def _tried(self, last: Tried | None, found: Due, answer: Answer, outcome: Outcome) -> Tried:
        return Tried(
            until=found.until,
            outcome=outcome,
            why=answer.why,
            by=self._by,
            ended_at=round(self._wall() * 1000),
            failures=(last.failures if last else 0) + 1 if outcome == "failed" else 0,
            before=answer.before,
            after=answer.after,
        )


def _outcome(answer: Answer) -> Outcome:
    if answer.adopted:
        return "adopted"
    return "kept" if answer.tried or answer.parameters is None else "clock"
