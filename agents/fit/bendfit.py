"""Fitting the bend of windows: what the model foretold of gaps of late, against how long they took.

A gap of y days, seen to whole days, lay between y - 1/2 and y + 1/2; it could be seen only if it closed before the
end. With u at those three ages, its likelihood is (G(u(y + 1/2)) - G(u(y - 1/2))) / G(u(end)). The bend is taken only
when it holds for gaps that it was not fitted to, each of the last two quarters by the other three; and not in a
restless shop whose clock was only followed, as what it missed of a season would stay in the bend (measured: it does).
"""

import msgspec
import numpy as np
from scipy.optimize import minimize

from agents.fit.histories import Floats, Occasions
from agents.models.bend import Bend
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import TimingPrior

Numbers = tuple[float, float, float]

LEAST = 400
"""Gaps below which there is no bend."""
MOST = 20_000
_HOLD = 20.0
_HALF_DAY = DAY // 2
_WORTH = 2.0
"""What a quarter must gain in ln likelihood by the bend of the others."""
RESTLESS = 0.1
"""Standard deviation of the log pace from which on a shop is restless."""
_STRAIGHT = 0.0, 0.0, 0.0
_LIMITS = [(-1.0, 1.0)] * 3


def fit_bends(
    gaps: Occasions, prior: TimingPrior, clock: Clock, since: int, end: int, restless: float = RESTLESS
) -> TimingPrior:
    """The same rhythm with bends from gaps that began after `since` and closed by `end` (epoch ms).

    First gaps have one of their own: a shop whose customers all came at once shows none of late. `restless`: the
    standard deviation of the log pace above which there is none.
    """
    seen = gaps.take((gaps.last_at >= since) & (gaps.closes <= end))
    first, later = (_fit_bend(seen.take(rows), prior, clock, end, restless) for rows in (seen.x == 0, seen.x > 0))
    return msgspec.structs.replace(prior, bend=later, bend_first=first)


def _fit_bend(seen: Occasions, prior: TimingPrior, clock: Clock, end: int, restless: float) -> Numbers:
    """Zeros when none holds."""
    if len(seen) > MOST:
        seen = seen.take(seen.customer % (-(-len(seen) // MOST)) == 0)
    paces = clock.all_pace(seen.last_at)
    if len(seen) < LEAST or np.std(np.log(paces)) > restless:
        return _STRAIGHT
    low, high, top = _places(seen, prior, clock, end)
    quarter = np.searchsorted(np.quantile(seen.last_at, (0.25, 0.5, 0.75)), seen.last_at)
    for number in (2, 3):
        rest, others = quarter == number, quarter != number
        found = _likeliest(low[others], high[others], top[others])
        part = low[rest], high[rest], top[rest]
        if _ln_likelihood(found, *part) < _ln_likelihood(_STRAIGHT, *part) + _WORTH:
            return _STRAIGHT
    return _likeliest(low, high, top)


def _places(gaps: Occasions, prior: TimingPrior, clock: Clock, end: int) -> tuple[Floats, Floats, Floats]:
    """U half a day before each gap closed, half a day after it, and at the end."""
    rhythm, began = gaps.rhythm(prior), clock.all_at(gaps.last_at)

    def place(at: Floats) -> Floats:
        return 1.0 - rhythm.survival((clock.all_at(at) - began) / DAY)

    low = np.where(gaps.gap > 1.0, place(gaps.closes - _HALF_DAY), 0.0)
    high = np.maximum(place(gaps.closes + _HALF_DAY), low + 1e-9)
    return low, high, np.maximum(place(np.full(len(gaps), float(end + _HALF_DAY))), high)


def _ln_likelihood(numbers: Numbers, low: Floats, high: Floats, top: Floats) -> float:
    bend = Bend(*numbers)
    return float(np.sum(np.log(np.maximum(bend.of(high) - bend.of(low), 1e-12) / bend.of(top))))


def _likeliest(low: Floats, high: Floats, top: Floats) -> Numbers:
    def descent(numbers: Floats) -> float:
        c, below, above = numbers.tolist()
        return _HOLD * float(numbers @ numbers) - _ln_likelihood((c, below, above), low, high, top)

    best = minimize(descent, np.zeros(3), method="L-BFGS-B", bounds=_LIMITS, options={"maxiter": 60})
    c, below, above = best.x.tolist() if np.isfinite(best.fun) else _STRAIGHT
    return c, below, above
