"""How fast a replay goes: event time against a clock."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple


class Clock(NamedTuple):
    """Where a replay has its time from; both in seconds."""

    now: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


class Pace:
    """Event time that runs `speed` times as fast as a clock, from the first event on."""

    def __init__(self, speed: float, now: Callable[[], float]) -> None:
        self._speed = speed
        self._now = now
        self._begin: tuple[float, int] | None = None

    def left(self, at: int) -> float:
        """Seconds until event time `at` (epoch ms) is reached; 0 or less: it is. The first call begins the clock."""
        begin, first = self._begin = self._begin or (self._now(), at)
        return (at - first) / 1000 / self._speed - (self._now() - begin)

    def reached(self, limit: int) -> int:
        """Event time now, epoch ms, but at most `limit`, which it also is before the first call of `left`."""
        begin, first = self._begin or (self._now(), limit)
        return min(limit, first + int((self._now() - begin) * self._speed * 1000))
