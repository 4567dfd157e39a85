"""What the worker's health endpoints tell."""

import time
from collections import deque
from typing import Any

_RATE_SECONDS = 10.0
"""Over how long a partition's speed is measured, at least."""


class PartitionStatus:
    """How far one partition number is. Kept by the event loop, read by the endpoints' thread."""

    def __init__(self) -> None:
        self.phase = "restoring"
        self._lag: int | None = None
        self._past: deque[tuple[float, int]] = deque()

    def restoring(self) -> None:
        """Its state is being read back."""
        self.phase, self._lag = "restoring", None
        self._past.clear()

    def live(self, lag: int | None, taken: int) -> None:
        """`lag`: records of the sources that are not taken yet; `taken`: a count of those that are, from anywhere.

        None: the brokers have not told yet.
        """
        now = time.monotonic()
        self.phase, self._lag = "live", lag
        past = self._past
        if lag is None:
            return
        past.append((now, taken))
        while len(past) > 2 and now - past[1][0] >= _RATE_SECONDS:
            past.popleft()

    def report(self) -> dict[str, Any]:
        return {"phase": self.phase, "lag": self._lag, "seconds_left": self._seconds_left()}

    def _seconds_left(self) -> float | None:
        """Until all is taken, at the speed of late; None when nobody can know."""
        if not self._lag:
            return None if self._lag is None else 0.0
        (first, before), (last, after) = self._past[0], self._past[-1]
        return round(self._lag * (last - first) / (after - before), 1) if after > before else None


class Status:
    """Kept by the event loop, read by the endpoints' thread."""

    def __init__(self) -> None:
        self._beat = time.monotonic()
        self._ready = False
        self.phase = "starting"
        self.partitions: dict[int, PartitionStatus] = {}

    def beat(self) -> None:
        """The event loop turns."""
        self._beat = time.monotonic()

    def live(self) -> bool:
        """All partition numbers of this worker are taken care of; True the first time."""
        first, self._ready = not self._ready, True
        self.phase = "live"
        return first

    @property
    def turning(self) -> bool:
        """Whether the event loop has turned lately."""
        return time.monotonic() - self._beat < 10

    @property
    def ready(self) -> bool:
        """Whether all partition numbers of this worker are live."""
        return self.phase == "live" and self.turning and all(p.phase == "live" for p in self.partitions.copy().values())

    def report(self) -> dict[str, Any]:
        return {
            "phase": self.phase,
            "partitions": {str(number): found.report() for number, found in sorted(self.partitions.copy().items())},
            "seconds_since_loop_turned": round(time.monotonic() - self._beat, 1),
        }
