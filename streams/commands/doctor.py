"""`doctor`."""

import click

from streams.checkup import checkup
from streams.commands.options import with_settings
from streams.commands.output import hush, show_json, show_rows
from streams.settings import Settings


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("brokers", "prefix", "delivery", "state_dir", "redis", "metrics", "rules", "parameters")
def doctor(settings: Settings, as_json: bool) -> None:
    """Check everything around the worker, and say what to do; exit status 1 when a check failed.

    Brokers, topics, transactions, clock, state directory, Redis, rules, parameters and the metrics port. It writes
    nothing to any topic; where the brokers have transactions it opens one under an id and a group of its own and
    aborts it.
    """
    hush()
    checks = list(checkup(settings))
    if as_json:
        show_json({"checks": [check.as_json() for check in checks]})
    else:
        rows = [
            ("ok" if c.ok else "FAILED", c.name, c.detail, "" if c.ok or not c.advice else f"-> {c.advice}")
            for c in checks
        ]
        show_rows(("", "what", "found", "what to do"), rows)
    if not all(check.ok for check in checks):
        raise click.exceptions.Exit(1)
