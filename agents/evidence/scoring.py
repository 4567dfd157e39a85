"""How well the model of timing foretold what came after a date, from the parameters that were known before it.

Coverage. With F half of the time from `train_until` to the end, over gaps that begin after `train_until`, at least F
before the end, and close within F: the share that is at most the p-quantile of that customer's gap, given that it is at
most F. Parameters come from before `train_until`. In the window a gap stands by the population's clock as it had run
when it closed, and as it was then expected to run on: at the pace foretold of that week. In the forecast, as it was
expected to run when it began: half way between what the week before came to and what was foretold of that one.

Silence. On `train_until` and every 28 days after it, as long as the horizon ends within the log: the chance that each
customer does not order within the horizon, against what happened.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from agents.fit.course import EVEN, Course, course_of
from agents.fit.histories import NOTHING_SOLD, Floats, Ints, Mask, Occasions, Orders, Sold, occasions_of
from agents.models.levels import LEVELS
from agents.models.timing import Rhythm
from tables.clock import Clock
from tables.orders import DAY
from tables.parameters import Parameters, TimingPrior

HORIZON = 90 * DAY
EVERY = 28 * DAY
CLASSES = {"1": (1, 1), "2-3": (2, 3), "4-6": (4, 6), "7+": (7, 1 << 62)}
"""Customers by the number of their orders so far: the least and the most."""
BINS = 20
_BLOCK = 100_000
"""Customers at a time: a rhythm takes some 500 bytes each."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What is scored: the orders of a whole log, of which only those before `train_until` were known. Epoch ms."""

    orders: Orders
    train_until: int
    end: int
    sold: Sold = NOTHING_SOLD

    @property
    def within(self) -> float:
        """F, in ms: gaps that close within it are scored."""
        return (self.end - self.train_until) / 2


@dataclass(frozen=True, slots=True)
class Gaps:
    """Gaps that were foretold and have closed. One element each."""

    earlier: Ints
    """Orders of the customer up to the one that begins the gap, days with several counted once."""
    window: Floats
    """Where in its distribution the gap lies, 0 to 1, as triggers see it when it has come that far: evenly spread when
    the model is right."""
    forecast: Floats
    """The same, as it was told when the gap began."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Who was foretold to stay silent, and who was. One element per customer and date."""

    date: Ints
    """Which one, counted from 0."""
    earlier: Ints
    p: Floats
    """The chance of no order within the horizon."""
    silent: Mask


def class_of(earlier: Ints, name: str) -> Mask:
    """Who belongs to one of CLASSES."""
    least, most = CLASSES[name]
    return (earlier >= least) & (earlier <= most)


def course_in(trial: Trial, parameters: Parameters) -> Course:
    """The population's clock over the whole trial, as it could be known each week."""
    return course_of(trial.orders, parameters.timing, parameters.clock, trial.end)


def foretold_gaps(trial: Trial, prior: TimingPrior, course: Course = EVEN) -> Gaps:
    """The gaps that coverage is about."""
    gaps = scored_gaps(trial, occasions_of(trial.orders, course.clock))
    places = [_places(block, prior, course, trial.within) for block in _blocks(gaps)]
    window, forecast = np.concatenate(places, axis=1) if places else np.empty((2, 0))
    return Gaps(gaps.x + 1, window, forecast)


def scored_gaps(trial: Trial, occasions: Occasions) -> Occasions:
    """The gaps that coverage is about, of all occasions."""
    began = (occasions.last_at >= trial.train_until) & (occasions.last_at <= trial.end - trial.within)
    return occasions.take(began & (occasions.gap <= trial.within / DAY))


def places_in(gaps: Occasions, rhythm: Rhythm, clock: Clock, within: float) -> Floats:
    """Where gaps that close within so many ms lie in their windows, 0 to 1, by a clock that is known to the end."""
    began = clock.all_at(gaps.last_at)
    age, room = clock.all_at(gaps.closes) - began, clock.all_at(gaps.last_at + within) - began
    return rhythm.share(age / DAY, room / DAY)


def coverage(u: Floats) -> dict[float, float | None]:
    """Per level the share of gaps inside its window; None: there is no gap."""
    return {level: float(np.mean(u <= level)) if u.size else None for level in LEVELS}


def spread(u: Floats) -> list[int]:
    """How many gaps lie in each twentieth of their foretold distributions."""
    return [int(count) for count in np.histogram(u, BINS, (0.0, 1.0))[0]]


def foretold_silence(trial: Trial, prior: TimingPrior, course: Course = EVEN) -> Silence:
    """What was foretold on each date, from the orders before it, and what happened within the horizon."""
    found = [
        _at(trial.orders, prior, course, date, number)
        for number, date in enumerate(range(trial.train_until, trial.end - HORIZON + 1, EVERY))
    ]
    return joined(found)


def silence_of(orders: Orders, known: Occasions, p: Floats, date: int, number: int) -> Silence:
    """What was foretold of each customer on a date (epoch ms; which one, `number`), and what happened."""
    after = orders.customer[(orders.at >= date) & (orders.at < date + HORIZON)]
    return Silence(np.full(len(known), number), known.x + 1, p, ~np.isin(known.customer, after))


def joined(dates: Sequence[Silence]) -> Silence:
    """All dates together."""
    if not dates:
        return Silence(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0), np.empty(0, np.bool_))
    columns = zip(*((one.date, one.earlier, one.p, one.silent) for one in dates), strict=True)
    date, earlier, p, silent = (np.concatenate(column) for column in columns)
    return Silence(date, earlier, p, silent)


def auc(p: Floats, happened: Mask) -> float | None:
    """The chance that one to whom it happened was given a higher chance than one to whom it did not, ties half.

    None: it happened to all or to none.
    """
    yes = int(happened.sum())
    no = happened.size - yes
    if not yes or not no:
        return None
    _, place, count = np.unique(p, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    return float((rank[happened].sum() - yes * (yes + 1) / 2) / (yes * no))


def brier(p: Floats, happened: Mask) -> float | None:
    """Mean squared error of the chances; None: there are none."""
    return float(np.mean(np.square(p - happened))) if p.size else None


def _places(gaps: Occasions, prior: TimingPrior, course: Course, within: float) -> Floats:
    """As seen when the gaps closed, and as foretold when they began; (2, n)."""
    rhythm, last = gaps.rhythm(prior), gaps.last_at.astype(np.float64)
    age, rest = course.ages(last, gaps.closes), (last + within - gaps.closes) / DAY
    seen = rhythm.share(age, age + rest * course.paces(gaps.closes))
    pace = course.ahead(last)
    return np.array([seen, rhythm.share(gaps.gap * pace, within / DAY * pace)])


def _at(orders: Orders, prior: TimingPrior, course: Course, date: int, number: int) -> Silence:
    known = occasions_of(orders.before(date), course.clock).newest()
    now = np.full(len(known), float(date))
    ages, horizon = course.ages(known.last_at.astype(np.float64), now), HORIZON / DAY * course.paces(now)
    ends = np.cumsum([len(block) for block in _blocks(known)])
    p = [
        block.rhythm(prior).p_silent(ages[end - len(block) : end], horizon[end - len(block) : end])
        for block, end in zip(_blocks(known), ends, strict=True)
    ]
    return silence_of(orders, known, np.concatenate(p or [np.empty(0)]), date, number)


def _blocks(occasions: Occasions) -> Iterator[Occasions]:
    for begin in range(0, len(occasions), _BLOCK):
        yield occasions.take(slice(begin, begin + _BLOCK))
