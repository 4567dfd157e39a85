"""What a partition number is connected to, in the hands of a test: steps are written down, can fail, and can hang."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, MutableMapping

from prometheus_client import CollectorRegistry

from agents.core import Core
from agents.rulebook.rules import Rules
from streams.delivery.batch import Batch, Span
from streams.delivery.changelog import MARK
from streams.delivery.partition import Partition
from streams.delivery.ports import Means, Row
from streams.flow.flood import FloodGuard
from streams.flow.mark import Mark, decode_mark
from streams.settings import Settings
from streams.watch.metrics import Metrics
from streams.watch.status import Status
from tables.parameters import BUILTIN
from tables.states import Change
from tests.support.pipes import Kept

NOW = 1_700_000_000_000


class Wiring:
    """Brokers of a test: one changelog per partition number, and what was asked of them, in order.

    `steps` are "open", "fence", "write", "close", "read", "in_group", "committed", "seek", each with its number.
    """

    def __init__(self, delivery: str = "exactly_once", clock: str = "wall") -> None:
        self.steps: list[tuple[str, int]] = []
        self.plans: dict[str, list[BaseException | asyncio.Event]] = defaultdict(list)
        """Per step what becomes of the next ones: an error, or an event that is waited for."""
        self.changelog: dict[int, list[Change]] = defaultdict(list)
        self.away = False
        self.member = True
        self.group: int | None = None
        """The offset that the group has committed in every source."""
        self.seeks: list[tuple[int, dict[str, int], int]] = []
        self.commits: list[dict[str, int]] = []
        self.released: list[int] = []
        self.full: set[str] = set()
        """The topics of which no more was to be fetched when a partition number was released last."""
        self.now = NOW
        self.told_ends: dict[str, int] = {}
        self.heard = NOW
        """When the brokers told them."""
        self.unheard: set[str] = set()
        """Topics of which they have told nothing since the beginning."""
        self.metrics, self.status = Metrics(CollectorRegistry()), Status(lambda: self.now / 1000)
        self.settings = Settings(delivery=delivery, clock=clock)
        self.means = Means(
            settings=self.settings,
            intake=self,
            new_writer=lambda number: FakeWriter(self, number),
            read_changelog=self.read_changelog,
            new_core=lambda: Core(Rules(), BUILTIN),
            flood=FloodGuard(1.0),
            clock=self.Clock(self),
            metrics=self.metrics,
            status=self.status,
        )

    class Clock:
        def __init__(self, wiring: "Wiring") -> None:
            self._wiring = wiring

        def now(self) -> int:
            return self._wiring.now

    def taken(self, *names: str) -> list[str]:
        """The steps so far, of these names only."""
        return [name for name, _ in self.steps if not names or name in names]

    async def step(self, name: str, number: int) -> None:
        self.steps.append((name, number))
        plans = self.plans[name]
        if plans:
            plan = plans.pop(0)
            if isinstance(plan, asyncio.Event):
                await plan.wait()
            else:
                raise plan
        await asyncio.sleep(0.001)

    def fetch(self, number: int, epoch: int, *, offset: int = 0, count: int = 1) -> Batch:
        """Views of customers c0, c1, ..., as one fetch brings them."""
        topic = self.settings.sources[2]
        records = [
            Kept(at, b"c%d" % at, b'{"type":"product.viewed","event_id":"e%d","customer_id":"c%d","product_id":"p",'
                 b'"occurred_at":%d}' % (at, at, NOW - 1000 + at))
            for at in range(offset, offset + count)
        ]  # fmt: skip
        batch = Batch(number, epoch)
        batch.spans[topic] = Span(offset, offset + count, NOW, list(records))
        self.told_ends[topic] = offset + count
        return batch

    def mark(self, number: int) -> Mark | None:
        """The newest one."""
        marks = [value for key, value in self.changelog[number] if key == MARK and value is not None]
        return decode_mark(marks[-1]) if marks else None

    async def read_changelog(
        self,
        number: int,
        token: str,
        restore: Callable[[Mapping[bytes, bytes | None]], None],
        progress: Callable[[int, int], None],
        _erased: MutableMapping[bytes, list[int]],
    ) -> Mark | None:
        await self.step("read", number)
        changes = self.changelog[number]
        assert changes[-1][1] == token.encode()
        restore({key: value for key, value in changes if key[:1] != b"\0"})
        progress(len(changes), 0)
        return self.mark(number)

    # -- Intake

    async def in_group(self) -> bool:
        await self.step("in_group", -1)
        return self.member

    async def committed(self, _topic: str, number: int) -> int | None:
        await self.step("committed", number)
        return self.group

    async def beginning(self, _topic: str, _number: int) -> int:
        return 0

    async def seek_exact(self, number: int, positions: Mapping[str, int], epoch: int) -> None:
        await self.step("seek", number)
        self.seeks.append((number, dict(positions), epoch))

    def ends(self, _number: int, topics: Iterable[str]) -> dict[str, tuple[int, int]]:
        return {topic: (self.told_ends.get(topic, 0), NOW if topic in self.unheard else self.heard) for topic in topics}

    async def commit_group(self, number: int, positions: Mapping[str, int]) -> None:
        await self.step("commit_group", number)
        self.commits.append(dict(positions))

    def release(self, number: int, full: Iterable[str], _topics: Iterable[str]) -> None:
        self.released.append(number)
        self.full = set(full)


class FakeWriter:
    """Appends to the changelog; a write that fails has taken no effect."""

    def __init__(self, wiring: Wiring, number: int) -> None:
        self._wiring, self._number = wiring, number

    async def open(self) -> None:
        await self._wiring.step("open", self._number)

    async def write(self, states: Iterable[Row], _outputs: Mapping[str, list[Row]], offsets: Mapping[str, int]) -> None:
        await self._wiring.step("write" if offsets else "fence", self._number)
        self._wiring.changelog[self._number] += [(key or b"", value) for key, value, _ in states]

    async def tell(self, *, at_once: bool = False) -> None:
        await self._wiring.step("tell at once" if at_once else "tell", self._number)

    async def close(self) -> None:
        await self._wiring.step("close", self._number)


async def started(wiring: Wiring) -> Partition:
    """Partition number 3, taken over and live."""
    partition = Partition(3, wiring.means)
    await partition.open()
    await partition.start()
    assert partition.live
    return partition
