"""`make bench`: the worker beside the client's limit, on the embedded broker and, where there is Java, on Apache Kafka."""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from streams.embedded import EmbeddedBroker
from streams.settings import Settings
from streams.topics import create
from tests.bench import report as reports
from tests.bench.load import produce, standard_load
from tests.bench.measure import Limit, Run, limit, run
from tests.bench.worker import ROOT
from tests.support.brokers import ApacheKafka
from tests.support.maven import available

_CDNOW = ROOT.parent / "shared" / "data" / "cdnow_master.csv.zst"


def _say(text: str) -> None:
    click.echo(f"  {text}", err=True)


def _brokers(chosen: str) -> Iterator[tuple[str, Any, list[str], int]]:
    """Name, context manager, delivery modes, session time-out in ms."""
    if chosen in ("embedded", "all"):
        yield "embedded broker", EmbeddedBroker(), ["at_least_once"], 1_000
    if chosen in ("kafka", "all"):
        if (reason := available()) is not None:
            _say(f"without Apache Kafka: {reason}")
        else:
            kafka = ApacheKafka()
            yield f"Apache Kafka {kafka.version}", kafka, ["exactly_once", "at_least_once"], 6_000


def _measure(
    name: str, broker: Any, modes: list[str], session: int, events: int, rounds: int
) -> tuple[reports.Side, float]:
    limits: list[Limit] = []
    runs: dict[str, list[Run]] = {mode: [] for mode in modes}
    with ExitStack() as stack:
        stack.enter_context(broker)
        settings = Settings(brokers=broker.address, session_timeout=session)
        create(settings)
        _say(f"{name}: producing {events:,} events")
        sent = produce(settings, standard_load(events, round(time.time() * 1000)))
        for number in range(1, rounds + 1):
            limits.append(limit(settings, events))
            _say(f"{name}: round {number}: limit {limits[-1].rate:,.0f}/s")
            for mode in modes:
                tag = f"{mode.replace('_', '-')}-{number}"
                runs[mode].append(run(replace(settings, delivery=mode), sent, tag, recover=number == rounds))
                _say(f"{name}: round {number}: {mode} {runs[mode][-1].rate:,.0f}/s")
    return reports.Side(name, limits, runs), sent.bytes / sent.events


def _cdnow() -> float | None:
    """Seconds that the CDNOW log takes through `backtest`; None where the log is not here."""
    if not _CDNOW.exists():
        _say(f"without the CDNOW log: {_CDNOW.name} is not here")
        return None
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "streams", "backtest", str(_CDNOW)], cwd=ROOT, check=True, capture_output=True
    )
    return time.monotonic() - began


@click.command()
@click.option("--events", default=1_000_000, show_default=True, help="How many events the load has.")
@click.option("--rounds", default=3, show_default=True, help="How often everything is measured, in turn.")
@click.option("--broker", type=click.Choice(["embedded", "kafka", "all"]), default="all", show_default=True)
@click.option("--json", "file", type=click.Path(dir_okay=False, path_type=Path), help="Write all figures here, too.")
def bench(events: int, rounds: int, broker: str, file: Path | None) -> None:
    """Measure the worker beside the client's limit, over the same log, in turn."""
    for name in ("kafka", "aiokafka"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    measured = [_measure(*place, events, rounds) for place in _brokers(broker)]
    report = reports.Report(
        events=events,
        event_bytes=measured[0][1] if measured else 0.0,
        sides=[side for side, _ in measured],
        cdnow_seconds=_cdnow(),
        machine=reports.machine(),
    )
    click.echo("\n".join(reports.lines_of(report)))
    if file is not None:
        file.write_text(json.dumps(reports.as_json(report), indent=2) + "\n")


if __name__ == "__main__":
    bench()
