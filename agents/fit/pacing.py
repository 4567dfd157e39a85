"""How fast a population's clock will run in the coming week, from the weeks before: orders seen against those expected.

Several observers follow the ratio at once: one that holds it to be 1, some that forget faster or slower, the same
relative to the same weeks of last year, and some that take it to go on rising or falling. How much each is believed
follows from how well it foretold the weeks so far (orders of a week are Poisson, with some scatter of their own), so a
calm shop keeps a calm clock and a seasonal one follows its season.
"""

import numpy as np

from agents.fit.histories import Floats
from agents.fit.smoothing import SCATTER

_KEEPS = np.array((0.3, 0.6, 0.8, 0.92))
"""What each observer keeps of the weeks before."""
_RISES = np.array((0.3, 0.6))
"""The same of those who go along with a rise or a fall."""
_ON = 0.5 / (1.0 - _RISES)
"""Steps like the last week's that they add: half of the weeks that lie between what they have seen and the coming one.

All of them would be too many where a season turns. Chosen on invented shops with seasons, short and long.
"""
_ORDERS = 10.0
_PULL = 0.05
"""Orders that speak for a ratio of 1: so many, and this share of those expected."""
_FORGETS = 0.98
"""Belief in observers from before goes by this factor a week."""
_CALM = 0.5
"""Belief in a ratio of 1 at the beginning."""
_ENDS = 0.2, 5.0
"""No week's ratio is told to be less, or more."""
_YEAR = 52
_DOUBT = 12.0
"""No observer is believed less than e to minus this of the best: it may have its day."""


class Observers:
    """Tells the ratio of the coming week from all that was seen before it."""

    def __init__(self) -> None:
        self._keeps = np.r_[_KEEPS, _KEEPS, _RISES]
        size = self._keeps.size
        self._believed = self._first = np.log(np.r_[_CALM, np.full(size, (1 - _CALM) / size)])
        self._seen, self._expected = np.zeros(size), np.zeros(size)
        self._weeks: list[tuple[float, float]] = []
        self._before = np.ones(_RISES.size)
        self._told = np.ones(1 + size)

    def tell(self) -> float:
        """The coming week's ratio."""
        share = np.exp(self._believed - self._believed.max())
        return float(np.exp(share @ np.log(self._told) / share.sum()))

    def learn(self, seen: float, expected: float) -> None:
        """What the week came to: orders seen, and those expected at a ratio of 1."""
        fit = (seen * np.log(self._told) - expected * self._told) / (1.0 + SCATTER**2 * expected)
        believed = _FORGETS * self._believed + (1 - _FORGETS) * self._first + fit
        self._believed = np.maximum(believed - believed.max(), -_DOUBT)
        usual = self._usual()
        self._weeks.append((seen, expected))
        self._seen = self._keeps * self._seen + seen
        self._expected = self._keeps * self._expected + expected * usual
        calm = _ORDERS + _PULL * self._expected
        ratio = self._usual() * (self._seen + calm) / (self._expected + calm)
        rising = ratio[-_RISES.size :]
        step, self._before = rising / self._before, rising.copy()
        rising *= step**_ON
        self._told = np.r_[1.0, np.clip(ratio, *_ENDS)]

    def _usual(self) -> Floats:
        """What each observer takes for usual in the week to come."""
        usual = np.ones(self._keeps.size)
        usual[_KEEPS.size : -_RISES.size] = self._last_year(len(self._weeks))
        return usual

    def _last_year(self, week: int) -> float:
        """The ratio of last year around this week; 1 where that is not known."""
        about = week - _YEAR
        if about < 6 or about + 2 > len(self._weeks):
            return 1.0
        seen, expected = np.sum(self._weeks[about - 1 : about + 2], axis=0)
        return float((seen + _ORDERS) / (expected + _ORDERS))
