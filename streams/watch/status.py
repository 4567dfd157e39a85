"""What the worker's health endpoints tell."""

import time
from collections.abc import Callable
from typing import Any

from streams.watch.catchup import CatchUp

STILL_SECONDS = 10.0
"""After so long without a sign of life the event loop, or a partition number, is taken for frozen."""


class PartitionStatus:
    """How far one partition number is. Kept by the event loop, read by the endpoints' thread.

    `ages`: time follows the wall clock, so that who stands still falls behind.
    """

    def __init__(self, clock: Callable[[], float], *, ages: bool) -> None:
        self._clock, self._ages = clock, ages
        self.restoring()

    def restoring(self) -> None:
        """Its state is being read back."""
        self._live, self._progress = False, CatchUp()
        self._behind: tuple[float, float] | None = None
        self._read = 0

    def read_back(self, count: int, left: int) -> None:
        """So many records of the changelog; so many are left."""
        self._read += count
        self._progress.note(self._clock(), left, self._read)

    def live(self) -> None:
        """It takes events from now on."""
        self.moved()
        self._progress = CatchUp()  # before the next line: the other thread reads them in reverse order
        self._live = True

    def moved(self) -> None:
        """A sign of life: something was made durable, or the brokers said that there was nothing to do."""
        self._moved = self._clock()

    def is_behind(self, lag: int, taken: int) -> float | None:
        """`lag`: records of the sources that are not taken yet; `taken`: a count of those that are, from anywhere.

        Gives the seconds until it has caught up (CatchUp.seconds_left).
        """
        self._progress.note(self._clock(), lag, taken)
        return self._progress.seconds_left

    def passed(self, behind: int | None) -> None:
        """Everything is taken but for the last `behind` milliseconds of event time; None: nobody can know."""
        self._behind = None if behind is None else (behind / 1000, self._clock())

    @property
    def lag_seconds(self) -> float | None:
        """How far it is behind in event time by now; None: nobody can know yet."""
        if (found := self._behind) is None:
            return None
        seconds, at = found
        return seconds + (self._clock() - at if self._ages else 0.0)

    @property
    def still_seconds(self) -> float | None:
        """Since its last sign of life; None while its state is being read back."""
        return self._clock() - self._moved if self._live else None

    @property
    def recovery_left(self) -> float | None:
        """Seconds until its state is read back, at the speed of late; 0 when it is, None when nobody can know."""
        return 0.0 if self._live else self._progress.seconds_left

    @property
    def phase(self) -> str:
        """`restoring`, `live` or `frozen`."""
        still = self.still_seconds
        if still is None:
            return "restoring"
        return "frozen" if still > STILL_SECONDS else "live"

    def report(self) -> dict[str, Any]:
        """Its lag, in records and in seconds of event time; what it takes or reads back a second, and how long yet."""
        phase, progress = self.phase, self._progress
        return {
            "phase": phase,
            "lag": None if phase == "restoring" else progress.lag,
            "lag_seconds": _rounded(self.lag_seconds),
            "rate": _rounded(progress.speed),
            "seconds_left": _rounded(progress.seconds_left),
        }


class Status:
    """Kept by the event loop, read by the endpoints' thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()
        self._ready = False
        self.phase = "starting"
        self.partitions: dict[int, PartitionStatus] = {}
        self.parameters: Callable[[], str | None] = lambda: None
        """Tells the version of the population parameters in force; None: not known yet."""

    def partition(self, number: int, *, ages: bool) -> PartitionStatus:
        """The one of this number, from now on."""
        found = self.partitions.get(number)
        if found is None:
            found = self.partitions[number] = PartitionStatus(self._clock, ages=ages)
        return found

    def beat(self) -> None:
        """The event loop turns."""
        self._beat = self._clock()

    def live(self) -> bool:
        """All partition numbers of this worker are taken care of; True the first time."""
        first, self._ready = not self._ready, True
        self.phase = "live"
        return first

    @property
    def loop_still_seconds(self) -> float:
        """Since the event loop has turned."""
        return self._clock() - self._beat

    @property
    def turning(self) -> bool:
        """Whether the event loop has turned lately."""
        return self.loop_still_seconds < STILL_SECONDS

    @property
    def ready(self) -> bool:
        """Whether all partition numbers of this worker are live."""
        return self.phase == "live" and self.turning and all(p.phase == "live" for p in self.partitions.copy().values())

    @property
    def healthy(self) -> bool:
        """Whether nothing stands still that should move. Who starts, waits for brokers or reads back is healthy."""
        return self.turning and all(p.phase != "frozen" for p in self.partitions.copy().values())

    def report(self) -> dict[str, Any]:
        """What `/health` shows: the worker's phase and parameters, and of each partition number its own phase."""
        return {
            "phase": self.phase,
            "ready": self.ready,
            "healthy": self.healthy,
            "parameters": self.parameters(),
            "partitions": {str(number): found.report() for number, found in sorted(self.partitions.copy().items())},
            "seconds_since_loop_turned": round(self.loop_still_seconds, 1),
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)
