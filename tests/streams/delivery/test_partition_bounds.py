"""What a partition number holds while it waits, and how it gets on with brokers that are slow."""

import asyncio

import pytest
from aiokafka.errors import RequestTimedOutError

from streams.delivery import partition as module
from streams.delivery.batch import Batch, Span
from streams.delivery.batchsize import LEAST
from streams.delivery.partition import BACKLOG, Partition
from tests.support.core import encode, viewed
from tests.support.delivery import NOW, FakeWriter, Wiring, started
from tests.support.pipes import Kept
from tests.support.virtual import virtually


def fetched(wiring: Wiring, partition: Partition, begin: int, count: int, *, product: str = "p") -> Batch:
    """Views from the offset `begin` on. Nothing is known of the other sources, so that they must wait for them."""
    topic = wiring.settings.sources[2]
    records = [
        Kept(at, b"c%d" % at, encode(viewed(NOW - 1000, product, customer=f"c{at}")))
        for at in range(begin, begin + count)
    ]
    batch = Batch(3, partition.epoch)
    batch.spans[topic] = Span(begin, begin + count, NOW + 1, list(records))
    return batch


@pytest.mark.parametrize("product", ["many small ones", "fewer large ones" * 30])
def test_a_source_that_waits_is_left_alone_when_it_is_full(product: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKLOG_BYTES", 4_000_000)

    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        begin = 0
        while not wiring.full:
            await partition.apply(fetched(wiring, partition, begin, 1_000, product=product))
            begin += 1_000
            partition.release()
            assert begin <= BACKLOG + 1_000
        assert wiring.full == {wiring.settings.sources[2]}
        assert partition.pipeline is not None
        merge = partition.pipeline.merge
        assert merge.waiting == begin
        assert begin == BACKLOG + 1_000 or merge.weigh() > 4_000_000
        assert merge.weigh() <= 4_000_000 + 1_000 * 700

    virtually(scenario())


def test_what_was_full_is_fetched_again_when_it_is_taken() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        await partition.apply(fetched(wiring, partition, 0, BACKLOG + 1))
        partition.release()
        assert wiring.full
        wiring.heard = NOW + 2  # the other sources were read to their ends
        await partition.tick()
        partition.release()
        assert not wiring.full
        assert partition.pipeline is not None
        assert (partition.pipeline.merge.waiting, partition.pipeline.merge.weigh()) == (0, 0)

    virtually(scenario())


class Slow(FakeWriter):
    """Takes 2 ms for each record, and of those that take longer than a transaction may, none."""

    async def write(self, states: object, outputs: object, offsets: object) -> None:
        rows = list(states)  # type: ignore[call-overload]
        await asyncio.sleep(min(15.0, 0.002 * len(rows)))
        if len(rows) > 7_500:
            raise RequestTimedOutError
        await super().write(rows, outputs, offsets)  # type: ignore[arg-type]


def test_slow_brokers_get_batches_that_they_can_take() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        object.__setattr__(wiring.means, "new_writer", lambda number: Slow(wiring, number))
        partition = await started(wiring)
        await partition.apply(fetched(wiring, partition, 0, BACKLOG))
        wiring.heard = NOW + 2
        await partition.tick()
        mark = wiring.mark(3)
        assert mark is not None
        assert mark.positions["carts"].offset == BACKLOG
        assert wiring.metrics.registry.get_sample_value("offbeat_batches_failed_total") == 0
        assert LEAST <= partition._size.most <= 5_000

    virtually(scenario())
