"""Whether products that were said to be due were bought then: each product of a trigger by itself.

- precision: of those told after `train_until` and at least `expires` before the end, bought again within `expires`
- recall: of the purchases after `train_until` of a product bought on `min_purchases` days before, told of within
  `expires` before
- delay: days from the last purchase to the trigger, the median
- error: days between the expected date and the purchase, of those that were bought again, the median
"""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from agents.decisions import Trigger
from agents.evidence.scoring import Trial
from agents.fit.histories import Floats, Ints, Mask
from agents.rulebook.rules import ProductReplenishDue
from streams.flow.decode import parse_time
from streams.histories import product_number
from streams.report.calibration import Json, short
from tables.orders import DAY

_SECOND = 1000


@dataclass(frozen=True, slots=True)
class Told:
    """One element per product that was said to be due. Epoch ms."""

    customer: Ints
    product: Ints
    at: Ints
    expected: Ints


class Needed:
    """Takes triggers as they come, 32 bytes for each product."""

    def __init__(self, number: Mapping[bytes, int]) -> None:
        """`number`: of each customer who ordered, see `streams.histories.Histories`."""
        self._number = number
        self._columns = array("q"), array("q"), array("q"), array("q")

    def take(self, trigger: Trigger) -> None:
        """A `product.replenish_due` that was sent."""
        customer, at = self._number.get(trigger.customer_id.encode()), parse_time(trigger.fired_at)
        if customer is None:  # erased since
            return
        for one in (trigger.evidence, *trigger.evidence["also_due"]):
            row = customer, product_number(one["product_id"]), at, parse_time(one["expected_at"])
            for column, value in zip(self._columns, row, strict=True):
                column.append(value)

    def told(self) -> Told:
        """All of them."""
        return Told(*(np.array(column, np.int64) for column in self._columns))


def score(told: Told, trial: Trial, rule: ProductReplenishDue) -> Json:
    """The figures of the rule; None: the log cannot tell."""
    late = told.at >= trial.train_until
    told = Told(told.customer[late], told.product[late], told.at[late], told.expected[late])
    shelf = _Shelf(trial)
    flags = shelf.keys(told.customer, told.product, told.at)
    before, after = shelf.around(flags)
    back = (after - flags % shelf.span) * _SECOND / DAY
    delay = (flags % shelf.span - before) * _SECOND / DAY
    expected = (told.expected - shelf.begin) // _SECOND
    error = np.abs(after - expected) * _SECOND / DAY
    judged = told.at <= trial.end - rule.expires
    return {
        "fired": told.at.size,
        "judged": int(judged.sum()),
        "precision": _mean(back[judged] <= rule.expires / DAY),
        "recall": _mean(shelf.foretold(np.sort(flags), trial.train_until, rule)),
        "median_delay_days": _median(delay),
        "median_error_days": _median(error[np.isfinite(error)], 1),
    }


class _Shelf:
    """The days on which each customer bought each product, as one rising column: pair, then second."""

    def __init__(self, trial: Trial) -> None:
        sold = trial.sold
        self.begin = int(sold.at.min(initial=trial.train_until))
        self.span = (max(trial.end, int(sold.at.max(initial=0))) - self.begin) // _SECOND + 2
        self._pairs, of = np.unique(_pair(sold.customer, sold.product), return_inverse=True)
        bought = np.sort(of * self.span + (sold.at - self.begin) // _SECOND)
        day = (bought % self.span + self.begin // _SECOND) * _SECOND // DAY
        new = np.ones(bought.size, dtype=np.bool_)
        new[1:] = (np.diff(day) != 0) | (np.diff(bought // self.span) != 0)
        self._bought = bought[new]

    def keys(self, customer: Ints, product: Ints, at: Ints) -> Ints:
        """Where triggers stand in the column; they are about what was bought."""
        return np.searchsorted(self._pairs, _pair(customer, product)) * self.span + (at - self.begin) // _SECOND

    def around(self, flags: Ints) -> tuple[Floats, Floats]:
        """Seconds of the purchase before each flag, and of the one after it; inf: there is none."""
        pair, place = flags // self.span, np.searchsorted(self._bought, flags, side="right")
        padded = np.concatenate(([-1], self._bought, [np.iinfo(np.int64).max]))
        before, after = padded[place], padded[place + 1]
        return (
            np.where(before // self.span == pair, before % self.span, -np.inf),
            np.where(after // self.span == pair, after % self.span, np.inf),
        )

    def foretold(self, flags: Ints, train_until: int, rule: ProductReplenishDue) -> Mask:
        """Of each purchase that could have been foretold, whether it was; `flags` in order."""
        bought = self._bought
        pair = bought // self.span
        first = np.searchsorted(pair, pair)
        could = np.arange(bought.size) - first >= rule.min_purchases
        could &= bought % self.span >= (train_until - self.begin) // _SECOND
        rows = np.flatnonzero(could)
        since = np.maximum(bought[rows - 1], bought[rows] - rule.expires // _SECOND)
        found: Mask = np.searchsorted(flags, bought[rows]) > np.searchsorted(flags, since)
        return found


def _pair(customer: Ints, product: Ints) -> Ints:
    """A number for a customer and a product; two of them share one about never."""
    return product ^ (customer * np.int64(-7046029254386353131))  # an odd number: it wraps around, and loses nothing


def _mean(of: Mask) -> float | None:
    return short(float(np.mean(of))) if of.size else None


def _median(of: Floats, digits: int = 4) -> float | None:
    return short(float(np.median(of)), digits) if of.size else None
