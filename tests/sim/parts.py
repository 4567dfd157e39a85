"""Parts of a worker that look at what the real ones do, or stand for them."""

from collections.abc import Callable, Iterable, Mapping

from streams.delivery.partition import Partition
from streams.delivery.ports import Row
from streams.delivery.reporting import Report
from streams.delivery.writer import TransactionalWriter
from tables.events import SOURCES
from tests.sim.load import SETTINGS, WALL
from tests.sim.log import Taken
from tests.sim.loop import Loop
from tests.sim.producer import ModelProducer


class Silent:
    """Stands for `Report`: nothing is decided by what a partition tells, and it would take an eighth of the time."""

    def __init__(self, *_args: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        if not hasattr(Report, name):
            raise AttributeError(name)
        return _nothing


def _nothing(*_args: object) -> None:
    """Not told."""


class SteppingClock:
    """A wall clock that somebody sets."""

    def __init__(self, loop: Loop) -> None:
        self.ahead = 0
        """By so many ms."""
        self._loop = loop

    def now(self) -> int:
        return WALL + round(self._loop.time() * 1000) + self.ahead


class WatchedWriter(TransactionalWriter):
    """The real one, which tells the model's producer what each transaction is meant to be."""

    def __init__(self, number: int, held: Callable[[], Mapping[int, Partition]]) -> None:
        super().__init__(SETTINGS, number, {})
        self._held = held

    async def _write(self, states: Iterable[Row], outputs: Mapping[str, list[Row]], offsets: Mapping[str, int]) -> None:
        producer: ModelProducer = self.producer  # it stands for aiokafka's
        producer.taken = self._taken(offsets)
        await super()._write(states, outputs, offsets)

    def _taken(self, offsets: Mapping[str, int]) -> Taken | None:
        partition = self._held().get(self.number)
        if not offsets or partition is None or partition.pipeline is None:
            return None
        before = tuple(partition.pipeline.positions[source].offset for source in SOURCES)
        return Taken(self.number, before, tuple(offsets[SETTINGS.topic(source)] for source in SOURCES))
