"""Where the event loop leaves what is to be shown, and the thread that writes views finds it."""

import logging
from collections.abc import Callable
from threading import Lock
from time import monotonic

from streams.flow.pipeline import Outcome, Pipeline
from streams.views.backlog import Backlog
from streams.views.part import Part
from streams.watch.viewmetrics import ViewMetrics

log = logging.getLogger(__name__)

MOST = 50_000
"""Customers that wait at the most. With more all views are written anew, once there is somebody to write them to."""


class Outbox:
    """Is a `streams.delivery.ports.Views`: nothing that the event loop calls waits for more than a short lock."""

    def __init__(self, metrics: ViewMetrics, most: int = MOST, clock: Callable[[], float] = monotonic) -> None:
        self.flowing = False
        """Redis takes what it is given: there is sense in writing views anew."""
        self._metrics, self._most, self._clock = metrics, most, clock
        self._lock = Lock()
        self._held: dict[int, Part] = {}
        self._ended: list[Part] = []

    # -- the event loop's side

    def begin(self, number: int, pipeline: Pipeline) -> None:
        core = pipeline.core
        offsets = {source: position.offset for source, position in pipeline.positions.items()}
        part = Part(number, offsets, core.emitter.now, core.states.buried())
        with self._lock:
            if number in self._held:  # a batch has failed: what was durable before it is still to be shown
                part.backlog = self._held[number].backlog
            self._held[number] = part

    def durable(self, number: int, outcome: Outcome) -> None:
        part = self._held.get(number)
        if part is None:
            return
        with self._lock:
            part.backlog.add(outcome.settled)
            part.now = outcome.now
            part.offsets |= {source: position.offset for source, position in outcome.positions.items()}
            self._bound()

    def idle(self, number: int, pipeline: Pipeline) -> None:
        part = self._held.get(number)
        if part is not None and part.renewing and self.flowing:
            with self._lock:
                part.look_up(pipeline.core.states)
                part.now = pipeline.core.emitter.now

    def end(self, number: int, *, settled: bool) -> None:
        with self._lock:
            part = self._held.pop(number, None)
            if part is not None:
                part.ended_at, part.settled = self._clock(), settled
                self._ended.append(part)

    # -- the thread's side

    def parts(self) -> list[Part]:
        """All that there are, those that were given up among them."""
        with self._lock:
            return [*self._ended, *self._held.values()]

    def take(self, part: Part) -> Backlog:
        """What is to be shown; it starts anew."""
        with self._lock:
            backlog, part.backlog = part.backlog, Backlog()
            return backlog

    def put_back(self, part: Part, backlog: Backlog) -> None:
        """It could not be shown."""
        with self._lock:
            backlog.follow(part.backlog)
            part.backlog = backlog
            self._bound()

    def renew(self, part: Part, *, buried: bool) -> None:
        """Write all its views anew; `buried`: and delete those of who was gone when it was taken over."""
        with self._lock:
            part.renew()
            if buried:
                part.bury()

    def whole(self, part: Part) -> bool:
        """Nothing is left to be shown of it."""
        with self._lock:
            return part.whole

    def forget(self, part: Part) -> None:
        """It was given up, and there is nothing more to do for it."""
        with self._lock:
            self._ended.remove(part)

    @property
    def waiting(self) -> int:
        """Customers that wait to be shown."""
        return sum(len(part.backlog) for part in self.parts())

    def _bound(self) -> None:
        if sum(len(part.backlog) for part in self._held.values()) > self._most:
            if not all(part.renewing for part in self._held.values()):
                log.warning("views: more than %d customers wait; all are written anew later", self._most)
            for part in self._held.values():
                self._metrics.dropped.inc(part.shed(self._most // 2))
