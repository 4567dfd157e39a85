"""Workers of one group, started together, as one: how soon they have everything, what they use, how fast they are."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from msgspec import Struct

from streams.settings import Settings
from tests.bench.worker import BenchError, Worker

_LOOK_SECONDS = 0.1
_STANDSTILL = 120.0

Sample = tuple[float, float]
"""When (seconds), and how many events had been taken by then."""


class Start(Struct):
    """What it took until they had everything."""

    seconds: float
    """From the start of the processes."""
    cpu_seconds: float
    rss_bytes: int
    """Resident memory then."""
    peak_bytes: int
    """The most until then."""


class Crew:
    """`with Crew(settings, 2, patience=600) as crew:`. Raises BenchError when they are not ready after `patience` s."""

    def __init__(self, settings: Settings, count: int, patience: float) -> None:
        self._settings, self._patience = settings, patience
        self._workers = [Worker(settings, patience) for _ in range(count)]
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            for worker in self._workers:
                stack.callback(worker.stop)
                worker.start()
            with ThreadPoolExecutor(len(self._workers)) as pool:
                list(pool.map(Worker.wait_until_ready, self._workers))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def begun(self, customers: int) -> Start:
        """Return when all partitions are live, with so many customers in all; that is soon after each is ready."""
        began = self._workers[0].started_at
        while (live := self._sum("offbeat_partition_live")) < self._settings.partitions:
            if time.time() - began > self._patience:
                raise BenchError(f"{live:.0f} of {self._settings.partitions} partitions are live")
            time.sleep(_LOOK_SECONDS)
        # one that was ready may have had to share since
        live_at = time.time() if len(self._workers) > 1 else self._workers[0].ready_at
        if (found := self._sum("offbeat_customers")) != customers:
            raise BenchError(f"{found:.0f} of {customers} customers were restored")
        uses = [worker.use() for worker in self._workers]
        return Start(
            seconds=live_at - began,
            cpu_seconds=sum(use.cpu_seconds for use in uses),
            rss_bytes=sum(use.rss for use in uses),
            peak_bytes=sum(use.peak for use in uses),
        )

    def watch(self, events: int) -> list[Sample]:
        """Look on until so many events have been taken. Raises BenchError when nothing moves."""
        samples: list[Sample] = []
        moved = time.monotonic()
        while not samples or samples[-1][1] < events:
            taken = self._sum("offbeat_events_total")
            if samples and taken > samples[-1][1]:
                moved = time.monotonic()
            elif time.monotonic() - moved > _STANDSTILL:
                raise BenchError(f"nothing moves after {taken:.0f} of {events} events")
            samples.append((time.monotonic(), taken))
            time.sleep(_LOOK_SECONDS)
        return samples

    def cpu_seconds(self) -> float:
        """Of all of them, up to now."""
        return sum(worker.use().cpu_seconds for worker in self._workers)

    def _sum(self, name: str) -> float:
        return sum(worker.metrics().get(name, 0.0) for worker in self._workers)


def rate_between(samples: Sequence[Sample], low: float, high: float) -> float:
    """Events per second from the moment when `low` had been taken to that of `high`, between samples as they lie."""
    return (high - low) / (_reached(samples, high) - _reached(samples, low))


def _reached(samples: Sequence[Sample], count: float) -> float:
    """When so many had been taken."""
    began, before = samples[0]
    for at, taken in samples:
        if taken >= count:
            return began if taken == before else began + (at - began) * (count - before) / (taken - before)
        began, before = at, taken
    raise BenchError(f"{before:,.0f} events were taken, and not {count:,.0f}")
