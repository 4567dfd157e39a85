"""Handing partition numbers over, in virtual time: after a revocation nothing is sent for what may be another's."""

import asyncio

import pytest
from aiokafka.errors import RequestTimedOutError

from tests.support.holder import Late, Worker
from tests.support.virtual import background, virtually

# --- taking over -----------------------------------------------------------------------------------------------------


def test_seeking_comes_last() -> None:
    """What was fetched before is dropped by Faust when its flow stops, and would be missing after a seek."""

    async def scenario() -> None:
        worker = Worker()
        assert await worker.rebalance({0, 1}, 5)
        assert worker.live == {0, 1}
        steps = worker.wiring.taken("open", "read", "resume", "seek")
        assert steps == ["open", "open", "read", "read", "resume", "resume", "seek", "seek"]

    virtually(scenario())


def test_what_stays_ours_from_one_generation_to_the_next_is_kept() -> None:
    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0, 1}, 5)
        await worker.holdings.apply(worker.fetch(0))
        before, epoch = worker.holdings.held[0], worker.holdings.held[0].epoch
        worker.wiring.steps.clear()
        await worker.rebalance({0, 2}, 6)
        assert worker.holdings.held[0] is before
        assert worker.live == {0, 2}
        assert [number for name, number in worker.wiring.steps if name == "open"] == [2]
        assert [number for name, number in worker.wiring.steps if name == "close"] == [1]
        assert before.epoch != epoch  # it seeks again, to behind the batch
        assert {number: at["carts"] for number, at, _ in worker.wiring.seeks[-2:]} == {0: 1, 2: 0}

    virtually(scenario())


def test_what_is_kept_goes_on_while_others_are_read_back() -> None:
    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        await worker.holdings.drain(3)
        read = asyncio.Event()
        worker.wiring.plans["read"] = [read]
        worker.wiring.steps.clear()
        taking = background(worker.take_over({0, 1}, 6))
        await asyncio.sleep(1)
        assert worker.live == {0}
        assert ("resume", 1) not in worker.wiring.steps
        await worker.holdings.apply(worker.fetch(0))
        assert worker.wiring.taken("write") == ["write"]
        read.set()
        assert await taking
        assert worker.live == {0, 1}
        assert [number for name, number in worker.wiring.steps if name in ("resume", "seek")] == [0, 0, 1, 1]

    virtually(scenario())


def test_a_revocation_while_others_are_read_back_stops_what_was_kept() -> None:
    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        await worker.holdings.drain(3)
        worker.wiring.plans["read"] = [asyncio.Event()]
        taking = background(worker.take_over({0, 1}, 6))
        await asyncio.sleep(1)
        await worker.holdings.drain(3)
        assert not await taking
        assert worker.live == set()
        assert set(worker.holdings.held) == {0}
        assert await worker.take_over({0, 1}, 7)
        assert worker.live == {0, 1}

    virtually(scenario())


@pytest.mark.parametrize("generation", [5, 7, 4])
def test_what_another_may_have_had_meanwhile_is_taken_over_anew(generation: int) -> None:
    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        before = worker.holdings.held[0]
        worker.wiring.steps.clear()
        await worker.rebalance({0}, generation)
        assert worker.holdings.held[0] is not before
        assert worker.wiring.taken("close", "open", "read") == ["close", "open", "read"]
        assert worker.live == {0}

    virtually(scenario())


def test_records_fetched_for_an_earlier_owner_are_not_applied() -> None:
    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        old = worker.fetch(0)
        await worker.rebalance({0}, 7)
        await worker.holdings.apply(old)
        await worker.holdings.apply(worker.wiring.fetch(1, 1))
        assert worker.wiring.mark(0) is None
        await worker.holdings.apply(worker.fetch(0))
        assert worker.wiring.mark(0) is not None

    virtually(scenario())


# --- handing over ----------------------------------------------------------------------------------------------------


def test_the_group_waits_for_a_batch_in_flight() -> None:
    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        held = asyncio.Event()
        worker.wiring.plans["write"] = [held]
        applying = background(worker.holdings.apply(worker.fetch(0)))
        await asyncio.sleep(1)
        draining = background(worker.holdings.drain(3))
        await asyncio.sleep(1)
        assert not draining.done()
        held.set()
        await draining
        await applying
        assert worker.wiring.mark(0) is not None
        assert await worker.take_over({0}, 6)
        assert worker.wiring.taken("open") == ["open"]  # it is as durable says: kept

    virtually(scenario())


@pytest.mark.parametrize("step", ["write", "open", "read"])
def test_once_drained_nothing_is_sent_for_a_partition_that_hangs(step: str) -> None:
    """In a batch, or in a rebuild after one that failed: the group assigns it to another as soon as this returns."""

    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0, 1}, 5)
        worker.wiring.plans["write"] = [asyncio.Event() if step == "write" else RequestTimedOutError()]
        if step != "write":
            worker.wiring.plans[step] = [asyncio.Event()]
        applying = background(worker.holdings.apply(worker.fetch(0)))
        await asyncio.sleep(1)
        began = asyncio.get_running_loop().time()
        await worker.holdings.drain(3)
        assert asyncio.get_running_loop().time() - began < 3.1
        taken = worker.wiring.taken()
        assert taken[-1] == "close"
        await asyncio.sleep(100)
        assert applying.done()
        assert worker.wiring.taken() == taken
        assert worker.holdings.held.keys() == {1}
        assert await worker.take_over({0, 1}, 6)
        assert worker.live == {0, 1}
        assert len(worker.wiring.taken("open")) == (3 if step == "write" else 4)  # 1 was kept
        assert worker.ends == []

    virtually(scenario())


def test_a_batch_that_faust_breaks_off_is_not_trusted() -> None:
    """Whether it is durable is not known, so its partition is not kept."""

    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        worker.wiring.plans["write"] = [asyncio.Event()]
        applying = background(worker.holdings.apply(worker.fetch(0)))
        await asyncio.sleep(1)
        applying.cancel()
        await asyncio.wait((applying,))
        assert worker.live == set()
        await worker.rebalance({0}, 6)
        assert worker.wiring.taken("open", "write", "close") == ["open", "write", "close", "open"]
        assert worker.live == {0}

    virtually(scenario())


def test_a_revocation_ends_a_takeover_that_is_under_way() -> None:
    async def scenario() -> None:
        worker = Worker()
        worker.wiring.plans["open"] = [asyncio.Event()]
        taking = background(worker.take_over({0, 1}, 5))
        await asyncio.sleep(1)
        await worker.holdings.drain(3)
        taken = worker.wiring.taken()
        assert not await taking
        await asyncio.sleep(100)
        assert worker.wiring.taken() == taken
        assert worker.live == set()
        assert "resume" not in taken
        assert await worker.take_over({0, 1}, 6)
        assert worker.live == {0, 1}

    virtually(scenario())


def test_a_revocation_while_the_former_ones_are_let_go_opens_nothing() -> None:
    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        await worker.holdings.drain(3)
        held = asyncio.Event()
        worker.wiring.plans["close"] = [held]
        taking = background(worker.take_over({1}, 6))
        await asyncio.sleep(1)
        await worker.holdings.drain(3)
        worker.wiring.steps.clear()
        held.set()
        assert not await taking
        await asyncio.sleep(100)
        assert worker.wiring.taken() == []
        assert worker.holdings.held == {}

    virtually(scenario())


def test_a_takeover_that_is_overtaken_leaves_nothing_behind() -> None:
    """As when the worker stops: what it waits for is cancelled."""

    async def scenario() -> None:
        worker = Worker()
        worker.wiring.plans["read"] = [asyncio.Event()]
        taking = background(worker.take_over({0, 1}, 5))
        await asyncio.sleep(1)
        taking.cancel()
        await asyncio.wait((taking,))
        taken = worker.wiring.taken()
        assert taken[-2:] == ["close", "close"]
        await asyncio.sleep(100)
        assert worker.wiring.taken() == taken
        assert worker.holdings.held == {}

    virtually(scenario())


def test_letting_go_is_not_broken_off() -> None:
    """When the takeover that it is part of is overtaken."""

    async def scenario() -> None:
        worker = Worker()
        await worker.rebalance({0}, 5)
        held = asyncio.Event()
        worker.wiring.plans["write"] = [Late(held)]
        applying = background(worker.holdings.apply(worker.fetch(0)))
        await asyncio.sleep(1)
        worker.holdings.revoke()
        taking = background(worker.take_over({1}, 6))
        await asyncio.sleep(1)
        taking.cancel()
        await asyncio.wait((taking,))
        assert worker.wiring.taken("close") == []
        held.set()
        await applying
        await asyncio.sleep(1)
        assert worker.wiring.taken("close") == ["close"]

    virtually(scenario())


def test_stopping_tells_the_group_and_lets_everything_go() -> None:
    async def scenario() -> None:
        worker = Worker("at_least_once")
        await worker.rebalance({0, 1}, 5)
        await worker.holdings.apply(worker.fetch(0))
        await worker.holdings.apply(worker.fetch(0, offset=1))
        await worker.holdings.stop(5)
        assert sorted(commit["carts"] for commit in worker.wiring.commits) == [0, 1, 2]
        assert worker.wiring.taken()[-2:] == ["close", "close"]
        assert worker.holdings.held == {}

    virtually(scenario())
