"""How many orders follow an order within a time: sums of log-normal gaps, tabled once for a population.

After an order at which x gaps are closed, another one follows with the chance that the customer stays (Beta(a, b + x)
after x stays), one gap later, and so on. With F_k(t) the chance that k gaps together take at most t,

    E M   = sum_k c_k F_k(t)               c_k = prod_{j=1..k} (b + x + j - 1) / (a + b + x + j - 1)
    E M^2 = sum_k (2 k - 1) c_k F_k(t)

for the number M of orders that follow (the renewal function of a process that may end, e.g. Feller 1971, XI). F_k is
found on lattices of doubling width by Fourier transforms of the tilted density (Grubel & Hermesdorf 1999), so it holds
for gaps of any scatter and for hundreds of them; no normal law is assumed of sums. What a customer's own mean gap
leaves open is a normal deviate, by which the tables are smoothed. Checked against simulation in tests.
"""

from functools import lru_cache

import numpy as np
from scipy.special import ndtr

from agents.models.mixture import Floats

MOST = 1000
"""Orders beyond these are not counted."""
STEP = 1.0 / 16
LOW, HIGH = -7.0, 8.5
GRID: Floats = np.arange(LOW, HIGH + STEP / 2, STEP)
"""ln of the time, in typical gaps, for which the tables stand."""
COUNTS: Floats = np.unique(np.r_[1:13, np.rint(np.geomspace(12, MOST, 24))])
"""The k of which F_k is computed; between two of them it is theirs, moved by the ratio of the numbers."""
_BINS = 1024
"""Of a lattice; times are looked at in its upper half alone."""
_TILT = 20.0


def follow(a: float, b: float) -> tuple[Floats, Floats]:
    """Weights of F_1 to F_MOST for E M and for E M^2, after an order that may be the last with odds a to b."""
    k: Floats = np.arange(1.0, MOST + 1)
    chances = np.asarray(np.cumprod((b + k - 1) / (a + b + k - 1)), dtype=np.float64)
    return chances, (2 * k - 1) * chances


def stay() -> tuple[Floats, Floats]:
    """The same of a customer who never leaves."""
    k: Floats = np.arange(1.0, MOST + 1)
    return np.ones(MOST), 2 * k - 1


def smoothed(table: Floats, spread: float) -> Floats:
    """Rows over GRID, as they are on the average when ln of the typical gap scatters by `spread`."""
    reach = int(min(np.ceil(5 * spread / STEP), GRID.size))
    if reach == 0:
        return table
    steps = np.arange(-reach, reach + 1) * STEP
    kernel = np.diff(ndtr(np.r_[steps - STEP / 2, steps[-1] + STEP / 2] / spread))
    kernel /= kernel.sum()
    padded = np.pad(table, ((0, 0), (reach, reach)), mode="edge")
    return np.array([np.convolve(row, kernel, "valid") for row in padded])


def sums(sigma: float) -> Floats:
    """F_k for gaps exp(sigma z): the chance that k of them, 1 to MOST, take at most exp(GRID[j]). (MOST, grid)."""
    some = _some_sums(sigma)
    found = np.empty((MOST, GRID.size))
    place = np.searchsorted(COUNTS, np.arange(1, MOST + 1), side="right") - 1
    for k, at in enumerate(place.tolist(), start=1):
        below = COUNTS[at]
        found[k - 1] = np.interp(GRID - np.log(k / below), GRID, some[at])
        if k > below:
            above = COUNTS[at + 1]
            part = (k - below) / (above - below)
            found[k - 1] += part * (np.interp(GRID - np.log(k / above), GRID, some[at + 1]) - found[k - 1])
    return found


@lru_cache(maxsize=16)
def _some_sums(sigma: float) -> Floats:
    """F_k of COUNTS. (counts, grid)."""
    found = np.zeros((COUNTS.size, GRID.size))
    times = np.exp(GRID)
    width = 2.0 ** np.ceil(LOW / np.log(2))
    while width / 2 < times[-1]:
        inside = (times > width / 2) & (times <= width)
        if inside.any():
            found[:, inside] = _on_lattice(sigma, width, times[inside])
        width *= 2
    found[0] = ndtr(GRID / sigma)
    return np.clip(found, 0.0, 1.0)


def _on_lattice(sigma: float, width: float, times: Floats) -> Floats:
    """F_k at times up to the width of a lattice, on which gaps are rounded."""
    step = width / _BINS
    borders = (np.arange(_BINS) + 0.5) * step
    mass = np.diff(ndtr(np.log(borders) / sigma), prepend=0.0)
    tilt = np.exp(-_TILT * np.arange(_BINS) / _BINS)  # what would come round again is as good as gone
    wave = np.fft.rfft(mass * tilt, 2 * _BINS)
    wave = np.log(np.where(wave == 0.0, 1e-300, wave))
    density = np.fft.irfft(np.exp(COUNTS[:, None] * wave), 2 * _BINS)[:, :_BINS] / tilt
    below = np.cumsum(density, axis=1)
    return np.array([np.interp(times, borders, row) for row in below])
