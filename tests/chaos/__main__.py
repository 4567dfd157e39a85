"""`make chaos N=1000`: faults by a seed on Apache Kafka, and a table of what they did."""

import itertools
import json
import logging
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click

from streams.brokers.embedded import BrokerStartError
from tests.chaos.plan import KINDS, Fault, plan
from tests.chaos.report import as_json, details, summary, table
from tests.chaos.round import Load, Outcome, play
from tests.chaos.world import World, make_world


def _say(text: str) -> None:
    click.echo(f"{time.strftime('%H:%M:%S')} {text}", err=True)


def _kinds(_context: click.Context, _parameter: click.Parameter, text: str) -> tuple[str, ...]:
    chosen = tuple(kind for kind in KINDS if any(kind.startswith(name) for name in text.split(",")))
    if not chosen:
        raise click.BadParameter(f"none of {', '.join(KINDS)} begins so")
    return chosen


@click.command()
@click.option("--faults", type=click.IntRange(1), default=100, show_default=True, help="How many, in all rounds.")
@click.option("--seed", default=1, show_default=True, help="The same seed and options give the same faults.")
@click.option("--each", type=click.IntRange(1), default=10, show_default=True, help="Faults of a round.")
@click.option("--only", type=click.IntRange(1), multiple=True, help="Of all rounds only this one; may be repeated.")
@click.option("--kinds", default="worker,broker,network", callback=_kinds, help="Beginnings of kinds, comma separated.")
@click.option("--brokers", type=click.Choice(["1", "3"]), default="3", show_default=True)
@click.option("--workers", type=click.IntRange(1), default=3, show_default=True)
@click.option("--partitions", type=click.IntRange(1), default=4, show_default=True)
@click.option("--events", type=click.IntRange(100), default=1500, show_default=True, help="Per fault.")
@click.option("--customers", type=click.IntRange(10), default=300, show_default=True)
@click.option("--session", type=click.FloatRange(1), default=3.0, show_default=True, help="Session time-out, seconds.")
@click.option(
    "--delivery",
    type=click.Choice(["exactly_once", "at_least_once"]),
    default="exactly_once",
    show_default=True,
    help="At least once, messages may be repeated, and nothing else.",
)
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write every fault here, too.")
@click.option("--logs", type=click.Path(file_okay=False, path_type=Path), help="Keep what workers say; else if wrong.")
def chaos(
    faults: int,
    seed: int,
    each: int,
    only: tuple[int, ...],
    kinds: tuple[str, ...],
    brokers: str,
    workers: int,
    partitions: int,
    events: int,
    customers: int,
    session: float,
    delivery: str,
    file: Path | None,
    logs: Path | None,
) -> None:
    """Hurt workers, brokers and their network while events flow, and compare what comes out with the pure core."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    planned = plan(seed, faults, workers=workers, brokers=int(brokers), session=session, kinds=kinds)
    rounds = [(n, found) for n, found in _cut(planned, each) if not only or n in only]
    load = Load(events, customers, partitions, delivery)
    folder = logs or Path(tempfile.mkdtemp(prefix="offbeat-chaos-"))
    outcomes: list[tuple[int, Outcome]] = []
    try:
        with make_world(_made(folder / "world"), workers=workers, brokers=int(brokers)) as world:
            for number, found in rounds:
                place = _made(folder / f"round-{number}")
                outcome = _play(
                    world,
                    number,
                    found,
                    first=(number - 1) * each + 1,
                    seed=seed,
                    load=load,
                    session=session,
                    folder=place,
                )
                outcomes.append((number, outcome))
                if outcome.right and logs is None:
                    shutil.rmtree(place)
                if file is not None:
                    file.write_text(json.dumps(as_json(_options(), outcomes), indent=1) + "\n")
    except KeyboardInterrupt:
        _say("interrupted")
    except (BrokerStartError, RuntimeError) as error:
        _say(f"given up: {error}")
    ended = [outcome for _, outcome in outcomes]
    click.echo("\n".join(table(ended)))
    right = len(ended) == len(rounds) and all(outcome.right for outcome in ended)
    if right and logs is None:
        shutil.rmtree(folder)
    else:
        _say(f"what workers said is in {folder}")
    sys.exit(0 if right else 1)


def _options() -> dict[str, object]:
    """As given, for who repeats it."""
    told = dict(click.get_current_context().params)
    return {name: value for name, value in told.items() if name not in ("file", "logs")}


def _cut(faults: Iterator[Fault], each: int) -> Iterator[tuple[int, tuple[Fault, ...]]]:
    for number in itertools.count(1):
        found = tuple(itertools.islice(faults, each))
        if not found:
            return
        yield number, found


def _play(
    world: World,
    number: int,
    faults: tuple[Fault, ...],
    *,
    first: int,
    seed: int,
    load: Load,
    session: float,
    folder: Path,
) -> Outcome:
    """A round, told line by line. `first`: the number of its first fault; `load`: its events are those of one fault."""
    numbers = itertools.count(first)

    def say(text: str) -> None:
        _say(f"round {number}, fault {next(numbers)}: {text}")

    world.folder = folder
    whole = replace(load, events=load.events * (len(faults) + 1))
    outcome = play(world, faults, seed=1000 * seed + number, load=whole, session=session, folder=folder, say=say)
    _say(summary(number, outcome))
    (folder / "brokers.log").write_text(world.kafka.log_tail())
    if not outcome.right:
        (folder / "wrong.txt").write_text(details(outcome))
        _say(f"to repeat it: the same command with --only {number}; {folder / 'wrong.txt'} tells what is wrong")
    return outcome


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


if __name__ == "__main__":
    chaos()
