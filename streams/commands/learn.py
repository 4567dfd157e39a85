"""What a backtest knows of the population: the parameters of a file, or those of the log before a date."""

from dataclasses import dataclass
from datetime import UTC, datetime

import click

from agents.decisions import iso
from agents.fit.fitting import Fitted, fit
from agents.rulebook.currencies import Currencies
from streams.commands.progress import Show, shown
from streams.histories import Histories, gather
from streams.logs import Log, LogError
from tables.parameters import Parameters


class Moment(click.ParamType):
    """A date or a date and time in ISO 8601, to epoch ms; without an offset it is UTC."""

    name = "DATE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The date's beginning, where there is no time."""
        if isinstance(value, int):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
            return round((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no date; give one like 2024-06-30", param, ctx)


@dataclass(frozen=True, slots=True)
class Learned:
    """What is known before the first trigger is decided."""

    parameters: Parameters
    fitted: Fitted | None
    """None: the parameters were given."""
    histories: Histories
    """Empty when nobody needs them."""
    train_until: int
    end: int
    """Epoch ms."""


def learn(
    log: Log,
    given: Parameters | None,
    train_until: int | None,
    *,
    rates: Currencies,
    histories: bool,
    wall: int,
    show: Show,
) -> Learned:
    """Fit what lies before `train_until` (default: the middle of the log), unless parameters are given.

    `rates`: of the rules. `histories`: they are wanted even so. Raises LogError for a date outside of the log.
    """
    begin, end = log.span or (0, 0)
    moment = (begin + end) // 2 if train_until is None else train_until
    if train_until is not None and not begin < moment <= end:
        raise LogError(
            f"--train-until: {iso(moment)[:10]} lies outside of {log.name}, which goes from {iso(begin)[:10]} "
            f"to {iso(end)[:10]}"
        )
    lines = shown(log, show, "learning, ") if given is None or histories else ()
    found = gather(lines, wall=wall, rates=rates)
    if given is not None:
        return Learned(given, None, found, moment, end)
    # what comes after the date is not even handed to the fit
    sold = found.sold.before(moment)
    fitted = fit(found.orders.before(moment), moment, sold, found.categories, currencies=found.currencies)
    return Learned(fitted.parameters, fitted, found, moment, end)
