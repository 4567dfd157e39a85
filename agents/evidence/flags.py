"""Customers who were flagged as not coming back: how many really did not, and how many of those who did not were found.

With the horizon H (90 days) and a log that ends at END:

    precision     of the flags raised after `train_until` and at least H before END: no order came within H
    recall        of the customers whose last order is at least 2 H before END: flagged at least H before END
    delay         days from the last order to the flag, of those raised after `train_until`
    false alarms  of the gaps that closed after `train_until`: flagged before they closed
"""

from dataclasses import dataclass

import numpy as np

from agents.evidence.scoring import CLASSES, HORIZON, Trial, class_of
from agents.fit.histories import Floats, Ints, Mask, Occasions
from tables.orders import DAY

_NOBODY = -2


@dataclass(frozen=True, slots=True)
class Flags:
    """One element per flag: whose (-1: of one who never ordered), and when (epoch ms)."""

    customer: Ints
    at: Ints


@dataclass(frozen=True, slots=True)
class Placed:
    """Flags raised after `train_until`, among the orders of their customers."""

    at: Ints
    delay: Floats
    """Days since the order before it; NaN: there is none."""
    back: Floats
    """Days to the order after it; inf: none came."""
    earlier: Ints
    """Orders of the customer before it."""


@dataclass(frozen=True, slots=True)
class Score:
    """What flags were worth; None: the log cannot tell."""

    fired: int
    judged: int
    precision: float | None
    precision_by_class: dict[str, float | None]
    """By the number of orders before the flag, `agents.evidence.scoring.CLASSES`."""
    recall: float | None
    median_delay_days: float | None
    false_alarms: float | None


class Jury:
    """Judges flags against the orders of a trial."""

    def __init__(self, trial: Trial, occasions: Occasions) -> None:
        """`occasions`: of the trial's orders."""
        orders = self._orders = trial.orders
        self._trial = trial
        # a second before the first order: whoever is flagged earlier is flagged then
        self._begin = (int(orders.at.min()) if len(orders) else 0) - 1000
        self._span = (max(trial.end, int(orders.at.max(initial=0))) - self._begin) // 1000 + 1
        self._keys = self._key(orders.customer, orders.at)
        size = int(orders.customer.max()) + 1 if len(orders) else 0
        self._first = np.searchsorted(orders.customer, np.arange(size))
        """The place of each customer's first order."""
        self._last = np.full(size, np.iinfo(np.int64).max)
        self._last[orders.customer] = orders.at  # the last one written is the latest
        self.count = np.bincount(orders.customer, minlength=size)
        """Orders of each customer."""
        closes = occasions.last_at[np.isfinite(occasions.gap)] + occasions.gap[np.isfinite(occasions.gap)] * DAY
        self._closed = int(np.count_nonzero(closes >= trial.train_until))

    @property
    def ended(self) -> Mask:
        """Which customers stayed silent for the last two horizons of the log."""
        return self._last <= self._trial.end - 2 * HORIZON

    def place(self, flags: Flags) -> Placed:
        """The flags that were raised after `train_until`."""
        late = flags.at >= self._trial.train_until
        customer, at = flags.customer[late], flags.at[late]
        following, after, before = self._around(customer, at)
        orders = self._orders
        back = np.full(at.size, np.inf)
        back[after] = (orders.at[following[after]] - at[after]) / DAY
        delay = np.full(at.size, np.nan)
        delay[before] = (at[before] - orders.at[following[before] - 1]) / DAY
        earlier = np.zeros(at.size, dtype=np.int64)
        earlier[before] = following[before] - self._first[customer[before]]
        return Placed(at, delay, back, earlier)

    def score(self, flags: Flags, about: Mask | None = None) -> Score:
        """What they were worth; `about`: the customers whom they could be about, by number; None: all."""
        placed, end = self.place(flags), self._trial.end
        judged = placed.at <= end - HORIZON
        right, earlier = placed.back[judged] > HORIZON / DAY, placed.earlier[judged]
        delays = placed.delay[np.isfinite(placed.delay)]
        return Score(
            fired=placed.at.size,
            judged=int(judged.sum()),
            precision=_share(right),
            precision_by_class={name: _share(right[class_of(earlier, name)]) for name in CLASSES},
            recall=self._recall(flags, self.ended if about is None else self.ended & about),
            median_delay_days=float(np.median(delays)) if delays.size else None,
            false_alarms=self._false_alarms(flags),
        )

    def _recall(self, flags: Flags, ended: Mask) -> float | None:
        found = np.zeros(self._last.size, dtype=np.bool_)
        known = (flags.customer >= 0) & (flags.customer < self._last.size)
        customer, at = flags.customer[known], flags.at[known]
        found[customer[(at > self._last[customer]) & (at <= self._trial.end - HORIZON)]] = True
        return _share(found[ended])

    def _false_alarms(self, flags: Flags) -> float | None:
        if not self._closed:
            return None
        following, after, before = self._around(flags.customer, flags.at)
        closed = following[after & before]
        closed = np.unique(closed[self._orders.at[closed] >= self._trial.train_until])
        return closed.size / self._closed

    def _around(self, customer: Ints, at: Ints) -> tuple[Ints, Mask, Mask]:
        """The place of the first order after each flag, whether it is the customer's, and whether the one before is."""
        following = np.searchsorted(self._keys, self._key(customer, at), side="right")
        whose = np.append(self._orders.customer, _NOBODY)
        return following, whose[following] == customer, (following > 0) & (whose[following - 1] == customer)

    def _key(self, customer: Ints, at: Ints) -> Ints:
        """Rises with customer, then time, in seconds: a flag comes after the orders of its second."""
        return customer * self._span + np.clip((at - self._begin) // 1000, 0, self._span - 1)


def _share(of: Mask) -> float | None:
    return float(np.mean(of)) if of.size else None
