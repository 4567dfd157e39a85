"""When an absence means something: the model's days, which are the clock's, as milliseconds of the calendar.

The clock is taken as it was known at the fit: it does not follow what comes after it.
"""

import numpy as np

from agents.models.mixture import Floats
from agents.models.timing import Rhythm
from tables.clock import Clock
from tables.orders import DAY

_ROUNDS = 12
_CLOSE = 1e-6
_FAR = 3650.0
"""Days of the clock beyond which nothing is planned."""


def due_after(rhythm: Rhythm, clock: Clock, last_at: Floats, within: int) -> Floats:
    """Ms from each customer's last order (epoch ms) to the expected next one, given that it comes within so many. (n,).

    See `Rhythm.expected`.
    """
    if clock.even:
        return rhythm.expected(within / DAY) * DAY
    began = clock.all_at(last_at)
    days = rhythm.expected((clock.all_at(last_at + within) - began) / DAY)
    ms: Floats = clock.all_when(began + days * DAY) - last_at
    return ms


def fading_after(rhythm: Rhythm, clock: Clock, last_at: Floats, alive: float) -> Floats:
    """Ms from each customer's last order to the moment at which P(alive) has fallen to `alive`; inf: never. (n,).

    See `Rhythm.fading`.
    """
    days = rhythm.fading(alive)
    if clock.even:
        return np.where(days < _FAR, days * DAY, np.inf)
    return np.where(days < _FAR, clock.all_when(clock.all_at(last_at) + days * DAY) - last_at, np.inf)


def silent_after(
    rhythm: Rhythm, clock: Clock, last_at: Floats, window: float, horizon: int, probability: float
) -> Floats:
    """Ms from each customer's last order to the first moment past the window at which silence is sure enough. (n,).

    At least as sure as `probability`, of no order within `horizon` ms: see `Rhythm.overdue`. Inf: never.
    """
    if clock.even:
        return rhythm.overdue(window, horizon / DAY, probability, _FAR) * DAY
    began = clock.all_at(last_at)
    days = rhythm.window(window)
    for _ in range(
        _ROUNDS
    ):  # upward: from a moment on the horizon, then the first moment at which that is silent enough
        ahead = horizon_days(clock, clock.all_when(began + days * DAY), horizon)
        found = rhythm.silent_since(days, ahead, probability)
        still = found > days * (1 + _CLOSE)
        days = np.where(still, np.minimum(found, _FAR), days)
        if not still.any():
            break
    return np.where(days < _FAR, clock.all_when(began + days * DAY) - last_at, np.inf)


def horizon_days(clock: Clock, at: Floats, horizon: int) -> Floats:
    """Days of the clock in the `horizon` ms from each instant on. (n,)."""
    days: Floats = (clock.all_at(at + horizon) - clock.all_at(at)) / DAY
    return days
