"""`customers show` and `customers explain`."""

from typing import TYPE_CHECKING

import click

from agents.decisions import iso
from streams.commands import FAILURE
from streams.commands.broken import one_line
from streams.commands.customerstext import show_customer, show_grounds
from streams.commands.inforce import in_force
from streams.commands.options import with_settings
from streams.commands.output import failure, hush, show_json
from streams.commands.progress import Show, progress
from streams.settings import Settings

if TYPE_CHECKING:
    from streams.customers.look import Looked

_SETTINGS = ("brokers", "prefix", "delivery", "clock", "rules", "parameters")


def _id(_context: click.Context, _option: click.Parameter, told: str) -> str:
    try:
        if told and "\0" not in told:
            told.encode()
            return told
    except UnicodeEncodeError:  # bytes of the shell that are no UTF-8
        pass
    raise click.BadParameter("no customer has such an id: give what the events have as customer_id")


_customer_id = click.argument("customer_id", metavar="ID", callback=_id)
_as_json = click.option("--json", "as_json", is_flag=True, help="As JSON.")


@click.group(no_args_is_help=False)
def customers() -> None:
    """What is known of one customer, and why rules fire or do not."""
    hush()


@customers.command(short_help="What is remembered of a customer, what waits, what was sent.")
@_customer_id
@click.option(
    "--messages", "most", type=click.IntRange(0, 10_000), default=20, metavar="N", help="The newest N; 20. 0: none."
)
@_as_json
@with_settings(*_SETTINGS)
def show(settings: Settings, customer_id: str, most: int, as_json: bool) -> None:
    """Say what is remembered of the customer ID, which timers wait, and what was sent.

    Read from the changelog and the topics of triggers; workers are not asked, and nothing is written. Settings, rules
    and parameters must be those of the workers, for dates to be theirs.
    """
    with one_line(settings):
        from streams.customers.look import messages, shown  # noqa: PLC0415 - aiokafka takes its time

        rules, parameters = in_force(settings)
        with progress() as tell:
            looked = _looked(settings, customer_id, tell)
            found = shown(settings, looked, rules, parameters)
            found["messages"] = messages(settings, looked, most, tell) if most else []
    if as_json:
        show_json(found)
    else:
        show_customer(found)


@customers.command(short_help="Why each rule has fired or has not, and when it would.")
@_customer_id
@_as_json
@with_settings(*_SETTINGS)
def explain(settings: Settings, customer_id: str, as_json: bool) -> None:
    """Say of the customer ID, rule by rule, why it has fired or has not: which condition is missing, and when it holds.

    Settings, rules and parameters must be those of the workers.
    """
    with one_line(settings):
        from streams.customers.look import explained  # noqa: PLC0415 - aiokafka takes its time

        rules, parameters = in_force(settings)
        with progress() as tell:
            looked = _looked(settings, customer_id, tell)
        found, grounds = explained(settings, looked, rules, parameters)
    found["rules"] = [
        {"rule": g.rule, "state": g.state, "due_at": None if g.due_at is None else iso(g.due_at), "why": g.why}
        for g in grounds
    ]
    if as_json:
        show_json(found)
    else:
        show_grounds(found)


def _looked(settings: Settings, customer_id: str, tell: Show) -> "Looked":
    from streams.customers.look import UnknownCustomerError, look_up  # noqa: PLC0415 - aiokafka takes its time

    try:
        return look_up(settings, customer_id, tell)
    except UnknownCustomerError as error:
        raise failure(str(error), FAILURE) from None
