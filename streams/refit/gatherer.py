"""The event loop's side: samples taken and parameters adopted in small steps between batches.

Is a `streams.delivery.ports.Learning`. The other side is `streams.refit.thread`, which reads and writes the topic.
"""

from collections import deque
from collections.abc import Callable
from time import perf_counter

import numpy as np

from agents.core import Core
from agents.learning.sample import EVERYBODY
from agents.learning.sampling import Sampler
from streams.flow.pipeline import Pipeline
from streams.refit.board import Board
from streams.refit.records import SampleOf
from streams.refit.schedule import most_of, round_at
from tables.parameters import Parameters

SLICE_SECONDS = 0.001
"""What a partition number's sample may take between two batches; a step more at the most."""
STEP = 2000
"""Customers looked at in one step: 0.5 ms."""


class Gatherer:
    """Nothing here waits.

    :param board: what was read of the topic; another thread goes on with it
    :param start: the parameters of as long as none are published
    :param partitions: how many partition numbers there are; 0: none are sampled
    """

    def __init__(
        self, board: Board, start: Parameters, partitions: int, clock: Callable[[], float] = perf_counter
    ) -> None:
        self.outgoing: deque[tuple[int, Taking]] = deque()
        """Samples that are complete and to be written, with their partition numbers."""
        self.held: set[int] = set()
        """The partition numbers that this worker has."""
        self._board, self._start, self._partitions, self._clock = board, start, partitions, clock
        self._taking: dict[int, Taking] = {}
        self._taken: dict[int, int] = {}
        """By partition number: the round of the last sample taken here."""

    @property
    def parameters(self) -> Parameters:
        """Those in force."""
        return self._board.parameters or self._start

    def prepare(self, pipeline: Pipeline) -> None:
        """A batch is about to begin: its core is to go by what is in force."""
        parameters = self._board.parameters or self._start
        if pipeline.core.parameters is not parameters:
            pipeline.core.adopt_parameters(parameters)

    def idle(self, number: int, pipeline: Pipeline) -> None:
        """Between two batches: all that `pipeline` holds is durable."""
        self.held.add(number)
        if self._partitions:
            self._sample(number, pipeline.core, pipeline.merge.reached)

    def end(self, number: int) -> None:
        """It is somebody else's now, or nobody's."""
        self.held.discard(number)
        self._taking.pop(number, None)
        self._taken.pop(number, None)

    def _sample(self, number: int, core: Core, reached: int) -> None:
        taking = self._taking.get(number)
        if taking is None or taking.core is not core:  # another core: it was read back, after an error
            until = round_at(reached)  # so that nothing of before it is missing
            known = self._taken.get(number) or self._board.sampled(number, self._partitions)
            if until <= known:
                return
            taking = self._taking[number] = Taking(core, until, self._partitions)
        if taking.go_on(self._clock):
            del self._taking[number]
            self._taken[number] = taking.until
            self.outgoing.append((number, taking))


class Taking:
    """A sample that is being taken."""

    def __init__(self, core: Core, until: int, partitions: int) -> None:
        self.core, self.until, self._partitions = core, until, partitions
        self._sampler = Sampler(core.states, until, most_of(partitions))

    def go_on(self, clock: Callable[[], float]) -> bool:
        """Go on for a moment; whether it is done."""
        end = clock() + SLICE_SECONDS
        while not (done := self._sampler.step(STEP)) and clock() < end:
            pass
        return done

    def record(self) -> SampleOf:
        """Once it is done; it takes some milliseconds, and nothing of it is the event loop's any more."""
        sample = self._sampler.sample()
        whole, of = EVERYBODY / sample.threshold, sample.of
        orders = int(np.where(of.x < 0, of.orders, of.x + 1).sum())
        return SampleOf(
            until=self.until, partitions=self._partitions, orders=round(orders * whole), sample=sample.encode()
        )
