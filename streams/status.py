"""What the worker's health endpoints tell."""

import time
from typing import Any


class Status:
    """Kept by the event loop, read by the endpoints' thread."""

    def __init__(self) -> None:
        self._beat = time.monotonic()
        self._phase = "starting"
        self._partitions: list[int] = []

    def beat(self) -> None:
        """The event loop turns."""
        self._beat = time.monotonic()

    def live(self, numbers: set[int]) -> bool:
        """These partition numbers are taken care of; True the first time."""
        first = self._phase == "starting"
        self._phase = "live"
        self._partitions = sorted(numbers)
        return first

    def stopping(self) -> None:
        self._phase = "stopping"

    @property
    def turning(self) -> bool:
        """Whether the event loop has turned lately, or has not begun."""
        return self._phase == "starting" or time.monotonic() - self._beat < 10

    @property
    def ready(self) -> bool:
        """Whether all partition numbers of this worker have been live."""
        return self._phase == "live" and self.turning

    def report(self) -> dict[str, Any]:
        return {
            "phase": self._phase,
            "partitions": self._partitions,
            "seconds_since_loop_turned": round(time.monotonic() - self._beat, 1),
        }
