"""`doctor`."""

import click

from streams.commands.options import with_settings
from streams.commands.output import hush, show_json, show_rows
from streams.doctor.run import checkup
from streams.settingkinds import split_address
from streams.settings import Settings


def _addresses(_context: click.Context, _option: click.Parameter, told: tuple[str, ...]) -> tuple[str, ...]:
    try:
        for address in told:
            split_address(address)
    except ValueError:
        raise click.BadParameter(f'"{address}" is not allowed; give host:port') from None
    return told


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option(
    "--worker",
    "workers",
    multiple=True,
    metavar="HOST:PORT",
    callback=_addresses,
    help="A worker's metrics port, which must answer; any number of them. One on this machine is found without.",
)
@with_settings("brokers", "prefix", "delivery", "state_dir", "redis", "metrics", "rules", "parameters")
def doctor(settings: Settings, as_json: bool, workers: tuple[str, ...]) -> None:
    """Check everything around the workers, and say what to do; exit status 1 when a check failed.

    Brokers, topics, transactions, clock, states, lag, the workers' group, what they say of themselves, state directory,
    Redis, rules and parameters. It writes nothing to any topic; where the brokers have transactions it opens one
    under an id and a group of its own and aborts it.
    """
    hush()
    checks = list(checkup(settings, workers))
    if as_json:
        show_json({"checks": [check.as_json() for check in checks]})
    else:
        rows = [(c.mark, c.name, c.detail, f"-> {c.advice}" if c.advice else "") for c in checks]
        show_rows(("", "what", "found", "what to do"), rows)
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(1)
