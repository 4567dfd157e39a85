"""How well orders and money to come were foretold at a date, against what came.

Forecasts are those of `agents.models.value`, made at `train_until` from the orders before it, for the next twelve
months or as much of them as the log has. Amounts count in the currency that most orders have; who began in another is
left out.
"""

from dataclasses import dataclass

import numpy as np

from agents.evidence.scoring import Trial
from agents.fit.histories import Floats, Orders
from agents.fit.standings import Purses
from agents.models.outlook import Places
from agents.models.value import HORIZON_DAYS, Expected
from tables.orders import DAY
from tables.parameters import Parameters

TENTHS = 10


@dataclass(frozen=True, slots=True)
class Compared:
    """A figure of each customer, as foretold and as it came. Arrays (n,)."""

    foretold: Expected
    came: Floats

    @property
    def spearman(self) -> float | None:
        """Rank correlation, equal ones at their mean rank; None: all are alike."""
        one, other = _ranks(self.foretold.mean), _ranks(self.came)
        if not one.size or not one.std() or not other.std():
            return None
        return float(np.corrcoef(one, other)[0, 1])

    @property
    def gini(self) -> float | None:
        """How well the ranking finds who brings most: 1 for the one that came, 0 for chance; None: nothing came."""
        best = _lift(self.came, self.came)
        return _lift(self.foretold.mean, self.came) / best if best > 0 else None

    def caught(self, share: float) -> float | None:
        """What part of all that came is from the `share` of customers of whom most was foretold."""
        size = max(1, round(share * self.came.size))
        return _part(self.came[_from_the_top(self.foretold.mean)[:size]], self.came)

    @property
    def possible(self) -> float | None:
        """The same of the tenth of customers who brought most."""
        size = max(1, round(self.came.size / TENTHS))
        return _part(np.sort(self.came)[::-1][:size], self.came)

    @property
    def interval(self) -> tuple[float, float, float]:
        """Shares of customers who came to less than the interval, inside it, and to more."""
        below = float(np.mean(self.came < self.foretold.low))
        above = float(np.mean(self.came > self.foretold.high))
        return below, 1.0 - below - above, above


@dataclass(frozen=True, slots=True)
class ValueTrial:
    """Forecasts of one date against what came; a row per customer."""

    days: float
    """How far they look."""
    orders: Compared
    value: Compared | None
    """None: no order has an amount."""

    def tenths(self) -> list[tuple[int, float, float, float, float]]:
        """From the tenth of customers of whom most was foretold: how many, orders foretold and come, value likewise."""
        lead = self.value or self.orders
        rows = []
        for part in np.array_split(_from_the_top(lead.foretold.mean), TENTHS):
            figures = [
                float(column[part].sum())
                for one in (self.orders, self.value)
                for column in ((one.foretold.mean, one.came) if one else (np.zeros(lead.came.size),) * 2)
            ]
            rows.append((part.size, figures[0], figures[1], figures[2], figures[3]))
        return rows


def value_trial(trial: Trial, parameters: Parameters) -> ValueTrial | None:
    """The forecasts made at `train_until`; None: nobody had ordered by then, or the log ends there."""
    days = min(float(HORIZON_DAYS), (trial.end - trial.train_until) / DAY)
    known = trial.orders.before(trial.train_until)
    if days <= 0 or not len(known):
        return None
    purses = Purses(known)
    after = trial.orders.take(
        (trial.orders.at >= trial.train_until) & (trial.orders.at < trial.train_until + days * DAY)
    )
    paid = known.total > 0
    money = int(np.bincount(known.currency[paid]).argmax()) if paid.any() else None
    foretold = purses.foretold(parameters, trial.train_until, days)
    rows = np.flatnonzero(purses.currency == money) if money is not None else np.arange(purses.customer.size)
    came, spent = _came(after, purses, money)
    orders = Compared(_of(foretold.orders, rows), came[rows])
    return ValueTrial(days, orders, None if money is None else Compared(_of(foretold.value, rows), spent[rows]))


def _came(after: Orders, purses: Purses, money: int | None) -> tuple[Floats, Floats]:
    """Orders, and what was paid in one currency, by those who were known before."""
    place = np.searchsorted(purses.customer, after.customer)
    known = place < purses.customer.size
    known[known] = purses.customer[place[known]] == after.customer[known]
    size, whose = purses.customer.size, place[known]
    paid = np.where(after.currency == money, after.total, 0.0)[known]
    return np.bincount(whose, minlength=size).astype(np.float64), np.bincount(whose, paid, size).astype(np.float64)


def _of(figure: Expected, rows: Places) -> Expected:
    return Expected(*(part[rows] for part in figure))


def _from_the_top(figure: Floats) -> Places:
    """Who is foretold most first; those alike in their order."""
    return np.argsort(-figure, kind="stable")


def _ranks(values: Floats) -> Floats:
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray((np.cumsum(count) - (count - 1) / 2)[place], dtype=np.float64)


def _lift(by: Floats, came: Floats) -> float:
    """Twice the area between the curve of what the first so many bring, and the diagonal."""
    total = float(came.sum())
    return 2.0 * float(np.mean(np.cumsum(came[_from_the_top(by)])) / total - 0.5) if total > 0 else 0.0


def _part(of: Floats, came: Floats) -> float | None:
    total = float(came.sum())
    return float(of.sum()) / total if total > 0 else None
