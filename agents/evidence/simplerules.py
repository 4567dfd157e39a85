"""What shops use without a model, to be compared with: after how many days of silence each rule flags a customer.

A rule has one setting; the longer the wait that it means, the fewer customers are found and the surer they are gone.
What a rule needs to know of the population it takes from the orders before `train_until`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from agents.evidence.flags import Flags, Jury, Score
from agents.evidence.mbg import fit_mbg, silent_until
from agents.evidence.scoring import HORIZON, Trial
from agents.fit.histories import Floats, Mask, Occasions, occasions_of
from tables.orders import DAY, WEEK

_STEPS = 40
_LEAST_DAYS = 1.0


@dataclass(frozen=True, slots=True)
class Known:
    """What simple rules know after each occasion. Days; each (n,)."""

    x: Floats
    """Gaps so far."""
    since_first: Floats
    mean: Floats
    """Of the customer's gaps; NaN without one."""
    deviation: Floats
    """Their standard deviation; NaN with fewer than two."""

    def take(self, rows: Mask) -> "Known":
        return Known(self.x[rows], self.since_first[rows], self.mean[rows], self.deviation[rows])


@dataclass(frozen=True, slots=True)
class SimpleRule:
    """One rule: its usual setting, the ends between which a setting is looked for, and its wait in days."""

    name: str
    setting: float
    ends: tuple[float, float]
    """From the shortest wait to the longest."""
    wait: Callable[[Known, float], Floats]


def known_of(occasions: Occasions) -> Known:
    """What the rules know after each of the occasions, which must be all of their customers' ones."""
    x = occasions.x.astype(np.float64)
    begins = np.flatnonzero(occasions.x == 0)
    of = np.cumsum(occasions.x == 0) - 1
    gap = np.zeros(len(occasions))
    gap[1:] = np.where(occasions.x[1:] == 0, 0.0, occasions.gap[:-1])
    total, squares = (np.cumsum(values) - np.cumsum(values)[begins][of] for values in (gap, gap * gap))
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / x
        deviation = np.sqrt(np.maximum(squares - x * mean * mean, 0.0) / (x - 1))
    deviation[x < 2] = np.nan
    return Known(x, (occasions.last_at - occasions.first_at[begins][of]) / DAY, mean, deviation)


def simple_rules(trial: Trial) -> list[SimpleRule]:
    """The rules, as far as the orders before `train_until` tell what they need; at least two of them must be a gap."""
    before = trial.orders.before(trial.train_until)
    occasions = occasions_of(before)
    gaps = occasions.gap[np.isfinite(occasions.gap)]
    if gaps.size < 2:
        return [_FIXED]
    mean, deviation = float(gaps.mean()), float(gaps.std(ddof=1))
    newest = known_of(occasions).take(np.isinf(occasions.gap))
    now = newest.since_first + (trial.train_until - occasions.newest().last_at) / DAY
    model = fit_mbg(newest.x, newest.since_first * DAY / WEEK, now * DAY / WEEK)

    def scattered(known: Known, times: float) -> Floats:
        own = known.mean + times * known.deviation
        return np.where(known.x < 2, mean + times * deviation, own)

    def stretched(known: Known, times: float) -> Floats:
        return times * np.where(known.x < 1, mean, known.mean)

    def alive(known: Known, p: float) -> Floats:
        return silent_until(model, known.x, known.since_first * DAY / WEEK, p) * WEEK / DAY

    return [
        _FIXED,
        SimpleRule("mean + k sd", 2.0, (0.0, 60.0), scattered),
        SimpleRule("k x mean", 1.5, (0.01, 100.0), stretched),
        SimpleRule("P(alive) < p", 0.5, (0.999, 0.001), alive),
    ]


class Contest:
    """Simple rules on the customers of a trial."""

    def __init__(self, trial: Trial, occasions: Occasions, jury: Jury) -> None:
        """`occasions`: of the trial's orders; `jury`: who judges them."""
        self._trial, self._occasions, self._jury = trial, occasions, jury
        self._known = known_of(occasions)
        newest = np.isinf(occasions.gap)
        ended = newest.copy()
        ended[newest] = jury.ended[occasions.customer[newest]]
        self._ended = self._known.take(ended)
        self._room: Floats = (trial.end - HORIZON - occasions.last_at[ended]) / DAY

    def flags(self, rule: SimpleRule, setting: float) -> Flags:
        """Whom the rule flags, and when."""
        trial, occasions = self._trial, self._occasions
        wait = _wait(rule, self._known, setting)
        raised = (wait < occasions.gap) & (wait <= (trial.end - occasions.last_at) / DAY)
        at = occasions.last_at[raised] + np.rint(wait[raised] * DAY).astype(np.int64)
        return Flags(occasions.customer[raised], at)

    def score(self, rule: SimpleRule, setting: float) -> Score:
        """What the rule is worth."""
        return self._jury.score(self.flags(rule, setting))

    def setting(self, rule: SimpleRule, recall: float) -> float:
        """The setting with the longest wait that finds at least this share of those who ended."""
        short, long = rule.ends
        for _ in range(_STEPS):
            middle = 0.5 * (short + long)
            if np.mean(_wait(rule, self._ended, middle) <= self._room) >= recall:
                short = middle
            else:
                long = middle
        return short


def _wait(rule: SimpleRule, known: Known, setting: float) -> Floats:
    wait: Floats = np.maximum(rule.wait(known, setting), _LEAST_DAYS)
    return wait


_FIXED = SimpleRule("fixed days", 90.0, (1.0, 3650.0), lambda known, days: np.full(known.x.size, days))
