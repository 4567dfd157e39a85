"""`topics create`, `topics check` and `topics repartition`."""

import click

from streams.brokers import topics as broker
from streams.brokers.topicfacts import Difference, every
from streams.commands.options import with_settings
from streams.commands.output import hush, show_json, show_rows
from streams.settings import Settings
from tables.customer import StateError


@click.group(no_args_is_help=False)
def topics() -> None:
    """Create, check and grow the topics."""
    hush()


@topics.command(short_help="Make the topics that are missing.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("brokers", "prefix", "partitions", "replication")
def create(settings: Settings, as_json: bool) -> None:
    """Make the topics that are missing, and say how the others differ from what is needed."""
    try:
        made, found = broker.create(settings)
    except broker.BrokerError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        made_json = [{"topic": t.name, "partitions": t.partitions, "replication": t.replication} for t in made]
        show_json({"made": made_json, "differences": _json(found)})
    else:
        show_rows(("made", "partitions"), [(f"made {t.name}", f"{t.partitions} partitions") for t in made])
        _show(found, settings)
    _finish(found)


@topics.command(short_help="Say how the topics differ from what is needed.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("brokers", "prefix")
def check(settings: Settings, as_json: bool) -> None:
    """Say how the topics differ from what is needed; exit status 1 when something must be mended."""
    try:
        found = broker.check(settings)
    except broker.BrokerError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        show_json({"differences": _json(found)})
    else:
        _show(found, settings)
    _finish(found)


@topics.command("repartition")
@click.option("--partitions", type=click.IntRange(1, 10_000), required=True, help="How many there are to be.")
@click.option(
    "--partitioner",
    type=click.Choice(["murmur2", "crc32"]),
    help="By which your producers choose a key's partition, where it cannot be told from where the customers are: "
    "murmur2 (Java, kafka-python) or crc32 (librdkafka).",
)
@with_settings("brokers", "prefix", "delivery")
def repartition(settings: Settings, partitions: int, partitioner: str | None) -> None:
    """Give topics in use more partitions.

    Sources and changelog get as many; customers move to where their events will be. Stop the producers first, let the
    workers take what is left, and stop them too. It may be broken off and run again at any point.
    """
    from streams.repartitioning.repartition import repartition as work  # noqa: PLC0415 - aiokafka takes its time
    from streams.repartitioning.repartitionplan import RepartitionError  # noqa: PLC0415

    try:
        done = work(settings, partitions, partitioner, click.echo)
    except (RepartitionError, broker.BrokerError, StateError) as error:
        raise click.ClickException(str(error)) from None
    if done is None:
        click.echo(f"all of them have {partitions} partitions: nothing to do")
    else:
        click.echo(
            f"{partitions} partitions; {done.moved} of {done.customers} customers moved; start the workers, then the "
            "producers"
        )


def _show(found: list[Difference], settings: Settings) -> None:
    if not found:
        click.echo(f"all {len(every(settings))} topics are as they should be")
        return
    rows = [("must" if d.must else "note", f"{d.topic} {d.what}", f"-> {d.advice}") for d in found]
    show_rows(("", "what differs", "how to mend it"), rows)


def _json(found: list[Difference]) -> list[dict[str, object]]:
    return [{"topic": d.topic, "what": d.what, "advice": d.advice, "must": d.must} for d in found]


def _finish(found: list[Difference]) -> None:
    """Exit status 1 when something must be mended."""
    if any(difference.must for difference in found):
        raise click.exceptions.Exit(1)
