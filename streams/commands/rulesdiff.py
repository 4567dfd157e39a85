"""`offbeat rules diff A B FILE`."""

import time
from tempfile import gettempdir
from typing import Any

import click

from agents.decisions import spell
from agents.rulebook.rules import Rules, load_rules
from streams.backtest import Tally, backtest
from streams.commands import FAILURE, USAGE
from streams.commands.fit import tell_notes
from streams.commands.learn import Learned, Moment, learn
from streams.commands.options import with_settings
from streams.commands.output import failure, show_json, show_rows
from streams.commands.progress import progress, shown, tell_rejected
from streams.commands.rules import warn
from streams.logs import LogError, read_log
from streams.rulesdiff import Difference, Sent, compare, differing
from streams.settings import Settings
from tables.orders import DAY
from tables.parameters import ParametersError, parameters_named

_WHERE = {"only_a": "only in A", "only_b": "only in B", "moved": "moved"}


@click.command(short_help="What rules A and B would send on the log FILE.")
@click.argument("a")
@click.argument("b")
@click.argument("file", type=click.Path())
@click.option("--examples", type=click.IntRange(0, 1000), default=3, show_default=True, help="How many of each kind.")
@click.option(
    "--train-until",
    type=Moment(),
    help="Learn the parameters only from what lies before this date; default: the middle.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("parameters")
def diff(settings: Settings, a: str, b: str, file: str, examples: int, train_until: int | None, as_json: bool) -> None:
    """What the rules files A and B would have sent on the same log: only A, only B, both, and what moved in time.

    A and B are rules files, or `builtin` for the defaults. FILE is as for `offbeat backtest`, and so are the
    parameters, the same for both: learned from the log unless --parameters names a file. Two triggers are the same
    when type, customer and cause are.
    """
    rules = [Rules() if name == "builtin" else load_rules(name) for name in (a, b)]
    for found in rules:
        warn(found)
    wall = round(time.time() * 1000)
    with Sent() as in_a, Sent() as in_b:
        try:
            given = parameters_named(settings.parameters) if settings.parameters else None
            with progress() as show:
                log = read_log(file, wall=wall, on_progress=lambda share: show(share, "checking"))
                rates = rules[0].currencies
                known = learn(log, given, train_until, rates=rates, histories=False, wall=wall, show=show)
                for name, found, sent in zip("AB", rules, (in_a, in_b), strict=True):
                    lines, named = shown(log, show, f"rules {name}, "), found.named_as(rules[0])
                    tally = backtest(lines, named, known.parameters, wall=wall, emit=sent.take)
            told = _told(rules, compare(in_a, in_b), examples, known, tally)
        except (ParametersError, LogError) as error:
            raise failure(str(error), USAGE) from None
        except OSError as error:
            where = f"{gettempdir()}: what was sent cannot be kept there; TMPDIR names another folder"
            raise failure(f"{where}: {error.strerror}", FAILURE) from None
    tell_rejected(log.rejected, "in the file")
    tell_rejected(tally.dead, "as the worker would, to the dead letters")
    if known.fitted:
        tell_notes(known.fitted)
    if as_json:
        show_json({"a": a, "b": b, "file": file, **told})
    else:
        _tell(told)


def _told(rules: list[Rules], found: Difference, examples: int, known: Learned, tally: Tally) -> dict[str, Any]:
    return {
        "events": tally.events,
        "customers": tally.customers,
        "parameters": known.parameters.version,
        "settings": differing(*rules),
        "triggers": found.counts(),
        "examples": found.examples(examples),
    }


def _tell(told: dict[str, Any]) -> None:
    settings: list[tuple[str, ...]] = [
        (name, key, f"{values['a']} in A", f"{values['b']} in B")
        for name, changed in told["settings"].items()
        for key, values in changed.items()
    ]
    show_rows(("rule", "setting", "A", "B"), settings or [("the settings of A and B are the same",)])
    show_rows(("trigger", "A", "B", "both", "only A", "only B", "moved"), _rows(told["triggers"]))
    rows = [(one["type"], _WHERE[one["where"]], one["customer_id"], *_words(one)) for one in told["examples"]]
    if rows:
        show_rows(("example", "", "customer", "in A", "in B"), rows)


def _rows(triggers: dict[str, dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = []
    for name, one in triggers.items():
        if one["a"] or one["b"]:
            moved = one["earlier_in_b"] + one["later_in_b"]
            when = f", typically {_shift(one['median_days'])}" if moved else ""
            rows.append(
                (
                    name,
                    f"{one['a']:,} in A",
                    f"{one['b']:,} in B",
                    f"{one['both']:,} in both",
                    f"{one['only_a']:,} only in A",
                    f"{one['only_b']:,} only in B",
                    f"{moved:,} moved{when}",
                )
            )
    return rows


def _shift(days: float) -> str:
    """To the minute."""
    return f"{spell(round(abs(days) * DAY / 60_000) * 60_000)} {'later' if days > 0 else 'earlier'}"


def _words(example: dict[str, Any]) -> tuple[str, str]:
    """When and why, in each."""
    one, other = (
        f"{told['fired_at'][:16].replace('T', ' ')}: {told['reason']}" if told else ""
        for told in (example["a"], example["b"])
    )
    return one, other
