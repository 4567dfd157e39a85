"""The population's clock: its time runs faster when everybody buys more than usual, and slower after the season.

Gaps and ages are measured in this time. It is given as paces: from each day on (UTC) so many days of the clock go by in
a day, until the next pace. Before the first one it runs as calendars do, after the last one it keeps that pace.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

_DAY: Final = 86_400_000
_EPOCH: Final = date(1970, 1, 1)
_WEEK: Final = 7 * _DAY
_MONDAY: Final = 4 * _DAY
"""The first one of Unix time, epoch ms: weeks begin on Mondays, UTC."""

Pace = tuple[date, float]


def ms_of(day: date) -> int:
    """When a day begins, epoch ms."""
    return (day - _EPOCH).days * _DAY


def day_of(ms: int) -> date:
    """The day in which an instant (epoch ms) lies."""
    return _EPOCH + timedelta(days=ms // _DAY)


def week_of(ms: int) -> int:
    """The number of the week in which an instant (epoch ms) lies, from the first Monday of Unix time on."""
    return (ms - _MONDAY) // _WEEK


def monday_of(week: int) -> int:
    """When a week of this number begins, epoch ms."""
    return _MONDAY + week * _WEEK


class Clock:
    """Turns epoch ms into ms of the clock and back; both begin together with the first pace."""

    __slots__ = ("_array", "_rates", "_since", "_then", "even")

    def __init__(self, paces: Sequence[Pace] = ()) -> None:
        """Paces by day, in order; each rate above 0."""
        self._since = [ms_of(day) for day, _ in paces]
        self._rates = [1.0, *(rate for _, rate in paces)]
        self.even = not self._since
        """It has no paces: whoever asks it nothing then pays nothing for it."""
        self._then: list[float] = []
        at = float(self._since[0]) if self._since else 0.0
        for place, since in enumerate(self._since):
            if place:
                at += (since - self._since[place - 1]) * self._rates[place]
            self._then.append(at)
        self._array = tuple(np.array(values, dtype=np.float64) for values in (self._since, self._then, self._rates))

    def at(self, ms: int) -> float:
        """Ms of the clock at an instant."""
        place = bisect_right(self._since, ms)
        if not place:
            return float(ms)
        return self._then[place - 1] + (ms - self._since[place - 1]) * self._rates[place]

    def when(self, clock_ms: float) -> float:
        """Epoch ms at which the clock shows this."""
        place = bisect_right(self._then, clock_ms)
        if not place:
            return clock_ms
        return self._since[place - 1] + (clock_ms - self._then[place - 1]) / self._rates[place]

    def between(self, before: int, after: int) -> float:
        """Ms of the clock from one instant to a later one."""
        return float(after - before) if self.even else self.at(after) - self.at(before)

    def all_pace(self, ms: ArrayLike) -> NDArray[np.float64]:
        """Days of the clock that go by in a day, at each of many instants."""
        return self._array[2][np.searchsorted(self._array[0], np.asarray(ms), side="right")]

    def all_at(self, ms: ArrayLike) -> NDArray[np.float64]:
        """`at` of many instants."""
        return self._turned(np.asarray(ms, dtype=np.float64), *self._array)

    def all_when(self, clock_ms: ArrayLike) -> NDArray[np.float64]:
        """Epoch ms at which the clock shows each of these; inf stays."""
        since, then, rates = self._array
        return self._turned(np.asarray(clock_ms, dtype=np.float64), then, since, 1.0 / rates)

    @staticmethod
    def _turned(
        at: NDArray[np.float64], since: NDArray[np.float64], then: NDArray[np.float64], rates: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        if not since.size:
            return at
        place = np.searchsorted(since, at, side="right")
        before = np.maximum(place - 1, 0)
        turned = then[before] + (at - since[before]) * rates[place]
        return np.where(place > 0, turned, at)


def without_repeats(paces: Sequence[Pace]) -> tuple[Pace, ...]:
    """The paces but those that only repeat the one before them."""
    return tuple(pace for place, pace in enumerate(paces) if not place or pace[1] != paces[place - 1][1])


CALENDAR: Final = Clock()
"""Runs as calendars do."""
