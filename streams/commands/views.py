"""`views rebuild`."""

import click

from streams.commands.broken import one_line
from streams.commands.inforce import in_force
from streams.commands.options import with_settings
from streams.commands.output import hush, show_json
from streams.settings import Settings, SettingsError


@click.group(no_args_is_help=False)
def views() -> None:
    """Write the views in Redis anew."""
    hush()


@views.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@with_settings("brokers", "prefix", "delivery", "clock", "rules", "parameters", "redis")
def rebuild(settings: Settings, as_json: bool) -> None:
    """Write all views anew from the changelog, and delete those of customers who are not in it.

    Workers may run meanwhile: what happens until it is done they show afterwards. They mend views by themselves, so
    this is for when there are no workers, or when somebody else has written to the views.
    """
    if not settings.redis:
        raise SettingsError("redis: there are no views without it; set OFFBEAT_REDIS (or --redis) to its URL")
    from streams.views.rebuild import Rebuild  # noqa: PLC0415 - aiokafka takes its time
    from streams.views.trouble import ViewError  # noqa: PLC0415 - as above

    def tell(number: int, customers: int) -> None:
        click.echo(f"partition {number}: {customers} customers", err=as_json)

    try:
        with one_line(settings):
            done = Rebuild(settings, *in_force(settings)).run(tell)
    except ViewError as error:
        raise click.ClickException(f"Redis {error}; see offbeat doctor, then run it again") from None
    if as_json:
        show_json({"customers": done.customers, "deleted": done.deleted})
    else:
        click.echo(f"views of {done.customers} customers written, {done.deleted} keys of others deleted")
