"""`offbeat worker`: the stream processor."""

import click

from streams.commands.options import with_settings
from streams.settings import Settings


@click.command()
@with_settings("brokers", "prefix", "delivery", "clock", "rules", "parameters", "state_dir", "metrics", "log_level")
def worker(settings: Settings) -> None:
    """Run the stream processor until it is told to stop (SIGTERM, Ctrl-C).

    Prints `offbeat worker ready` when all its partitions are live.
    """
    from streams.worker import TopicsError, run_worker  # noqa: PLC0415 - Faust takes a second to import
    from tables.parameters import ParametersError  # noqa: PLC0415

    try:
        status = run_worker(settings)
    except (TopicsError, ParametersError) as exc:
        raise click.UsageError(str(exc)) from exc
    click.get_current_context().exit(status)
