"""`offbeat worker`: the stream processor."""

import click

from streams.commands import USAGE
from streams.commands.options import with_settings
from streams.commands.output import failure
from streams.settings import Settings
from streams.stopping import StopSignal


@click.command()
@with_settings(
    "brokers",
    "prefix",
    "delivery",
    "clock",
    "rules",
    "parameters",
    "state_dir",
    "redis",
    "metrics",
    "log_level",
    "log_format",
)
def worker(settings: Settings) -> None:
    """Run the stream processor until it is told to stop (SIGTERM, Ctrl-C).

    Prints `offbeat worker ready` when all its partitions are live.
    """
    stop = StopSignal()
    stop.listen()
    from streams.brokers.topics import RefusedError  # noqa: PLC0415 - as above
    from streams.startup import TopicsError  # noqa: PLC0415 - what follows takes a while to import
    from streams.worker import run_worker  # noqa: PLC0415 - as above
    from tables.parameters import ParametersError  # noqa: PLC0415 - as above

    try:
        status = run_worker(settings, stop)
    except RefusedError as exc:
        raise failure(str(exc), exc.status) from exc
    except (TopicsError, ParametersError) as exc:
        raise failure(str(exc), USAGE) from exc
    click.get_current_context().exit(status)
