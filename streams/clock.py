"""The wall clock, in the one place where it is read."""

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> int:
        """Epoch milliseconds."""


class WallClock:
    def now(self) -> int:
        """Epoch milliseconds of the system's clock."""
        return time.time_ns() // 1_000_000
