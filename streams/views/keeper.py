"""Keeps the views of a worker's partition numbers: a round shows all that waits.

Of each partition number somebody's name stands in Redis (streams.views.mark). A worker that takes it over
puts its own there, and looks before it writes whether it still stands; one that gives it up with everything shown
leaves behind how far that goes. Whoever finds the name of another, or none, knows that changes may have been lost (a
worker killed, a Redis emptied or gone back to an older copy), and writes all views of that number anew.
"""

import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice
from math import inf

from streams.clock import Clock, WallClock
from streams.views.backlog import Backlog
from streams.views.mark import ViewMark
from streams.views.outbox import Outbox
from streams.views.part import Part
from streams.views.render import Renderer
from streams.views.store import ViewStore
from streams.views.trouble import ViewError
from streams.watch.logformat import about
from streams.watch.viewmetrics import ViewMetrics

log = logging.getLogger(__name__)

CHUNK = 250
"""Customers that are written at once."""
REST_SECONDS = 0.1
"""Between two chunks it rests for as long as the first one took, at the most so long."""
CHECK_SECONDS = 5.0
"""How often a name is looked after that nothing is written under."""
LEAVE_SECONDS = 1.0
"""So long after a partition number was given up its views are still written: the next owner begins later."""
RECLAIM_SECONDS = 600.0
"""So long another's name may stand at what is ours, and say nothing: Redis went back to an older copy."""


class Keeper:
    """Everything the thread does, but for waiting. `name`: of this worker, like no other's; `refresh`: in ms."""

    def __init__(
        self,
        store: ViewStore,
        renderer: Renderer,
        outbox: Outbox,
        metrics: ViewMetrics,
        *,
        name: str,
        refresh: int,
        wall: Clock | None = None,
        clock: Callable[[], float] = time.monotonic,
        rest: Callable[[float], None] = time.sleep,
    ) -> None:
        self.outbox, self.metrics = outbox, metrics
        self._store, self._renderer = store, renderer
        self._name, self._refresh = name, refresh
        self._wall, self._clock, self._rest = wall or WallClock(), clock, rest
        self._checked = -inf
        self._complete_at = clock()
        metrics.waiting.set_function(lambda: outbox.waiting)
        metrics.renewing.set_function(lambda: sum(part.renewing for part in outbox.parts()))
        metrics.behind.set_function(lambda: clock() - self._complete_at)

    def round(self) -> None:
        """Show all that waits. Raises `ViewError`; then it waits on."""
        began = self._clock()
        for part in self._mine(self._present(), began):
            self._show(part)
            if part.ended_at < inf:
                self._leave(part)
            elif self._wall.now() - part.refreshed_at >= self._refresh and not part.renewing:
                self._renew(part, buried=False)
        self._complete_at = began
        self.outbox.flowing = True

    def close(self) -> None:
        """Let go of Redis."""
        self._store.close()

    def _present(self) -> list[Part]:
        """Without those that were given up and are to be left alone by now."""
        present = []
        for part in self.outbox.parts():
            if part.ended_at < inf and (not part.claimed or self._clock() - part.ended_at > LEAVE_SECONDS):
                self.outbox.forget(part)
            else:
                present.append(part)
        return present

    def _mine(self, parts: list[Part], now: float) -> Iterator[Part]:
        """Those at which our name stands, of all that have to be looked at."""
        due = now - self._checked >= CHECK_SECONDS
        for part in parts:
            if not part.claimed:
                self._claim(part)
        looked = [part for part in parts if due or part.backlog or part.ended_at < inf]
        marks = self._store.marks([part.number for part in looked]) if looked else []
        for part, mark in zip(looked, marks, strict=True):
            if self._is_mine(part, mark, now):
                yield part
        if due:
            self._checked = now

    def _is_mine(self, part: Part, mark: ViewMark | None, now: float) -> bool:
        if mark is not None and mark.owner == self._name:
            part.foreign = None
            return True
        if part.ended_at < inf:
            self.outbox.forget(part)
            return False
        if mark != part.foreign:
            part.foreign, part.foreign_since = mark, now
        if mark is None or not mark.owner or now - part.foreign_since >= RECLAIM_SECONDS:
            self._claim(part)
            return True
        return False

    def _claim(self, part: Part) -> None:
        before = self._store.swap(part.number, ViewMark(owner=self._name))
        if before is not None and not before.owner and before.offsets == part.begun:
            part.refreshed_at = before.refreshed_at
            part.leave_buried()
        else:
            self._renew(part, buried=True)
        part.claimed, part.foreign = True, None

    def _renew(self, part: Part, *, buried: bool) -> None:
        log.info("partition %d: its views are written anew", part.number, extra=about(part.number))
        self.outbox.renew(part, buried=buried)
        part.refreshed_at = self._wall.now()

    def _show(self, part: Part) -> None:
        backlog = self.outbox.take(part)
        try:
            self._write(backlog, part.now)
        except ViewError:
            self.outbox.put_back(part, backlog)
            raise

    def _write(self, backlog: Backlog, now: int) -> None:
        changes = iter(backlog)
        while chunk := list(islice(changes, CHUNK)):
            began = self._clock()
            written = self._store.write(self._renderer.rows(chunk, now))
            for kind, count in written._asdict().items():
                self.metrics.written.labels(kind).inc(count)
            self._rest(min(self._clock() - began, REST_SECONDS))  # triggers come first, and share the interpreter

    def _leave(self, part: Part) -> None:
        if part.backlog:  # it came while this round was at work: the next one shows it
            return
        if self.outbox.whole(part):
            self._store.swap(part.number, ViewMark(offsets=part.offsets, refreshed_at=part.refreshed_at))
        self.outbox.forget(part)
