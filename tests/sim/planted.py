"""Bugs that are put in on purpose, one for each rule that delivery rests on: a simulation that misses one is blind."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple
from unittest.mock import patch

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from streams.delivery import takeover
from streams.delivery.batch import Batch
from streams.delivery.changelog import MARK
from streams.delivery.partition import Partition
from streams.delivery.ports import Row
from streams.delivery.positions import go_on_from
from streams.delivery.takeover import Takeover
from streams.delivery.writer import TransactionalWriter
from streams.errors import FencedError
from streams.flow.mark import Mark, Position, decode_mark
from streams.flow.pipeline import Outcome, Pipeline
from tests.sim.plantedunfenced import UNFENCED
from tests.sim.world import World

Plant = Callable[[World], AbstractContextManager[object]]

_write, _commit, _apply = TransactionalWriter.write, Partition._commit, Partition._apply

Outputs = Mapping[str, list[Row]]
Offsets = Mapping[str, int]


def failed_send_ignored(_world: World) -> AbstractContextManager[object]:
    """The transaction is committed without looking at what became of its batches."""

    async def _write(writer: TransactionalWriter, states: list[Row], outputs: Outputs, offsets: Offsets) -> None:
        producer = writer.producer
        await producer.begin_transaction()
        await writer.send(writer.settings.changelog, states)
        for topic, rows in outputs.items():
            await writer.send(topic, rows)
        if offsets:
            await producer.send_offsets_to_transaction(
                {TopicPartition(topic, writer.number): offset for topic, offset in offsets.items()},
                writer.settings.group_id,
            )
        await producer.commit_transaction()

    return patch.object(TransactionalWriter, "_write", _write)


def read_before_fencing(world: World) -> AbstractContextManager[object]:
    """Taking over reads what is durable first, and fences the former owner then."""

    async def once(self: Takeover) -> Pipeline:
        means, core = self._means, self._means.new_core()
        place, at, mark = (means.settings.changelog, self._number), 0, None
        while True:
            found = await world.network.call("Fetch", world.brokers.read, place, at, 40)
            if found.following == at:
                break
            at = found.following
            core.states.restore(
                {r.key: r.value for r in found.records if r.key is not None and not r.key.startswith(b"\0")}
            )
            for record in found.records:
                if record.key == MARK and record.value is not None:
                    mark = decode_mark(record.value)
        core.states.ready()
        positions = mark.positions if mark else dict.fromkeys(("customers", "purchases", "carts"), Position(0))
        pipeline = Pipeline(core, means.flood, wall=False)
        pipeline.seek(positions, *((mark.now, mark.live_from) if mark else ()))
        await self._writer.open()
        return pipeline

    return patch.object(Takeover, "once", once)


def group_offset_trusted(_world: World) -> AbstractContextManager[object]:
    """Who takes over goes on from the group's offsets, which may be those before the last transaction."""

    def trusting(
        settings: Any, number: int, mark: Mark | None, committed: Mapping[str, int | None], begin: Mapping[str, int]
    ) -> dict[str, Position]:
        found = go_on_from(settings, number, mark, committed, begin)
        return {source: Position(committed[source] or 0, position.frontier) for source, position in found.items()}

    return patch.object(takeover, "go_on_from", trusting)


def fenced_goes_on(_world: World) -> AbstractContextManager[object]:
    """Who is fenced asks for a new epoch and writes its batch again."""

    async def write(writer: TransactionalWriter, states: list[Row], outputs: Outputs, offsets: Offsets) -> None:
        try:
            await _write(writer, states, outputs, offsets)
        except FencedError:
            await writer.close()
            await writer.open()
            await _write(writer, states, outputs, offsets)

    return patch.object(TransactionalWriter, "write", write)


@contextmanager
def adopted_before_known(_world: World) -> Iterator[None]:
    """A batch counts as done whatever becomes of its commit; after an error the state in memory is kept."""

    async def commit(partition: Partition, outcome: Outcome) -> None:
        try:
            await _commit(partition, outcome)
        except (KafkaError, TimeoutError):
            partition._need().done(outcome)
            raise

    async def rebuild(partition: Partition, _exc: BaseException) -> None:
        await partition._writer.close()
        await partition._writer.open()

    with patch.object(Partition, "_commit", commit), patch.object(Partition, "_rebuild", rebuild):
        yield


def timer_outside_transaction(world: World) -> AbstractContextManager[object]:
    """What timers fire is sent by itself, before the transaction that remembers it."""
    timed = {b"cart.abandoned", b"checkout.abandoned", b"repurchase.due"}

    def fired(row: Row) -> bool:
        return dict(row[2])["ce_type"] in timed if "ce_type" in dict(row[2]) else False

    async def write(writer: TransactionalWriter, states: list[Row], outputs: Outputs, offsets: Offsets) -> None:
        for topic, rows in outputs.items():
            alone = [(key, value, tuple(headers)) for key, value, headers in filter(fired, rows)]
            if alone:
                await world.network.call("Produce", world.brokers.append, (topic, writer.number), alone)
        kept = {topic: [row for row in rows if not fired(row)] for topic, rows in outputs.items()}
        await _write(writer, states, kept, offsets)

    return patch.object(TransactionalWriter, "write", write)


def gap_not_seen(_world: World) -> AbstractContextManager[object]:
    """A batch is taken although what was fetched before it is missing."""

    async def apply(partition: Partition, batch: Batch) -> None:
        if partition.live and batch.epoch == partition.epoch:
            feeds = dict(zip(partition._topics, partition._need().merge.feeds, strict=True))
            for topic, span in batch.spans.items():
                span.start = feeds[topic].fetched
        await _apply(partition, batch)

    return patch.object(Partition, "_apply", apply)


def mark_not_written(_world: World) -> AbstractContextManager[object]:
    """Batches are written without their mark."""

    async def write(writer: TransactionalWriter, states: list[Row], outputs: Outputs, offsets: Offsets) -> None:
        await _write(writer, [row for row in states if row[0] != MARK], outputs, offsets)

    return patch.object(TransactionalWriter, "write", write)


def mark_by_itself(_world: World) -> AbstractContextManager[object]:
    """The mark is written in a transaction of its own, after that of its batch."""

    async def write(writer: TransactionalWriter, states: list[Row], outputs: Outputs, offsets: Offsets) -> None:
        marks = [row for row in states if row[0] == MARK]
        await _write(writer, [row for row in states if row[0] != MARK], outputs, {})
        if marks:
            await _write(writer, marks, {}, offsets)

    return patch.object(TransactionalWriter, "write", write)


def failed_batch_left(_world: World) -> AbstractContextManager[object]:
    """After an error the partition is given up and not taken over again: nothing is wrong, but nothing goes on."""

    async def rebuild(partition: Partition, _exc: BaseException) -> None:
        await partition._forget()

    return patch.object(Partition, "_rebuild", rebuild)


def unanswered_end_asked_again(_world: World) -> AbstractContextManager[object]:
    """A transaction whose end is not answered counts as committed when the second request for it is."""
    return patch.object(TransactionalWriter, "_watch_ends", lambda _writer, _client: None)


class Planted(NamedTuple):
    """A bug, and the delivery that it is a bug of."""

    plant: Plant
    delivery: str


_EXACTLY_ONCE = (
    failed_send_ignored,
    read_before_fencing,
    group_offset_trusted,
    fenced_goes_on,
    adopted_before_known,
    timer_outside_transaction,
    gap_not_seen,
    mark_not_written,
    mark_by_itself,
    failed_batch_left,
    unanswered_end_asked_again,
)
PLANTED: dict[str, Planted] = {
    plant.__name__.replace("_", "-"): Planted(plant, delivery)
    for delivery, plants in (("exactly_once", _EXACTLY_ONCE), ("at_least_once", UNFENCED))
    for plant in plants
}
"""By name."""
