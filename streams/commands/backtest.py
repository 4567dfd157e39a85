"""`offbeat backtest FILE`."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from agents.decisions import FAMILIES, Decision
from agents.evidence.scoring import Trial
from agents.rulebook.rules import Rules, rules_named
from streams.backtest import Tally, backtest
from streams.commands import FAILURE, USAGE
from streams.commands.fit import tell_notes
from streams.commands.learn import Learned, Moment, learn
from streams.commands.options import with_settings
from streams.commands.output import failure, show_json, show_rows, written
from streams.commands.progress import progress, shown, tell_rejected
from streams.flow.messages import json_line
from streams.livepath import Renewal
from streams.logs import Log, LogError, read_log
from streams.report import write_report
from streams.report.calibration import Json
from streams.report.figures import Backtested, figures
from streams.report.fired import Fired
from streams.report.stories import Stories
from streams.settings import Settings
from tables.parameters import ParametersError, parameters_named


@click.command("backtest")
@click.argument("file", type=click.Path())
@click.option(
    "--triggers",
    type=click.Path(dir_okay=False),
    help="Write every trigger here, as JSON lines; -: to standard output.",
)
@click.option("--json", "as_json", is_flag=True, help="The summary as JSON.")
@click.option(
    "--report",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write report.html and report.json into this folder: what was sent, and how often it was right.",
)
@click.option(
    "--train-until",
    type=Moment(),
    help="Learn only from what lies before this date, and score only what comes after it; default: the middle.",
)
@click.option(
    "--live", is_flag=True, help="Learn on the way, as live workers do: the clock each week, the rest at times."
)
@with_settings("rules", "parameters")
def command(
    settings: Settings,
    file: str,
    triggers: str | None,
    as_json: bool,
    report: Path | None,
    train_until: int | None,
    live: bool,
) -> None:
    """Run the rules over a log, without Kafka, in event time: what the worker would have sent.

    FILE holds contract events as JSON lines (.jsonl, .ndjson, .json) or a flat table (.csv, .parquet); .gz and .zst
    too. The population parameters are fitted to what lies before --train-until, unless --parameters names a file, or
    `builtin`. With --live they go on from there as those of workers do that learn while they run, and each figure of
    the report is by those in force then.
    """
    rules = rules_named(settings.rules)
    for warning in rules.warnings():
        click.echo(warning, err=True)
    wall, began = round(time.time() * 1000), time.monotonic()
    try:
        given = parameters_named(settings.parameters) if settings.parameters else None
        with progress() as show:
            log = read_log(file, wall=wall, on_progress=lambda share: show(share, "checking"))
            known = learn(
                log, given, train_until, rates=rules.currencies, histories=report is not None, wall=wall, show=show
            )
            trial = Trial(known.histories.orders, known.train_until, known.end, known.histories.sold)
            fired, stories = Fired(known.histories.number), Stories(known.histories, trial)
            with _target(triggers, [fired.take, stories.take] if report else []) as emit:
                renewals: list[Renewal] = []
                renewed = renewals.append if live else None
                tally = backtest(shown(log, show), rules, known.parameters, wall=wall, emit=emit, renewed=renewed)
            if report:
                show(1.0, "scoring")
                scored = figures(_backtested(trial, known, rules, fired, stories, tally, renewals))
    except (ParametersError, LogError) as error:
        raise failure(str(error), USAGE) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise failure(f"{triggers}: cannot be written: {error.strerror}", FAILURE) from None
    tell_rejected(log.rejected, "in the file")
    tell_rejected(tally.dead, "as the worker would, to the dead letters")
    if known.fitted:
        tell_notes(known.fitted)
    if report:
        _report(report, scored)
    if as_json:
        show_json(_summary(tally, log, time.monotonic() - began))
    elif triggers != "-":
        _tell(tally, log, time.monotonic() - began)


def _backtested(
    trial: Trial,
    known: Learned,
    rules: Rules,
    fired: Fired,
    stories: Stories,
    tally: Tally,
    renewals: list[Renewal],
) -> Backtested:
    notes = known.fitted.notes if known.fitted else []
    fitted, currencies = known.fitted is not None, known.histories.currencies
    return Backtested(trial, known.parameters, notes, fitted, rules, fired, stories, tally, currencies, renewals)


def _report(folder: Path, scored: Json) -> None:
    try:
        write_report(folder, scored)
    except OSError as error:
        raise failure(f"{folder}: the report cannot be written: {error.strerror}", FAILURE) from None
    for what in scored["not_told"]:
        click.echo(f"offbeat: this log does not tell: {what}", err=True)


@contextmanager
def _target(path: str | None, others: Sequence[Callable[[Decision], None]]) -> Iterator[Callable[[Decision], None]]:
    """Where decisions go: to the file, if there is one, and to whoever else takes them."""
    with _lines(path) as write:

        def all_of_them(decision: Decision) -> None:
            write(decision)
            for take in others:
                take(decision)

        yield all_of_them if others else write


@contextmanager
def _lines(path: str | None) -> Iterator[Callable[[Decision], None]]:
    if path is None:
        yield lambda _decision: None
    elif path == "-":
        yield lambda decision: _write(sys.stdout.buffer.write, decision)
        sys.stdout.buffer.flush()
    else:
        with written(Path(path)) as file:
            yield lambda decision: _write(file.write, decision)


def _write(write: Callable[[bytes], int], decision: Decision) -> None:
    write(json_line(decision))


def _summary(tally: Tally, log: Log, seconds: float) -> dict[str, Any]:
    return {
        "events": tally.events,
        "customers": tally.customers,
        "rejected": log.rejected.count + tally.dead.count,
        "seconds": round(seconds, 2),
        "triggers": {
            name: {
                "fired": tally.triggers[name],
                "cancelled": tally.cancelled[name],
                "suppressed": tally.suppressed[name],
            }
            for name in FAMILIES
        },
    }


def _tell(tally: Tally, log: Log, seconds: float) -> None:
    rows = [
        (name, f"{tally.triggers[name]:,}", f"{tally.cancelled[name]:,} answered by an order later")
        for name in FAMILIES
        if tally.triggers[name] or tally.suppressed[name]
    ]
    show_rows(("trigger", "fired", ""), rows)
    held = tally.suppressed.total()
    click.echo(
        f"{tally.events:,} events of {tally.customers:,} customers in {seconds:.1f} s"
        f"; {tally.triggers.total():,} triggers"
        + (f", {held:,} suppressed as stale" if held else "")
        + f"; {log.rejected.count + tally.dead.count:,} rejected"
    )
