"""`make sim`: runs the simulation, or repeats one run, or shows how soon each planted bug is caught."""

import logging
import os
import sys
import time
from collections import Counter

import click

from tests.sim.load import DELIVERIES
from tests.sim.planted import PLANTED
from tests.sim.run import Result, first_caught, run, run_all, unseen

LIMIT = 2_000
"""Seeds after which a planted bug counts as missed."""


@click.command(context_settings={"help_option_names": ["--help"]})
@click.option("--seeds", default=2_000, show_default=True, type=click.IntRange(1), help="How many runs.")
@click.option("--first", default=0, show_default=True, type=click.IntRange(0), help="The first seed.")
@click.option("--jobs", default=os.cpu_count() or 1, type=click.IntRange(1), help="Processes; as many as processors.")
@click.option("--seed", type=click.IntRange(0), help="Repeat the run of this seed alone.")
@click.option("--trace", is_flag=True, help="With --seed: show all that happens.")
@click.option("--delivery", type=click.Choice(list(DELIVERIES)), default="exactly_once", show_default=True)
@click.option("--bug", type=click.Choice(sorted(PLANTED)), default=None, help="Plant this bug.")
@click.option("--planted", is_flag=True, help="For each planted bug: the seeds it takes to catch it.")
def main(
    seeds: int, first: int, jobs: int, seed: int | None, trace: bool, delivery: str, bug: str | None, planted: bool
) -> None:
    """The delivery layer under a seeded scheduler, in virtual time."""
    logging.disable(logging.CRITICAL)  # workers say what happens to them, thousands of times
    if planted:
        sys.exit(_planted())
    if seed is not None:
        result = run(seed, bug or "", delivery, keep=trace)
        for line in result.lines:
            click.echo(line)
        _tell(result, bug, delivery)
        sys.exit(bool(result.wrong))
    sys.exit(_many(range(first, first + seeds), jobs, bug, delivery))


def _many(seeds: range, jobs: int, bug: str | None, delivery: str) -> int:
    began, bad, virtual, seen = time.monotonic(), 0, 0.0, Counter[str]()
    for done, result in enumerate(run_all(seeds, bug=bug or "", delivery=delivery, jobs=jobs), 1):
        seen.update(result.seen)
        virtual += result.seconds
        if result.wrong:
            bad += 1
            _tell(result, bug, delivery)
        if done % 1_000 == 0:
            click.echo(f"  {done} seeds, {bad} wrong", err=True)
    seconds = time.monotonic() - began
    for what, count in sorted(seen.items()):
        click.echo(f"  {count:9d}  {what}")
    blind = unseen(seen, len(seeds), delivery)
    if blind:
        click.echo(f"the generator is blind: never seen in {len(seeds)} seeds: {', '.join(blind)}")
    click.echo(
        f"{len(seeds)} seeds, {bad} wrong; {virtual / 3600:.1f} virtual hours in {seconds:.0f} s, "
        f"{len(seeds) / seconds * 60:.0f} seeds a minute"
    )
    return int(bool(bad or blind))


def _tell(result: Result, bug: str | None, delivery: str) -> None:
    click.echo(f"seed {result.seed}, trace {result.checksum:08x}: {'wrong' if result.wrong else 'right'}")
    for line in result.wrong:
        click.echo(f"  {line[:600]}")
    if result.wrong:
        planted = f" --bug {bug}" if bug else "" if delivery == "exactly_once" else f" --delivery {delivery}"
        click.echo(f"  again: .venv/bin/python -m tests.sim --seed {result.seed} --trace{planted}")


def _planted() -> int:
    missed = 0
    click.echo("| bug | seeds | first sign |\n|---|---|---|")
    for bug in PLANTED:
        caught = first_caught(bug, LIMIT)
        missed += caught is None
        seeds, sign = (str(caught.seed + 1), caught.wrong[0]) if caught else (f"none of {LIMIT}", "")
        click.echo(f"| {bug} | {seeds} | {sign[:100]} |")
    return int(bool(missed))


main()
