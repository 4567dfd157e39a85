"""How old the oldest event is that a partition number has not taken, from its acknowledgement to the committed mark."""

import threading
import time
from collections import deque
from collections.abc import Mapping

from streams.settings import Settings
from tests.chaos.feed import Place
from tests.chaos.watch import Marks


class Lags:
    """Told what there is to be taken and what has been. Times in seconds, by any clock."""

    def __init__(self) -> None:
        self._open: dict[Place, deque[tuple[int, float]]] = {}
        """Where what is not taken ends, and when it came."""
        self._taken: dict[Place, int] = {}

    def due(self, ends: Mapping[Place, int], now: float) -> None:
        """The topics hold what ends before these offsets."""
        for place, end in ends.items():
            if end > self._taken.get(place, 0):
                self._open.setdefault(place, deque()).append((end, now))

    def taken(self, place: Place, offset: int) -> None:
        """All before the offset is durable."""
        self._taken[place] = max(offset, self._taken.get(place, 0))
        waiting = self._open.get(place, ())
        while waiting and waiting[0][0] <= offset:
            waiting.popleft()

    def seconds(self, now: float) -> float:
        """The longest of all; 0 when all is taken."""
        return max((now - waiting[0][1] for waiting in self._open.values() if waiting), default=0.0)

    @property
    def behind(self) -> list[int]:
        """The partition numbers that have something to do."""
        return sorted({number for (_, number), waiting in self._open.items() if waiting})


class LagWatch(Marks):
    """Lags by the marks in the changelog. `with LagWatch(...) as watch:`; parameters as for `Marks`."""

    def __init__(self, brokers: str, settings: Settings) -> None:
        super().__init__(brokers, settings)
        self._lags = Lags()
        self._lock = threading.Lock()

    def due(self, ends: Mapping[Place, int]) -> None:
        """See `Lags.due`. Callable from any thread."""
        with self._lock:
            self._lags.due(ends, time.monotonic())

    @property
    def seconds(self) -> float:
        """See `Lags.seconds`."""
        with self._lock:
            return self._lags.seconds(time.monotonic())

    @property
    def behind(self) -> list[int]:
        """See `Lags.behind`."""
        with self._lock:
            return self._lags.behind

    def _taken(self, partition: int, offsets: Mapping[str, int], now: float) -> None:  # noqa: ARG002 - of pauses alone
        with self._lock:
            for topic, offset in offsets.items():
                self._lags.taken((topic, partition), offset)
