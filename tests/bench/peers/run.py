"""One measurement of a peer: its program over a log that lies ready, looked at from outside."""

import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from msgspec import Struct

from streams.brokers.child import Child
from streams.settings import Settings
from tables.events import CARTS, PURCHASES
from tests.bench.peers.catalog import Peer
from tests.bench.peers.reference import Reference
from tests.bench.peers.told import Told, lines_in
from tests.bench.process import Use, use_of
from tests.bench.topics import make_topic, remove_topics
from tests.bench.worker import HUGE_PAGES, ROOT, BenchError
from tests.support.topics_io import Broker, read_all

_LOOK_SECONDS = 0.01
_START_SECONDS = 120.0
_STANDSTILL = 900.0


class PeerRun(Struct):
    """A peer over its whole log; and over the second half of it alone, when a JVM is warm."""

    events: int
    seconds: float
    """From its first event to its last, by its own clock."""
    cpu_seconds: float
    """Of the process, user and system, over the same time."""
    warm_events: int
    warm_seconds: float
    warm_cpu_seconds: float
    peak_rss_bytes: int
    customers: int
    triggers: int

    @property
    def rate(self) -> float:
        """Events per second."""
        return self.events / self.seconds

    @property
    def warm_rate(self) -> float:
        """Events per second of the second half."""
        return self.warm_events / self.warm_seconds


@dataclass(frozen=True, slots=True)
class Log:
    """The settings whose source topics hold the events, and what they come to."""

    settings: Settings
    reference: Reference


def environment(peer: Peer, log: Log, name: str, folder: str) -> dict[str, str]:
    """A peer's environment: ours, huge pages as the worker has them, and what it is to do."""
    settings = log.settings
    kept = HUGE_PAGES | {key: value for key, value in os.environ.items() if not key.startswith(("OFFBEAT_", "PEER_"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "PEER_BROKERS": settings.brokers,
        "PEER_NAME": name,
        "PEER_TOPICS": ",".join(settings.topic(source) for source in (PURCHASES, CARTS)),
        "PEER_PARTITIONS": str(settings.partitions),
        "PEER_OUTPUT": output_of(name),
        "PEER_EVENTS": str(log.reference.events),
        "PEER_GUARANTEE": peer.setting,
        "PEER_STORE": peer.store,
        "PEER_FOLDER": folder,
    }


def output_of(name: str) -> str:
    """The topic of its triggers."""
    return f"{name}-triggers"


def run_peer(peer: Peer, log: Log, broker: Broker, name: str) -> PeerRun:
    """Measure a peer with a group and topics of its own, called `name`. Raises BenchError, PeerMissingError."""
    command = peer.command()
    try:
        make_topic(broker.address, output_of(name), log.settings.partitions)
        with tempfile.TemporaryDirectory(prefix="offbeat-peer-") as folder:
            seen = _watch(peer, Child(command, env=environment(peer, log, name, folder), leavings=Path(folder)), log)
        committed = [message.json["order_id"] for message in read_all(broker, [output_of(name)])]
    finally:
        remove_topics(broker.address, name)
    if (found := log.reference.difference(seen[-1][0], committed)) is not None:
        raise BenchError(f"{peer.name}: {found}")
    return _figures(seen)


_Seen = list[tuple[Told, Use]]
"""At the first event, in the middle and at the last."""


def _watch(peer: Peer, child: Child, log: Log) -> _Seen:
    """Follow a peer to its last event and end it in an orderly way, so that it commits what it has done."""
    seen: _Seen = []
    deadline = time.monotonic() + _START_SECONDS
    try:
        while not (seen and seen[-1][0].events >= log.reference.events):
            if not child.alive or time.monotonic() > deadline:
                raise BenchError(f"{peer.name} came no further:\n{child.log_tail()}")
            told = list(lines_in(child.log_tail(10_000)))
            if len(told) > len(seen):
                use = use_of(child.pid)
                seen += [(line, use) for line in told[len(seen) :]]
                deadline = time.monotonic() + _STANDSTILL
            time.sleep(_LOOK_SECONDS)
    except OSError as error:
        raise BenchError(f"{peer.name} is gone:\n{child.log_tail()}") from error
    finally:
        child.stop()
    return seen


def _figures(seen: _Seen) -> PeerRun:
    (first, begun), (half, midway), (last, ended) = seen
    return PeerRun(
        events=last.events,
        seconds=last.time - first.time,
        cpu_seconds=ended.cpu_seconds - begun.cpu_seconds,
        warm_events=last.events - half.events,
        warm_seconds=last.time - half.time,
        warm_cpu_seconds=ended.cpu_seconds - midway.cpu_seconds,
        peak_rss_bytes=ended.peak,
        customers=last.customers,
        triggers=last.triggers,
    )
