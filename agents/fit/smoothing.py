"""How fast the clock ran in weeks that are past: each told by its own orders and by the weeks around it.

Orders of a week are Poisson around pace times expected, with some scatter of their own; the log of the pace wanders
from week to week by steps of one standard deviation (a random walk, as in Harvey 1989). The likeliest course is found
by Newton's method, and the standard deviation is the one of WANDERS under which the orders are likeliest (by Laplace's
approximation): in a calm shop it is 0, and the clock runs as calendars do.
"""

from typing import NamedTuple

import numpy as np
from scipy.linalg import cholesky_banded, solveh_banded

from agents.fit.histories import Floats

WANDERS = (0.0, 0.03, 0.06, 0.12, 0.25, 0.5)
"""What is tried, by the week."""
SCATTER = 0.05
"""How far a week's orders lie from what is expected though nothing has changed: a share of it."""
_BEGIN = 1.0
"""Standard deviation of the first week's log pace around the mean."""
_ROUNDS, _CLOSE, _LONGEST = 60, 1e-6, 1.0
_ENDS = 0.2, 5.0
"""No week runs slower or faster than that, against all weeks; one at the lower end counts as closed."""


class Smoothed(NamedTuple):
    """A course that has been run."""

    paces: Floats
    """By week, 1 on the average of those in which the shop was not closed; (weeks,)."""
    wander: float
    """Standard deviation of the log pace from week to week."""


class _Course(NamedTuple):
    """The likeliest log paces under one wander, (weeks,), and how likely the orders are under it."""

    ln_pace: Floats
    ln_evidence: float
    wander: float


def smoothed(seen: Floats, expected: Floats) -> Smoothed:
    """The paces of weeks in which so many orders came, and so many were expected at a pace of 1. Each (weeks,)."""
    best = max((_likeliest(seen, expected, wander) for wander in WANDERS), key=lambda course: course.ln_evidence)
    paces = np.clip(np.exp(best.ln_pace - _ln_mean(seen, expected)), *_ENDS)
    open_ = paces > _ENDS[0]  # weeks in which hardly anybody can order say nothing of what is usual
    return Smoothed(paces / paces[open_].mean() if open_.any() else np.ones(paces.size), best.wander)


def _likeliest(seen: Floats, expected: Floats, wander: float) -> _Course:
    weight = 1.0 / (1.0 + SCATTER**2 * expected)
    mean = _ln_mean(seen, expected)
    x = np.full(seen.size, mean)
    if wander == 0.0 or seen.size == 1:
        return _Course(x, float(np.sum(weight * (seen * x - expected * np.exp(x)))), 0.0)
    stiff, held = 1.0 / wander**2, 1.0 / _BEGIN**2
    for _ in range(_ROUNDS):
        step = np.diff(x)
        uphill = weight * (seen - expected * np.exp(x))
        uphill[:-1] += stiff * step
        uphill[1:] -= stiff * step
        uphill[0] -= held * (x[0] - mean)
        further = solveh_banded(_curvature(weight * expected * np.exp(x), stiff, held), uphill)
        x += np.clip(further, -_LONGEST, _LONGEST)
        if np.abs(further).max() < _CLOSE:
            break
    foreseen, step = expected * np.exp(x), np.diff(x)
    ln_prior = 0.5 * ((seen.size - 1) * np.log(stiff) - stiff * float(step @ step))
    ln_prior += 0.5 * (np.log(held) - held * (x[0] - mean) ** 2)
    ln_det = 2.0 * float(np.log(cholesky_banded(_curvature(weight * foreseen, stiff, held))[1]).sum())
    return _Course(x, float(np.sum(weight * (seen * x - foreseen))) + float(ln_prior) - 0.5 * ln_det, wander)


def _ln_mean(seen: Floats, expected: Floats) -> float:
    return float(np.log((seen.sum() + 1.0) / (expected.sum() + 1.0)))


def _curvature(of_orders: Floats, stiff: float, held: float) -> Floats:
    """Of minus the log density: a band of one above the diagonal, (2, weeks)."""
    band = np.zeros((2, of_orders.size))
    band[0, 1:] = -stiff
    band[1] = of_orders + 1e-9
    band[1, :-1] += stiff
    band[1, 1:] += stiff
    band[1, 0] += held
    return band
