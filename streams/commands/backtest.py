"""`offbeat backtest FILE`."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from agents.decisions import FAMILIES, Decision
from agents.rules import Rules, load_rules
from streams.backtest import Tally, backtest
from streams.commands import FAILURE, USAGE
from streams.commands.options import with_settings
from streams.commands.output import failure, show_json, show_rows, written
from streams.commands.progress import progress, shown, tell_rejected
from streams.logs import Log, LogError, read_log
from streams.messages import json_line
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
@with_settings("rules", "parameters")
def command(settings: Settings, file: str, triggers: str | None, as_json: bool) -> None:
    """Run the rules over a log, without Kafka, in event time: what the worker would have sent.

    FILE holds contract events as JSON lines (.jsonl, .ndjson, .json) or a flat table (.csv, .parquet); .gz and .zst
    too. The population parameters are the built-in ones unless --parameters names a file.
    """
    rules = load_rules(settings.rules) if settings.rules else Rules()
    for warning in rules.warnings():
        click.echo(warning, err=True)
    wall, began = round(time.time() * 1000), time.monotonic()
    try:
        parameters = parameters_named(settings.parameters)
        with progress() as show:
            log = read_log(file, wall=wall, on_progress=lambda share: show(share, "checking"))
            with _target(triggers) as emit:
                tally = backtest(shown(log, show), rules, parameters, wall=wall, emit=emit)
    except (ParametersError, LogError) as error:
        raise failure(str(error), USAGE) from None
    except BrokenPipeError:
        raise
    except OSError as error:
        raise failure(f"{triggers}: cannot be written: {error.strerror}", FAILURE) from None
    tell_rejected(log.rejected, "in the file")
    tell_rejected(tally.dead, "as the worker would, to the dead letters")
    if as_json:
        show_json(_summary(tally, log, time.monotonic() - began))
    elif triggers != "-":
        _tell(tally, log, time.monotonic() - began)


@contextmanager
def _target(path: str | None) -> Iterator[Callable[[Decision], None]]:
    """Where decisions go."""
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
