"""What triggers are worth when workers learn on the way, and how a new shop comes to its own parameters.

    python -m tests.bench.livepath kinds [--seeds 41,42,43] [KIND or FILE ...]
    python -m tests.bench.livepath path [KIND or FILE ...]

The pure core runs over the log as `backtest --live` has it: at each week's end a sample, the clock's next pace or a
refit, adopted in turns; what counts is what it fires.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

import click
import msgspec
import numpy as np

from agents.decisions import Decision, Trigger
from agents.evidence.inforce import gaps_in_force
from agents.evidence.scoring import Trial, coverage
from agents.fit.fitting import fit
from agents.fit.histories import Floats, Orders, occasions_of
from agents.rulebook.rules import Rules
from streams.backtest import backtest
from streams.flow.decode import parse_time
from streams.livepath import Renewal
from streams.logs import LogLine
from tables.events import PURCHASES, OrderCompleted
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters
from tests.bench.calibration import row, scores, shares
from tests.bench.following import trial_of, worth
from tests.support.core import encode
from tests.support.shops import SHOPS

_ABSENCE = {"repurchase.overdue", "first_purchase.lapsed"}
_STAGES = (100, 1_000, 10_000)
_KINDS = ("steady", "seasonal", "seasonal cohort", "drifting", "fading")
_PATHS = ("steady", "weekdays", "subscription")


def lines_of(orders: Orders) -> Iterator[LogLine]:
    """The events of a log's orders, in the order of time."""
    for number, place in enumerate(np.lexsort((orders.customer, orders.at)).tolist()):
        at, customer = int(orders.at[place]), f"c{orders.customer[place]}"
        event = OrderCompleted(
            event_id=f"e{number}",
            customer_id=customer,
            occurred_at=at,
            order_id=f"o{number}",
            total=float(orders.total[place]),
            currency="EUR",
            items=[],
        )
        yield LogLine(PURCHASES, customer.encode(), encode(event), at, at)


@dataclass(slots=True)
class Played:
    """A log that the core has run over."""

    start: Parameters
    begin: int
    first: dict[tuple[int, int], float] = field(default_factory=dict)
    """Days from an order to the first trigger of absence after it, by customer and time of the order."""
    renewals: list[Renewal] = field(default_factory=list)

    def take(self, decision: Decision) -> None:
        """A decision of the core."""
        if isinstance(decision, Trigger) and decision.type in _ABSENCE and not isinstance(decision.suppressed_by, str):
            last = parse_time(decision.evidence["last_order_at"])
            wait = (parse_time(decision.fired_at) - last) / DAY
            self.first.setdefault((int(decision.customer_id[1:]), last), wait)

    @property
    def past(self) -> list[tuple[int, Parameters]]:
        """The parameters that were in force, from when on."""
        learned = [(one.at, one.found.parameters) for one in self.renewals if one.found.parameters is not None]
        return [(self.begin, self.start), *learned]

    def waits(self, orders: Orders) -> Floats:
        """Days from each occasion to its trigger; inf: none."""
        occasions = occasions_of(orders)
        keys = zip(occasions.customer.tolist(), occasions.last_at.tolist(), strict=True)
        return np.array([self.first.get(key, np.inf) for key in keys])


def play(orders: Orders, start: Parameters) -> Played:
    """Run over a log, learning on the way."""
    played = Played(start, int(orders.at.min()))
    wall = int(orders.at.max()) + DAY
    backtest(lines_of(orders), Rules(), start, wall=wall, emit=played.take, renewed=played.renewals.append)
    return played


def figures(trial: Trial, start: Parameters) -> list[float]:
    """Precision, recall, median delay in days, false alarms; and coverage at .5 / .8 / .9."""
    played = play(trial.orders, start)
    score = worth(trial, played.waits(trial.orders))
    flags = shares((score.precision, score.recall, score.median_delay_days, score.false_alarms))
    return [*flags, *shares(coverage(gaps_in_force(trial, played.past).window).values())]


@click.group()
def command() -> None:
    """Tables as Markdown, to standard output."""


@command.command()
@click.argument("names", nargs=-1)
@click.option("--seeds", default="41,42,43", show_default=True)
@click.option("--builtin", is_flag=True, help="Begin with the built-in parameters, on the log's first day.")
def kinds(names: tuple[str, ...], seeds: str, builtin: bool) -> None:
    """Precision / recall / delay / false alarms, and windows at .5 / .8 / .9."""
    for name in names or _KINDS:
        found = []
        for seed in map(int, seeds.split(",")) if name in SHOPS else [0]:
            trial = trial_of(name, seed)
            known = trial.orders.before(trial.train_until)
            found.append(figures(trial, BUILTIN if builtin else fit(known, trial.train_until).parameters))
        mean = [f"{value:.3f}" if value <= 1 else f"{value:.0f}" for value in np.mean(found, axis=0).tolist()]
        click.echo(f"| {name} | {' / '.join(mean[:4])} | {' / '.join(mean[4:])} |")


@command.command()
@click.argument("names", nargs=-1)
def path(names: tuple[str, ...]) -> None:
    """Windows at .5 / .8 / .9 and the AUC of silence, by what a shop knew of itself after so many orders.

    Scored on other customers: another draw of an invented shop, half of those of a log.
    """
    for name in names or _PATHS:
        if name in SHOPS:
            learned, trial = trial_of(name, 41).orders, trial_of(name, 42)
        else:
            whole = trial_of(name, 0)
            odd = whole.orders.customer % 2 == 1
            learned = whole.orders.take(~odd)
            trial = Trial(whole.orders.take(odd), whole.train_until, whole.end)
        past = play(learned, BUILTIN).past
        row(f"{name}, built in", [scores(trial, BUILTIN)])
        for stage in _STAGES:
            known = [given for at, given in past if np.count_nonzero(learned.at < at) >= stage]
            if known:
                timing = msgspec.structs.replace(known[0].timing, level=0.0)  # the calendar's windows
                row(
                    f"{name}, after {stage:,} orders", [scores(trial, msgspec.structs.replace(known[0], timing=timing))]
                )


if __name__ == "__main__":
    command()
