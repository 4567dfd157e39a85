"""What a shop of a given size needs, as tables: `python -m tests.bench.sizing --customers 1e8 --events 20`.

The tables of streams/SIZING.md come from here, and a test compares them.
"""

from collections.abc import Callable, Sequence

import click

from tests.bench import fleet as figures
from tests.bench.fleet import GB, Fleet, Shop, binding, fleet_for

SIZES = (1e6, 1e8, 1e9)
"""Customers, in the page."""
DEFAULT = Shop(SIZES[0])


def _number(value: float) -> str:
    """Three figures of it at the most: nothing here is known better."""
    return f"{float(f'{value:.3g}'):,.0f}" if value >= 10 else f"{value:.2g}"


def _bytes(count: float) -> str:
    for unit, size in (("TB", 1e12), ("GB", GB), ("MB", 1e6)):
        if count >= size:
            return f"{_number(count / size)} {unit}"
    return f"{_number(count / 1000)} kB"


ROWS: dict[str, Callable[[Fleet], str]] = {
    "customers": lambda fleet: _number(fleet.shop.customers),
    "events a second on the average / at the peak": lambda fleet: f"{_number(fleet.average)} / {_number(fleet.peak)}",
    "**workers** of one processor": lambda fleet: f"**{fleet.workers}**",
    "one less would be too few for": binding,
    "**partitions** of each topic": lambda fleet: f"**{fleet.partitions}**",
    "customers of a partition number": lambda fleet: _number(fleet.customers_of_number),
    "memory of a worker while another is missing": lambda fleet: _bytes(fleet.memory),
    "load at the peak": lambda fleet: f"{_number(100 * fleet.load)} %",
    "catching up with an hour's outage, at the peak": lambda fleet: f"{_number(fleet.catch_up)} s",
    "a worker starts and has all of its share": lambda fleet: f"{_number(fleet.start)} s",
    "after kill -9 all goes on elsewhere": lambda fleet: f"{_number(fleet.takeover)} s",
    "replacing all workers in turn": lambda fleet: _number(fleet.rolling) + " s",
    "changelog, one copy": lambda fleet: _bytes(fleet.changelog),
    "disks of all brokers": lambda fleet: _bytes(fleet.disk),
    "cleaning the changelog reads, and writes, a second": lambda fleet: _bytes(fleet.cleaned),
    "into the brokers at the peak, copies included, a second": lambda fleet: _bytes(fleet.network),
    "transactions a second at the peak, at the most": lambda fleet: _number(fleet.transactions),
    "processors of the brokers that they keep busy": lambda fleet: _number(fleet.brokers),
    "replicas of partitions in all brokers": lambda fleet: _number(fleet.replicas),
    "the group's record": lambda fleet: _bytes(fleet.record),
}
MEASURED: dict[str, tuple[str, str]] = {
    "events a second of a worker, one in nine fires": (f"{figures.EVENTS:,}", "measured"),
    "states read back a second": (f"{figures.RESTORED:,}", "measured"),
    "bytes of memory for a customer, buffers included": (f"{figures.RESIDENT:,}", "measured"),
    "bytes of a packed state with its key": (f"{figures.STATE}", "measured"),
    "bytes of an event": (f"{figures.EVENT}", "counted"),
    "bytes of a trigger with its headers": (f"{figures.MESSAGE}", "counted"),
    "CPU ms of a worker for a transaction": (f"{figures.TRANSACTION * 1000:.1f}", "measured"),
    "CPU ms of the brokers for a transaction": (f"{figures.BROKERS_TRANSACTION * 1000:.1f}", "measured"),
    "seconds until a new process is in the group": (f"{figures.PROCESS}", "measured"),
    "bytes of a worker in the group's record": (f"{figures.RECORD}", "counted"),
    "events of a customer in a month": (f"{DEFAULT.events:.0f}", "assumed"),
    "the peak against the average": (f"{DEFAULT.peak:.0f}", "assumed"),
    "triggers for an event": (f"{DEFAULT.triggers}", "assumed"),
    "memory of a worker's machine": (_bytes(DEFAULT.memory), "assumed"),
    "ms from the fetch of a batch to its commit, at the least": (f"{figures.BATCH * 1000:.0f}", "assumed"),
    "days that sources and triggers are kept": (f"{DEFAULT.retention:.0f}", "assumed"),
    "copies": (f"{DEFAULT.copies}", "assumed"),
    "load of the workers at the peak, at the most": (f"{100 * figures.LOAD:.0f} %", "chosen"),
    "seconds for a worker to start, at the most": (f"{figures.START:.0f}", "chosen"),
    "partition numbers of a worker": (f"{figures.NUMBERS_EACH}", "chosen"),
}


def figures_table() -> list[str]:
    """What the arithmetic rests on, in Markdown."""
    lines = [f"| {name} | {value} | {kind} |" for name, (value, kind) in MEASURED.items()]
    return ["| figure | | |", "|---|---|---|", *lines]


def sizes_table(shops: Sequence[Shop]) -> list[str]:
    """What comes of it for each of them, in Markdown."""
    fleets = [fleet_for(shop) for shop in shops]
    cells = [[name, *(tell(fleet) for fleet in fleets)] for name, tell in ROWS.items()]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return [lines[0], "|---" * len(cells[0]) + "|", *lines[1:]]


@click.command()
@click.option("--customers", type=click.FloatRange(1), multiple=True, help="All that are known; 1e8 is understood.")
@click.option("--events", type=click.FloatRange(0), default=DEFAULT.events, show_default=True, help="Each, in a month.")
@click.option("--peak", type=click.FloatRange(1), default=DEFAULT.peak, show_default=True, help="Against the average.")
@click.option("--triggers", type=click.FloatRange(0), default=DEFAULT.triggers, show_default=True, help="For an event.")
@click.option("--memory", type=click.FloatRange(1), default=DEFAULT.memory / GB, show_default=True, help="GB a worker.")
@click.option("--retention", type=click.FloatRange(0), default=DEFAULT.retention, show_default=True, help="Days.")
@click.option("--copies", type=click.IntRange(1), default=DEFAULT.copies, show_default=True)
def sizing(
    customers: tuple[float, ...],
    events: float,
    peak: float,
    triggers: float,
    memory: float,
    retention: float,
    copies: int,
) -> None:
    """Tell how many workers and partitions, and how much disk and network, shops of these sizes need."""
    shops = [
        Shop(count, events, peak, triggers, memory * GB, retention, copies) for count in sorted(customers or SIZES)
    ]
    click.echo("\n".join(sizes_table(shops)))


if __name__ == "__main__":
    sizing()
