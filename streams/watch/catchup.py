"""How long until a partition number has caught up: what is left, by how much faster it goes than more comes."""

from math import exp

SMOOTHING = 15.0
"""Seconds over which speeds are averaged: each second the weight of what was before falls by a fifteenth."""
_STEP = 1.0
"""Seconds between two measurements, at least."""
_LONGEST = 10 * 365 * 86_400.0
"""Whoever needs more seconds than this is not catching up."""


class CatchUp:
    """Hears how much is left, and how much was taken, and reads no clock."""

    def __init__(self) -> None:
        self.lag: int | None = None
        """Records that are not taken yet; None: not known."""
        self._at = self._taken = self._left = 0.0
        self._speed: float | None = None
        self._closing = 0.0

    def note(self, at: float, lag: int, taken: int) -> None:
        """`at`: seconds, on any clock; `lag`: records that are left; `taken`: a count of those that were taken."""
        if self.lag is None:
            self._at, self._taken, self._left = at, taken, lag
        self.lag = lag
        passed = at - self._at
        if passed < _STEP:
            return
        speed, closing = (taken - self._taken) / passed, (self._left - lag) / passed
        before = exp(-passed / SMOOTHING) if self._speed is not None else 0.0
        self._speed = before * (self._speed or 0.0) + (1.0 - before) * speed
        self._closing = before * self._closing + (1.0 - before) * closing
        self._at, self._taken, self._left = at, taken, lag

    @property
    def speed(self) -> float | None:
        """Records taken a second, of late; None: not known yet."""
        return self._speed

    @property
    def seconds_left(self) -> float | None:
        """0 when nothing is left; None as long as it does not catch up, or that is not known.

        Less than a second's work is no arrears: that is told as the time it takes, whatever comes meanwhile.
        """
        lag, speed = self.lag, self._speed
        if not lag:
            return None if lag is None else 0.0
        if speed is None:
            return None
        if lag <= speed:
            return lag / speed
        return lag / self._closing if self._closing * _LONGEST > lag else None
