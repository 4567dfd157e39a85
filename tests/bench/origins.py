"""Which parts of the model of timing help what comes next.

    python -m tests.bench.origins [--probe NAME] [LOG or KIND ...]

Rolling origins inside the training part, which is the first half of a log; what comes after it is never looked at. At
each origin the model is fitted to what lies before it and scored on the stretch that follows, two sevenths of the
training part; and so is the model without each of its parts. A part helps where its gain is above 0 by more than its
standard error, which goes by the origins (of all seeds): their stretches overlap by half, so it is a little too small.

Scored are the gaps that begin in a stretch and those that were open when it began, given that they were:

- ln chance of the day on which each closed, or of being open still at the end of the stretch; per gap, with the bend
- how far windows and forecasts are from holding what they promise (as `agents.evidence.scoring` counts it, with half of
  the stretch for F), the mean of the levels
- Brier score of silence for as long as the stretch lasts, foretold at its beginning
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import click
import numpy as np

from agents.evidence.scoring import Gaps, Trial, brier, coverage, foretold_gaps
from agents.fit import bendfit, clockfit, gapfit, pacing
from agents.fit.clockfit import Timing
from agents.fit.course import Course, course_of
from agents.fit.fitting import refined_timing, snapshot_at, timing_of
from agents.fit.histories import Floats, Orders, occasions_of
from tables.clock import Clock
from tables.orders import DAY, WEEK
from tables.parameters import KNOTS, SIGMAS, TimingPrior
from tests.bench.following import trial_of
from tests.support.shops import KINDS

PARTS_OF_TIME = 7
"""The training part is cut into so many; origins lie between them, with two of them before the first."""
ORIGINS = 4
STRETCH = 2
"""Parts that follow an origin and are scored."""
SEEDS = (51, 52)
"""Of invented shops: others than those of `tests.bench.calibration`, which no choice may look at."""
_NEVER = 1 << 62
_HALF_DAY = DAY // 2
_LEAST = 1e-12
_SOME = 0.005


def _without_numbers(first: int, count: int) -> Callable[[], AbstractContextManager[object]]:
    """Free numbers of a rhythm, counted from its omega, that are held at 0."""
    begin = len(gapfit._LIMITS) - 2 - len(KNOTS) + first
    limits = [(0.0, 0.0) if begin <= at < begin + count else limit for at, limit in enumerate(gapfit._LIMITS)]
    return lambda: patch.object(gapfit, "_LIMITS", limits)


@dataclass(frozen=True)
class Part:
    """A part of the model: how a fit is made without it, and whether a fit has it."""

    without: Callable[[], AbstractContextManager[object]]
    has: Callable[[TimingPrior], bool]
    weeks: int = 0
    """Of history that it needs."""


PARTS = {
    "clock": Part(lambda: patch.object(clockfit, "MIN_DAYS", _NEVER // DAY), lambda prior: prior.level > 0),
    "clock: steps": Part(lambda: patch.object(pacing, "_ON", np.zeros(2)), lambda prior: prior.level > 0),
    "clock: stiff shift": Part(lambda: patch.object(clockfit, "_STIFF", gapfit.SHIFT), lambda prior: prior.level > 0),
    "clock: last year": Part(lambda: patch.object(pacing, "_YEAR", _NEVER), lambda prior: prior.level > 0, 59),
    "memory": Part(_without_numbers(0, 1), lambda prior: prior.omega > _SOME),
    "shift": Part(_without_numbers(1, len(KNOTS)), lambda prior: max(map(abs, prior.shift)) > _SOME),
    "bend": Part(lambda: patch.object(bendfit, "LEAST", _NEVER), lambda prior: any((*prior.bend, *prior.bend_first))),
    "skips": Part(lambda: patch.object(gapfit, "_OFTEN", -1.0), lambda prior: prior.skip > 0),
    "fine classes": Part(lambda: patch.object(gapfit, "_WORTH", np.inf), lambda prior: prior.sigmas != SIGMAS),
}
"""What a fit takes or leaves by what it sees; the two last ones of regular customers."""


@dataclass(frozen=True)
class Stretch:
    """What lies before an origin, and what follows; epoch ms."""

    known: Orders
    orders: Orders
    """Those of the stretch too, and none after it."""
    begin: int
    end: int


@dataclass(frozen=True)
class Scores:
    """Of one model on one stretch."""

    ln_chance: float
    window: Floats
    forecast: Floats
    """Shares of gaps inside windows of each level; NaN: there is no gap."""
    brier: float


def stretches(trial: Trial) -> Iterator[Stretch]:
    """Inside the training part of a trial alone."""
    training = trial.orders.before(trial.train_until)
    begin = int(training.at.min())
    for number in range(PARTS_OF_TIME - STRETCH - ORIGINS + 1, PARTS_OF_TIME - STRETCH + 1):
        at, end = (begin + (trial.train_until - begin) * part // PARTS_OF_TIME for part in (number, number + STRETCH))
        yield Stretch(training.before(at), training.before(end), at, end)


def fitted(stretch: Stretch) -> Timing:
    """The rhythm, by what lies before the origin. Raises ValueError for a later order."""
    if stretch.known.at.max(initial=0) >= stretch.begin:
        raise ValueError(f"an order at {stretch.known.at.max()} lies after the origin at {stretch.begin}")
    timing, notes = timing_of(snapshot_at(stretch.known, stretch.begin))
    return Timing(timing, ()) if notes else refined_timing(stretch.known, timing, stretch.begin)


def scores(stretch: Stretch, timing: Timing) -> Scores:
    """Of a rhythm; its clock goes on through the stretch, each week by the weeks before it."""
    prior, course = timing.prior, course_of(stretch.orders, timing.prior, timing.clock, stretch.end)
    gaps = foretold_gaps(Trial(stretch.orders, stretch.begin, stretch.end), prior, course)
    chance = float(np.mean(ln_chances(stretch, prior, course.clock)))
    return Scores(chance, *_shares(gaps), brier=_silence(stretch, prior, course))


def ln_chances(stretch: Stretch, prior: TimingPrior, clock: Clock) -> Floats:
    """Of what each gap that was open in the stretch did in it: closed on its day, or did not."""
    gaps = occasions_of(stretch.orders, clock)
    gaps = gaps.take(gaps.closes > stretch.begin)
    rhythm, began = gaps.rhythm(prior), clock.all_at(gaps.last_at)
    stays = 1.0 / (1.0 + rhythm.odds)

    def closed(at: Floats) -> Floats:
        """The chance of it by an instant."""
        return stays * rhythm.share((clock.all_at(np.maximum(at, gaps.last_at)) - began) / DAY, np.inf)

    first = closed(np.maximum(gaps.last_at, stretch.begin).astype(np.float64))
    known = np.isfinite(gaps.gap)
    closes = np.where(known, gaps.closes, stretch.end)
    low = np.where(gaps.gap > 1.0, closed(closes - _HALF_DAY), 0.0)
    came = closed(closes + _HALF_DAY) - np.maximum(low, first)
    chance = np.where(known, came, 1.0 - closed(closes)) / (1.0 - first)
    return np.log(np.maximum(chance, _LEAST))


def _shares(gaps: Gaps) -> tuple[Floats, Floats]:
    window, forecast = (
        np.array([np.nan if share is None else share for share in coverage(u).values()])
        for u in (gaps.window, gaps.forecast)
    )
    return window, forecast


def _silence(stretch: Stretch, prior: TimingPrior, course: Course) -> float:
    known = occasions_of(stretch.known, course.clock).newest()
    now = np.full(len(known), float(stretch.begin))
    ages = course.ages(known.last_at.astype(np.float64), now)
    horizon = (stretch.end - stretch.begin) / DAY * course.paces(now)
    came = stretch.orders.customer[stretch.orders.at >= stretch.begin]
    found = brier(known.rhythm(prior).p_silent(ages, horizon), ~np.isin(known.customer, came))
    return np.nan if found is None else found


@dataclass(frozen=True)
class Compared:
    """A part on one stretch: whether the fit had it there, and the scores with and without it."""

    has: bool
    whole: Scores
    without: Scores


def compared(stretch: Stretch, names: Sequence[str]) -> dict[str, Compared]:
    """Each part; where the fit does without it anyway nothing is fitted again."""
    timing = fitted(stretch)
    whole = scores(stretch, timing)
    weeks = (stretch.begin - int(stretch.known.at.min())) // WEEK
    found = {}
    for name in names:
        part, without = PARTS[name], whole
        has = part.has(timing.prior) and weeks >= part.weeks
        if has:
            with part.without():
                without = scores(stretch, fitted(stretch))
        found[name] = Compared(has, whole, without)
    return found


def row(name: str, part: str, all_of: Sequence[Compared]) -> str:
    """A line of the table: the mean of all origins."""
    gains = np.array([one.whole.ln_chance - one.without.ln_chance for one in all_of])
    error = float(np.std(gains, ddof=1)) / np.sqrt(gains.size) if gains.size > 1 else np.nan
    cells = [name, part, f"{sum(one.has for one in all_of)} of {len(all_of)}", f"{gains.mean():+.4f} ± {error:.4f}"]
    both = [one.whole for one in all_of], [one.without for one in all_of]
    cells += [
        " / ".join(_miss([one.window for one in of]) for of in both),
        " / ".join(_miss([one.forecast for one in of]) for of in both),
        " / ".join(f"{np.nanmean([one.brier for one in of]):.4f}".lstrip("0") for of in both),
    ]
    return "| " + " | ".join(cells) + " |"


def _miss(shares: Sequence[Floats]) -> str:
    """The mean over origins of how far the levels are off, in points."""
    off = np.abs(np.array(shares) - np.array((0.5, 0.8, 0.9))).mean(axis=1)
    return f"{100 * np.nanmean(off):.1f}" if np.isfinite(off).any() else "none"


@click.command()
@click.option("--probe", "probes", multiple=True, type=click.Choice(list(PARTS)), help="Parts to look at; all of them.")
@click.option("--seeds", default=len(SEEDS), show_default=True, help="Draws of each kind of shop.")
@click.argument("names", nargs=-1, metavar="[LOG or KIND]...")
def command(probes: tuple[str, ...], seeds: int, names: tuple[str, ...]) -> None:
    """What each part of the model of timing is worth at rolling origins, as Markdown; of all kinds of shops by default.

    Each cell: as it is / without the part.
    """
    click.echo("| log or shop | part | in force | gain, ln chance per gap | windows off | forecasts off | Brier |")
    click.echo("|---|---|---|---|---|---|---|")
    for name in names or KINDS:
        draws = range(SEEDS[0], SEEDS[0] + seeds) if name in KINDS else SEEDS[:1]
        found = [
            compared(stretch, probes or tuple(PARTS)) for seed in draws for stretch in stretches(trial_of(name, seed))
        ]
        for part in probes or PARTS:
            if any(one[part].has for one in found):
                click.echo(row(Path(name).name, part, [one[part] for one in found]))


if __name__ == "__main__":
    command()
