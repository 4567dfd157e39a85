"""What is told of a partition number that works, rests, waits, or stands still."""

import asyncio
from math import isnan
from typing import Any

import pytest

from streams.delivery.partition import Partition
from streams.watch.status import STILL_SECONDS, PartitionStatus, Status
from tests.support.delivery import NOW, Wiring
from tests.support.virtual import virtually

SECOND = 1_000


class Seconds:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_what_is_told_while_a_state_is_read_back() -> None:
    clock = Seconds()
    partition = PartitionStatus(clock, ages=True)
    nothing = {"phase": "restoring", "lag": None, "lag_seconds": None, "rate": None, "seconds_left": None}
    assert partition.report() == nothing
    for _ in range(20):
        clock.now += 1
        partition.read_back(500, 4_000)
    partition.read_back(0, 2_000)
    assert partition.report() == {**nothing, "rate": 500.0, "seconds_left": None}  # as much is written as is read
    partition.restoring()
    for left in range(9_000, 4_000, -500):
        partition.read_back(500, left)
        clock.now += 1
    assert partition.report() == {**nothing, "rate": 500.0, "seconds_left": 9.0}
    assert partition.recovery_left == pytest.approx(9.0)
    partition.live()
    assert partition.report() == {**nothing, "phase": "live"}
    assert partition.recovery_left == 0.0


def test_who_stands_still_falls_behind_by_the_wall_clock_only() -> None:
    clock = Seconds()
    live, replayed = PartitionStatus(clock, ages=True), PartitionStatus(clock, ages=False)
    for partition in (live, replayed):
        partition.live()
        assert partition.lag_seconds is None
        partition.passed(2_500)
    clock.now += 7
    assert (live.lag_seconds, replayed.lag_seconds) == (9.5, 2.5)


def test_a_loop_that_does_not_turn() -> None:
    clock = Seconds()
    status = Status(clock)
    status.live()
    assert (status.turning, status.ready, status.healthy) == (True, True, True)
    clock.now += STILL_SECONDS
    assert (status.turning, status.ready, status.healthy) == (False, False, False)
    status.beat()
    status.parameters = lambda: "fit-1"
    assert status.report() == {
        "phase": "live",
        "ready": True,
        "healthy": True,
        "parameters": "fit-1",
        "partitions": {},
        "seconds_since_loop_turned": 0.0,
    }


def test_who_reads_back_is_healthy_and_not_ready() -> None:
    status = Status(Seconds())
    status.partition(3, ages=True)
    assert (status.ready, status.healthy) == (False, True)
    status.live()
    assert (status.ready, status.healthy) == (False, True)
    status.partition(3, ages=True).live()
    assert (status.ready, status.healthy) == (True, True)


# --- of a partition at work ------------------------------------------------------------------------------------------


class Watched:
    """A partition number that is live, and what is told of it."""

    def __init__(self, wiring: Wiring) -> None:
        self.wiring = wiring
        self.partition = Partition(3, wiring.means)

    async def start(self) -> "Watched":
        await self.partition.open()
        await self.partition.start()
        self.wiring.status.live()
        return self

    async def passes(self, seconds: int, *, heard: bool) -> dict[str, Any]:
        """So many seconds with a tick in each; `heard`: the brokers answer. What is told then."""
        for _ in range(seconds):
            self.wiring.now += SECOND
            if heard:
                self.wiring.heard = self.wiring.now
            self.wiring.status.beat()
            await self.partition.tick()
        found: dict[str, Any] = self.wiring.status.partitions[3].report()
        return found

    def metric(self, name: str) -> float:
        value = self.wiring.metrics.registry.get_sample_value(name, {"partition": "3"})
        assert value is not None
        return value


def test_a_quiet_topic_is_live() -> None:
    async def scenario() -> None:
        watched = await Watched(Wiring()).start()
        told = await watched.passes(600, heard=True)
        assert told == {"phase": "live", "lag": 0, "lag_seconds": 0.0, "rate": 0.0, "seconds_left": 0.0}
        assert watched.wiring.status.ready
        assert watched.metric("offbeat_partition_still_seconds") == 0
        assert watched.metric("offbeat_lag_seconds") == 0

    virtually(scenario())


def test_a_partition_of_which_one_source_does_not_answer_is_frozen() -> None:
    async def scenario() -> None:
        watched = await Watched(Wiring()).start()
        watched.wiring.unheard = {"purchases"}
        told = await watched.passes(12, heard=True)
        assert (told["phase"], told["lag"], told["lag_seconds"]) == ("frozen", 0, 12.0)

    virtually(scenario())


@pytest.mark.parametrize("lag", [0, 5])
def test_a_partition_of_which_the_brokers_tell_no_more_is_frozen(lag: int) -> None:
    """Nothing can be concluded, whether or not there was something to do."""

    async def scenario() -> None:
        watched = await Watched(Wiring()).start()
        await watched.passes(3, heard=True)
        watched.wiring.told_ends["carts"] = lag
        assert (await watched.passes(10, heard=False))["phase"] == "live"
        assert watched.wiring.status.healthy
        told = await watched.passes(1, heard=False)
        assert (told["phase"], told["lag"], told["lag_seconds"]) == ("frozen", lag, 11.0)
        assert (watched.wiring.status.ready, watched.wiring.status.healthy) == (False, False)
        watched.wiring.told_ends["carts"] = 0
        assert (await watched.passes(1, heard=True))["phase"] == "live"

    virtually(scenario())


def test_a_batch_that_hangs_freezes_its_partition() -> None:
    async def scenario() -> None:
        watched = await Watched(Wiring()).start()
        await watched.passes(3, heard=True)
        hung = asyncio.Event()
        watched.wiring.plans["write"] = [hung]
        fetched = watched.wiring.fetch(3, watched.partition.epoch)
        applying = asyncio.create_task(watched.partition.apply(fetched))
        await asyncio.sleep(0.1)
        for _ in range(30):
            watched.wiring.now += SECOND
            await asyncio.sleep(0)
        told = watched.wiring.status.partitions[3].report()
        assert (told["phase"], told["lag"], told["lag_seconds"]) == ("frozen", 1, 30.0)
        assert watched.metric("offbeat_partition_still_seconds") == 30
        hung.set()
        await applying
        assert watched.wiring.status.partitions[3].phase == "live"

    virtually(scenario())


def test_records_that_are_there_and_never_come_freeze_their_partition() -> None:
    async def scenario() -> None:
        watched = await Watched(Wiring()).start()
        watched.wiring.told_ends["carts"] = 7
        told = await watched.passes(11, heard=True)
        assert (told["phase"], told["lag"], told["seconds_left"]) == ("frozen", 7, None)

    virtually(scenario())


def test_in_event_time_waiting_for_a_silent_source_is_no_fault() -> None:
    async def scenario() -> None:
        watched = await Watched(Wiring(clock="event")).start()
        await watched.partition.apply(watched.wiring.fetch(3, watched.partition.epoch, count=5))
        told = await watched.passes(60, heard=True)
        assert (told["phase"], told["lag"], told["lag_seconds"]) == ("live", 5, None)  # of the others nothing came yet
        watched.wiring.unheard = {"carts"}  # as of a source that is full
        assert (await watched.passes(60, heard=True))["phase"] == "live"
        told = await watched.passes(60, heard=False)
        assert told["phase"] == "frozen"

    virtually(scenario())


def test_nothing_is_shown_of_what_is_not_known_or_gone() -> None:
    async def scenario() -> None:
        watched = Watched(Wiring())
        await watched.partition.open()
        assert isnan(watched.metric("offbeat_lag_seconds"))
        assert isnan(watched.metric("offbeat_partition_still_seconds"))
        assert watched.metric("offbeat_recovery_left_seconds") == 0
        await watched.partition.start()
        assert watched.metric("offbeat_partition_still_seconds") == 0
        await watched.partition.drop()
        shown = watched.wiring.metrics.registry.collect()
        assert [s for family in shown for s in family.samples if s.labels.get("partition") == "3"] == []

    virtually(scenario())


def test_how_far_an_outage_set_it_back() -> None:
    """By event time: the next to be taken is 40 minutes old; a second later it is taken."""

    async def scenario() -> None:
        wiring = Wiring()
        watched = await Watched(wiring).start()
        await watched.passes(1, heard=True)
        wiring.now = wiring.heard = NOW + 2_400_000
        watched.partition.pause()
        assert watched.partition.pipeline is not None
        pipeline = watched.partition.pipeline
        batch = wiring.fetch(3, watched.partition.epoch)
        pipeline.feed(2, batch.spans["carts"].records, 1, wiring.now, wiring.now)
        assert pipeline.merge.behind(wiring.now) == pytest.approx(2_400_000, abs=2_000)
        pipeline.complete(0, 0, wiring.now)
        pipeline.complete(1, 0, wiring.now)
        pipeline.work(wiring.now)
        pipeline.complete(2, 1, wiring.now)
        assert pipeline.merge.behind(wiring.now) == 0

    virtually(scenario())
