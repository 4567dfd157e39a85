"""Coverage as a worker counts it, beside the backtest's: `python -m tests.bench.livecoverage`.

On CDNOW and on invented shops, learned until the middle, by the clock as it was fitted. The last column is what the
share of closed gaps inside their windows would say, which is no measure: long gaps are still open.
"""

import argparse
from collections.abc import Iterable, Sequence

import numpy as np

from agents import calibration
from agents.core import Core
from agents.evidence import scoring
from agents.evidence.scoring import Trial, foretold_gaps
from agents.fit.course import EVEN, Course
from agents.fit.fitting import fit
from agents.fit.histories import Orders
from agents.rulebook.rules import Rules
from tables.clock import Pace, ms_of
from tables.events import PURCHASES, SOURCES
from tables.orders import DAY
from tables.parameters import Parameters
from tests.bench.fit_builtin import read_cdnow
from tests.support.core import order
from tests.support.population import log_of

KINDS = ("cdnow", "steady", "cohort", "seasonal", "fading", "drifting")
_NO_LIMIT = 1 << 62
_BATCH = 500


def counted(orders: Orders, parameters: Parameters, since: int, end: int, most: int) -> calibration.Gaps:
    """What a worker would have counted from `since` on, who looks at `most` customers."""
    calibration.MOST = most
    core = Core(Rules(), parameters, calibrate=True)
    assert core.calibration is not None
    source, begun = SOURCES.index(PURCHASES), False
    for number, row in enumerate(np.argsort(orders.at, kind="stable").tolist()):
        at, who = int(orders.at[row]), f"c{orders.customer[row]}"
        new = at >= since and not begun
        if new or number % _BATCH == 0:
            core.advance(min(at, since) if new else at, _NO_LIMIT)
            core.settle()
            core.adopt()
        if new:
            core.calibration.take()
            begun = True
        core.advance(at, _NO_LIMIT)
        core.emitter.now = at
        core.take(
            source, number, who.encode(), order(at, customer=who, order_id=f"o{number}", event_id=f"e{number}"), at
        )
    core.advance(end, _NO_LIMIT)
    core.settle()
    return calibration.together(core.calibration.take().values())


def row(name: str, most: int) -> list[str]:
    """A line of the table."""
    if name == "cdnow":
        orders = read_cdnow()
        middle, end = int(orders.at.min()) + 273 * DAY, int(orders.at.max())
    else:
        log = log_of(name)
        orders, middle, end = log.orders, log.middle, log.end
    parameters = fit(orders.before(middle), middle).parameters
    gaps = foretold_gaps(Trial(orders, middle, end), parameters.timing, as_fitted(parameters.clock))
    live = counted(orders, parameters, middle, end, most)
    inside = np.cumsum(live.seen)[:3] / sum(live.seen)
    found = calibration.coverage(live.seen, live.expected)
    return [name, shown(scoring.coverage(gaps.window).values()), shown(found.values()), shown(inside.tolist())]


def as_fitted(clock: Sequence[Pace]) -> Course:
    """A clock that nobody follows after the fit."""
    if not clock:
        return EVEN
    since, paces = np.array([(ms_of(day), pace) for day, pace in clock]).T
    return Course(since, paces, paces)


def shown(shares: Iterable[float | None]) -> str:
    return " / ".join("" if share is None else f"{share:.3f}".lstrip("0") for share in shares)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.livecoverage", description=__doc__)
    parser.add_argument("--most", type=int, default=1 << 30, help="customers that are looked at")
    parser.add_argument("kinds", nargs="*", metavar="KIND")
    options = parser.parse_args(arguments)
    print("| log or shop | backtest .5 / .8 / .9 | counted live | of the gaps that closed, inside |")
    print("|---|---|---|---|")
    for name in options.kinds or KINDS:
        print("| " + " | ".join(row(name, options.most)) + " |", flush=True)


if __name__ == "__main__":
    main()
