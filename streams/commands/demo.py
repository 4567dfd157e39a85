"""`offbeat demo`."""

import signal

import click

from streams.commands import FAILURE, INTERRUPTED
from streams.commands.output import hush
from streams.demo.cdnow import DataError
from streams.demo.errors import DemoError
from streams.demo.feed import SEED
from streams.demo.run import run_demo


@click.command()
@click.option(
    "--customers",
    type=click.IntRange(min=1),
    metavar="N",
    help="Only so many of the 23,570 customers, spread evenly: a shorter demo.",
)
@click.option("--seed", type=int, default=SEED, show_default=True, metavar="N", help="Of what is simulated.")
def demo(customers: int | None, seed: int) -> None:
    """Real orders through an embedded Kafka broker and a worker, live; then what came of it.

    The orders are the CDNOW log: what 23,570 customers of a music shop bought from January 1997 to June 1998. Their
    customers, dates and amounts are real. The log knows neither times of day nor carts: these are simulated around the
    orders, the same for the same seed, and every run fires the same triggers.

    It needs nothing else, uses none of your settings, and leaves nothing behind; Ctrl-C ends it at any time.
    """
    hush()
    try:
        run_demo(customers, seed)
    except DataError as error:
        raise _failed(str(error)) from None
    except DemoError as error:
        if error.log:
            click.echo(error.log, err=True)
        raise _failed(str(error)) from None
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second one has nothing left to stop
        click.echo("stopped; nothing is left running", err=True)
        raise click.exceptions.Exit(INTERRUPTED) from None


def _failed(message: str) -> click.ClickException:
    error = click.ClickException(message)
    error.exit_code = FAILURE
    return error
