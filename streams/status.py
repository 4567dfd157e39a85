"""What the worker's health endpoints tell."""

import time
from typing import Any

from streams.catchup import CatchUp


class PartitionStatus:
    """How far one partition number is. Kept by the event loop, read by the endpoints' thread."""

    def __init__(self) -> None:
        self.restoring()

    def restoring(self) -> None:
        """Its state is being read back."""
        self.phase, self._progress = "restoring", CatchUp()

    def live(self) -> None:
        """It takes events from now on."""
        self.phase = "live"

    def is_behind(self, lag: int, taken: int) -> float | None:
        """`lag`: records of the sources that are not taken yet; `taken`: a count of those that are, from anywhere.

        Gives the seconds until it has caught up (CatchUp.seconds_left).
        """
        self._progress.note(time.monotonic(), lag, taken)
        return self._progress.seconds_left

    def report(self) -> dict[str, Any]:
        progress = self._progress
        left = progress.seconds_left
        return {
            "phase": self.phase,
            "lag": progress.lag,
            "seconds_left": None if left is None else round(left, 1),
        }


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
