"""Everything measured on one broker, round by round, and how the systems compare."""

from collections.abc import Sequence

from msgspec import Struct

from tests.bench.measure import Limit, Run
from tests.bench.peers.run import PeerRun


class PeerSide(Struct):
    """One peer in one setting."""

    name: str
    delivery: str
    """The worker's mode with the same guarantee."""
    runs: list[PeerRun]


class Side(Struct):
    """Everything measured on one broker, round by round: what has the same place in its list was measured together."""

    broker: str
    event_bytes: float
    """Of an event's value, on the average."""
    limits: list[Limit]
    runs: dict[str, list[Run]]
    """By delivery mode."""
    peers: list[PeerSide] = []
    missing: list[str] = []
    """Why peers were left out, a line each."""


class Line(Struct, kw_only=True):
    """A system in the comparison; lists hold a figure for each round."""

    system: str
    guarantee: str
    events: int
    rate: list[float]
    """Events per second."""
    warm_rate: list[float] | None = None
    """The same in the second half."""
    cpu: list[float]
    """CPU seconds per million events."""
    warm_cpu: list[float] | None = None
    peak: list[float] | None = None
    """MiB of resident memory."""
    faster: list[float]
    """How many times as many events per second the worker does, in the same round with the same guarantee."""
    leaner: list[float]
    """How many times as many events per CPU second."""


def shares(side: Side, delivery: str) -> list[float]:
    """Of each round: the worker's speed in per cent of the client's limit."""
    return [100 * run.rate / limit.rate for run, limit in zip(side.runs[delivery], side.limits, strict=True)]


def comparison(side: Side) -> list[Line]:
    """The worker, its peers and the client's limit; the limit is held against the worker's first mode."""
    return [
        *(_ours(delivery, runs) for delivery, runs in side.runs.items()),
        *(_peer(peer, side.runs[peer.delivery]) for peer in side.peers),
        _limit(side.limits, next(iter(side.runs.values()))),
    ]


def _ours(delivery: str, runs: list[Run]) -> Line:
    return Line(
        system="Offbeat",
        guarantee=_words(delivery),
        events=runs[-1].events,
        rate=[run.rate for run in runs],
        cpu=[_cpu(run) for run in runs],
        peak=[run.peak_rss_bytes / (1 << 20) for run in runs],
        faster=[1.0 for _ in runs],
        leaner=[1.0 for _ in runs],
    )


def _peer(peer: PeerSide, ours: list[Run]) -> Line:
    runs = peer.runs
    return Line(
        system=peer.name,
        guarantee=_words(peer.delivery),
        events=runs[-1].events,
        rate=[run.rate for run in runs],
        warm_rate=[run.warm_rate for run in runs],
        cpu=[_cpu(run) for run in runs],
        warm_cpu=[run.warm_cpu_seconds / run.warm_events * 1e6 for run in runs],
        peak=[run.peak_rss_bytes / (1 << 20) for run in runs],
        faster=_faster(ours, runs),
        leaner=_leaner(ours, runs),
    )


def _limit(limits: list[Limit], ours: list[Run]) -> Line:
    return Line(
        system="fetch and decode alone",
        guarantee="none",
        events=limits[-1].events,
        rate=[limit.rate for limit in limits],
        cpu=[_cpu(limit) for limit in limits],
        faster=_faster(ours, limits),
        leaner=_leaner(ours, limits),
    )


def _words(delivery: str) -> str:
    return delivery.replace("_", " ")


def _cpu(run: Run | PeerRun | Limit) -> float:
    return run.cpu_seconds / run.events * 1e6


def _faster(ours: list[Run], theirs: Sequence[PeerRun | Limit]) -> list[float]:
    return [our.rate / their.rate for our, their in zip(ours, theirs, strict=True)]


def _leaner(ours: list[Run], theirs: Sequence[PeerRun | Limit]) -> list[float]:
    return [_cpu(their) / _cpu(our) for our, their in zip(ours, theirs, strict=True)]
