"""One measurement: a worker over a log that lies ready, the client's limit over the same log, a second start."""

import os
import subprocess
import sys
from dataclasses import replace

import msgspec
from msgspec import Struct

from streams.brokers.topics import create
from streams.settings import Settings
from tables.events import CARTS, PURCHASES
from tests.bench.changelog import read_contents
from tests.bench.load import Sent
from tests.bench.worker import HUGE_PAGES, ROOT, BenchError, Worker

_STANDSTILL = 60.0


class Limit(Struct):
    """The client alone."""

    events: int
    seconds: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


class Recovery(Struct):
    """A worker that starts again on the changelog of the one before."""

    seconds: float
    states: int
    records: int
    """Of the changelog, which need not be compacted."""
    rss_bytes: int
    """Resident memory when it is ready, above that of a worker without states."""


class Run(Struct):
    """The worker over the whole log."""

    delivery: str
    events: int
    seconds: float
    """From the line `offbeat worker ready` to the newest mark in the changelog."""
    cpu_seconds: float
    """Of the process, user and system, over the same time and up to half a second more."""
    peak_rss_bytes: int
    rss_bytes: int
    """Resident memory after the run, above that at the start."""
    customers: int
    triggers: int
    suppressed: int
    cancellations: int
    batches: int
    state_bytes: float
    """Of a packed state, on the average, with its key."""
    recovery: Recovery | None = None

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds


def limit(settings: Settings, events: int) -> Limit:
    """Measure the client's limit on the settings' source topics. Raises BenchError."""
    topics = [settings.topic(source) for source in (PURCHASES, CARTS)]
    command = [sys.executable, "-m", "tests.bench.limit", settings.brokers, str(events), *topics]
    env = HUGE_PAGES | os.environ
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        raise BenchError(f"the client's limit could not be measured:\n{done.stderr}")
    return msgspec.json.decode(done.stdout, type=Limit)


def run(settings: Settings, sent: Sent, name: str, *, recover: bool, interpreted: bool = False) -> Run:
    """Measure a worker with a group and a changelog of its own, called `name`. Raises BenchError."""
    settings = replace(
        settings, group=f"bench-{name}", topics=replace(settings.topics, changelog=f"bench-changelog-{name}")
    )
    create(settings)
    with Worker(settings, interpreted=interpreted) as worker:
        before = worker.use()
        metrics = worker.wait_for(sent.events, _STANDSTILL)
        after = worker.use()
        began = worker.ready_at
    recovery = _recover(settings, before.rss, interpreted=interpreted) if recover else None
    contents = read_contents(settings)
    return Run(
        delivery=settings.delivery,
        events=sent.events,
        seconds=contents.marked_at / 1000 - began,
        cpu_seconds=after.cpu_seconds - before.cpu_seconds,
        peak_rss_bytes=after.peak,
        rss_bytes=after.rss - before.rss,
        customers=round(metrics["offbeat_customers"]),
        triggers=round(metrics.get("offbeat_triggers_total", 0)),
        suppressed=round(metrics.get("offbeat_triggers_suppressed_total", 0)),
        cancellations=round(metrics.get("offbeat_trigger_cancellations_total", 0)),
        batches=round(metrics["offbeat_batch_seconds_count"]),
        state_bytes=sum(contents.sizes.values()) / max(1, len(contents.sizes)),
        recovery=recovery,
    )


def _recover(settings: Settings, empty: int, *, interpreted: bool) -> Recovery:
    with Worker(settings, interpreted=interpreted) as worker:
        metrics = worker.metrics()
        states, seconds = worker.restored()
        return Recovery(
            seconds=seconds,
            states=states,
            records=round(metrics["offbeat_recovered_records_total"]),
            rss_bytes=worker.use().rss - empty,
        )
