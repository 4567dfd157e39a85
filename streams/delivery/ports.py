"""What a partition number is connected to: brokers in the worker, a model of them in a simulation.

Everything that waits does so on the event loop's time, so that a loop of one's own rules it.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from itertools import count
from typing import Protocol
from uuid import uuid4

from agents.core import Core
from streams.clock import Clock
from streams.flow.flood import FloodGuard
from streams.flow.mark import Mark
from streams.flow.messages import Headers
from streams.flow.pipeline import Outcome, Pipeline
from streams.settings import Settings
from streams.watch.metrics import Metrics
from streams.watch.status import Status
from tables.parameters import BUILTIN, Parameters

Row = tuple[bytes | None, bytes | None, Headers]
"""Key, value and headers of a record to be written."""
Fatal = Callable[[int, str], None]
"""Ends the process: exit status, and one line that says why."""


STEP_SECONDS = 30.0
"""No single step may take longer: its outcome is unknown then."""


class Writer(Protocol):
    """Writes for one partition number."""

    async def open(self) -> None:
        """Become the only writer. Raises `FencedError`, KafkaError, TimeoutError, OSError."""

    async def write(
        self, states: Iterable[Row], outputs: Mapping[str, list[Row]], offsets: Mapping[str, int], /
    ) -> None:
        """Make a batch durable: changelog rows, rows by topic. Raises what `open` does.

        `offsets`, by topic, are told to the group with it, or later. Any error leaves it unknown whether the batch is
        durable: `close`, `open`, and read back what is.
        """

    async def tell(self, *, at_once: bool = False) -> None:
        """Tell the group the offsets that it has not been told, unless it was told others a moment ago.

        Raises what `write` does.
        """

    async def close(self) -> None:
        """Let go: nothing is sent after this. Never raises."""


class Intake(Protocol):
    """Who fetches, and talks to the group. Raises KafkaError, TimeoutError, OSError."""

    @property
    def away(self) -> bool:
        """No broker answers for the group."""

    async def in_group(self) -> bool:
        """Ask the group: this worker is a member, and nothing is being assigned anew."""

    async def committed(self, topic: str, number: int, /) -> int | None:
        """The group's committed offset."""

    async def beginning(self, topic: str, number: int, /) -> int:
        """The offset of the oldest record there is."""

    async def seek_exact(self, number: int, positions: Mapping[str, int], epoch: int, /) -> None:
        """Fetch from these offsets on, by topic; batches name the `epoch`. Raises IllegalStateError: not ours now."""

    def ends(self, number: int, topics: Iterable[str], /) -> dict[str, tuple[int, int]]:
        """Per topic: (end offset, when the broker said so in epoch ms); topics it has not told of are left out."""

    async def commit_group(self, number: int, positions: Mapping[str, int], /) -> None:
        """Commit the group's offsets, by topic."""

    def release(self, number: int, full: Iterable[str], topics: Iterable[str], /) -> None:
        """The number's batch is done: fetch more of its `topics`, but of those that are `full`."""


class Views(Protocol):
    """Who shows others what is durable. Nothing here waits or raises: whatever becomes of views, batches go on."""

    def begin(self, number: int, pipeline: Pipeline, /) -> None:
        """Taken over: `pipeline` holds what was read back."""

    def durable(self, number: int, outcome: Outcome, /) -> None:
        """The outcome is durable."""

    def idle(self, number: int, pipeline: Pipeline, /) -> None:
        """Between two batches: all that `pipeline` holds is durable."""

    def end(self, number: int, /, *, settled: bool) -> None:
        """It is somebody else's now, or nobody's. `settled`: `durable` was told of all that is."""


class NoViews:
    """Nobody is shown anything."""

    def begin(self, _number: int, pipeline: Pipeline, /) -> None:
        pipeline.core.states.buried()  # not to be kept

    def durable(self, number: int, outcome: Outcome, /) -> None: ...

    def idle(self, number: int, pipeline: Pipeline, /) -> None: ...

    def end(self, number: int, /, *, settled: bool) -> None: ...


class Learning(Protocol):
    """Who knows by which parameters to go, and learns from what is remembered. Nothing here waits or raises."""

    @property
    def parameters(self) -> Parameters:
        """Those in force now."""

    def prepare(self, pipeline: Pipeline, /) -> None:
        """A batch is about to begin: its core is to go by what is in force."""

    def idle(self, number: int, pipeline: Pipeline, /) -> None:
        """Between two batches: all that `pipeline` holds is durable."""

    def end(self, number: int, /) -> None:
        """It is somebody else's now, or nobody's."""


class Fixed:
    """Nothing is learnt: the parameters stay what they are."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters

    def prepare(self, pipeline: Pipeline, /) -> None: ...

    def idle(self, number: int, pipeline: Pipeline, /) -> None: ...

    def end(self, number: int, /) -> None: ...


class ReadChangelog(Protocol):
    """Reads a partition of the changelog (streams.delivery.changelog.read_changelog)."""

    def __call__(
        self,
        number: int,
        token: str,
        restore: Callable[[Mapping[bytes, bytes | None]], None],
        progress: Callable[[int, int], None],
        erased: MutableMapping[bytes, list[int]],
        /,
    ) -> Awaitable[Mark | None]:
        """Hand what there is up to the fence `token` to `restore`, and note in `erased` who is gone; the last mark.

        `progress` hears how many records came, and about how many are left.
        """


@dataclass(frozen=True, kw_only=True)
class Means:
    """What all partition numbers of a worker share."""

    settings: Settings
    intake: Intake
    new_writer: Callable[[int], Writer]
    read_changelog: ReadChangelog
    new_core: Callable[[], Core]
    flood: FloodGuard
    clock: Clock
    metrics: Metrics
    status: Status
    topic_ids: Mapping[str, str] = field(default_factory=dict)
    """By source, as streams.flow.mark.Mark has them."""
    retention: Mapping[str, int] = field(default_factory=dict)
    """By topic: how long it keeps events, in ms; without those that keep them for ever, or of which nobody knows."""
    views: Views = field(default_factory=NoViews)
    learning: Learning = field(default_factory=lambda: Fixed(BUILTIN))
    epochs: Iterator[int] = field(default_factory=lambda: count(1))
    """Names of seeks."""
    new_token: Callable[[], str] = lambda: uuid4().hex
    """Names of fences."""
