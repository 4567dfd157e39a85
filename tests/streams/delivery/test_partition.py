"""One partition number in virtual time: the order at taking over, and what it does when steps fail or hang."""

import asyncio

import pytest
from aiokafka.errors import (
    IllegalStateError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RequestTimedOutError,
    TransactionalIdAuthorizationFailed,
    for_code,
)

from streams.delivery.partition import GIVE_UP_BATCHES, Partition
from streams.delivery.takeover import GIVE_UP_SECONDS
from streams.errors import FencedError, StopError
from tests.support.delivery import Wiring, started
from tests.support.virtual import background, virtually

TAKING_OVER = ["in_group", "open", "fence", "read", "committed", "committed", "committed"]


def now() -> float:
    return asyncio.get_running_loop().time()


# --- taking over -----------------------------------------------------------------------------------------------------


def test_the_order_of_taking_over() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        assert wiring.taken() == [*TAKING_OVER, "seek"]
        assert wiring.seeks == [(3, dict.fromkeys(wiring.settings.sources, 0), partition.epoch)]
        await partition.apply(wiring.fetch(3, partition.epoch, count=5))
        assert wiring.taken()[-2:] == ["write", "tell"]
        mark = wiring.mark(3)
        assert mark is not None
        assert mark.positions["carts"].offset == 5
        assert wiring.metrics.registry.get_sample_value("offbeat_customers", {"partition": "3"}) == 5

        again = await started(wiring)
        assert wiring.seeks[-1] == (3, {**dict.fromkeys(wiring.settings.sources, 0), "carts": 5}, again.epoch)
        assert again.epoch != partition.epoch

    virtually(scenario())


@pytest.mark.parametrize("step", ["open", "fence", "read", "committed"])
def test_each_step_of_taking_over_may_fail_and_is_never_taken_up_in_the_middle(step: str) -> None:
    async def scenario() -> None:
        wiring = Wiring()
        wiring.plans[step] = [RequestTimedOutError(), OSError("connection reset"), TimeoutError()]
        await started(wiring)
        begun = TAKING_OVER[: TAKING_OVER.index(step) + 1]
        assert wiring.taken() == [*begun, "close"] * 3 + [*TAKING_OVER, "seek"]

    virtually(scenario())


@pytest.mark.parametrize("step", ["in_group", "committed"])
def test_a_step_that_hangs_is_given_up(step: str) -> None:
    async def scenario() -> None:
        wiring = Wiring()
        wiring.plans[step] = [asyncio.Event()]
        await started(wiring)
        assert 30 < now() < 31
        assert wiring.taken(step, "close")[:2] == [step, "close"]

    virtually(scenario())


def test_brokers_that_are_away_are_waited_for_and_others_are_not() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        wiring.away = True
        wiring.plans["open"] = [KafkaError("no coordinator")] * 1000
        opening = background(Partition(0, wiring.means).open())
        await asyncio.sleep(900)
        assert not opening.done()
        wiring.away = False
        with pytest.raises(StopError, match=r"partition 0 cannot be taken over: KafkaError\('no coordinator'\)"):
            await opening
        assert 900 + GIVE_UP_SECONDS - 3 < now() < 900 + GIVE_UP_SECONDS + 3

    virtually(scenario())


def test_what_is_refused_for_good_is_not_tried_again() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        wiring.plans["open"] = [TransactionalIdAuthorizationFailed()]
        with pytest.raises(StopError, match="transactional ids"):
            await Partition(0, wiring.means).open()
        assert wiring.taken("open", "close") == ["open", "close"]

    virtually(scenario())


@pytest.mark.parametrize("step", ["in_group", "open", "fence", "read", "committed"])
def test_no_error_of_the_protocol_is_passed_while_taking_over(step: str) -> None:
    """Each leads to another attempt from the beginning, or to the end; aiokafka has no name for many."""

    async def scenario(code: int) -> None:
        wiring = Wiring()
        wiring.plans[step] = [for_code(code)()]
        partition = Partition(3, wiring.means)
        begun = [*TAKING_OVER[: TAKING_OVER.index(step) + 1], "close"]
        try:
            await partition.open()
        except StopError:
            assert wiring.taken() == begun
            assert partition.pipeline is None
        else:
            assert wiring.taken() == [*begun, *TAKING_OVER]

    for code in range(1, 131):
        virtually(scenario(code))


def test_no_writer_is_opened_for_a_worker_that_the_group_has_given_up() -> None:
    """It would fence the one that has the partition now."""

    async def scenario() -> None:
        wiring = Wiring()
        wiring.member = False
        opening = background(Partition(0, wiring.means).open())
        await asyncio.sleep(20)
        assert wiring.taken("open") == []
        wiring.member = True
        await opening
        assert wiring.taken("open") == ["open"]

    virtually(scenario())


@pytest.mark.parametrize(
    ("writes_again", "ends"),
    [([], StopError), ([FencedError("a newer producer")], FencedError)],
    ids=["lost", "fenced"],
)
def test_offsets_beyond_the_changelog_are_no_loss_if_a_later_owner_wrote_them(
    writes_again: list[BaseException | asyncio.Event], ends: type[Exception]
) -> None:
    async def scenario() -> None:
        wiring = Wiring()
        wiring.group = 7
        opening = background(Partition(0, wiring.means).open())
        await asyncio.sleep(0.0035)
        assert wiring.taken()[-1] == "read"
        wiring.plans["fence"] = writes_again
        with pytest.raises(ends):
            await opening
        assert wiring.taken("fence") == ["fence", "fence"]

    virtually(scenario())


def test_without_fencing_the_group_says_whether_a_later_owner_wrote_them() -> None:
    async def scenario() -> None:
        wiring = Wiring("at_least_once")
        wiring.group, wiring.member = 7, True
        opening = background(Partition(0, wiring.means).open())
        await asyncio.sleep(0.0035)
        assert wiring.taken()[-1] == "read"
        wiring.member = False
        await asyncio.sleep(1)
        assert not opening.done()
        wiring.group, wiring.member = None, True
        await opening

    virtually(scenario())


def test_a_partition_that_is_taken_away_while_it_seeks_is_not_live() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = Partition(0, wiring.means)
        await partition.open()
        wiring.plans["seek"] = [IllegalStateError("no longer assigned")]
        await partition.start()
        assert not partition.live
        held = asyncio.Event()
        wiring.plans["seek"] = [held]
        starting = background(partition.start())
        await asyncio.sleep(1)
        partition.pause()
        held.set()
        await starting
        assert not partition.live

    virtually(scenario())


# --- batches that fail -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RequestTimedOutError(), OSError("reset"), TimeoutError(), KafkaError("unknown")])
def test_after_any_error_the_writer_is_opened_anew_and_the_events_are_fetched_again(error: Exception) -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        first = partition.epoch
        wiring.steps.clear()
        wiring.plans["write"] = [error]
        batch = wiring.fetch(3, first)
        await partition.apply(batch)
        assert wiring.taken() == ["write", "close", *TAKING_OVER, "seek"]
        assert partition.live
        await partition.apply(batch)  # fetched before: it counts no longer
        assert wiring.mark(3) is None
        await partition.apply(wiring.fetch(3, partition.epoch))
        assert wiring.mark(3) is not None

    virtually(scenario())


def test_every_error_of_the_protocol_leads_to_a_new_writer_or_to_the_end() -> None:
    """Also those that aiokafka has no name for."""

    async def scenario(code: int) -> None:
        wiring = Wiring()
        partition = await started(wiring)
        wiring.steps.clear()
        wiring.plans["write"] = [for_code(code)()]
        try:
            await partition.apply(wiring.fetch(3, partition.epoch))
        except StopError:
            assert wiring.taken() == ["write", "close"]
        else:
            assert wiring.taken()[:4] == ["write", "close", "in_group", "open"]

    for code in range(1, 131):
        virtually(scenario(code))


def test_a_batch_that_never_becomes_durable_ends_the_worker_unless_it_may_pass() -> None:
    async def scenario(error: KafkaError) -> int:
        wiring = Wiring()
        partition = await started(wiring)
        wiring.plans["write"] = [error] * 8
        try:
            for _ in range(9):
                await partition.apply(wiring.fetch(3, partition.epoch))
        except StopError as exc:
            assert "a batch cannot be made durable: MessageSizeTooLargeError" in str(exc)  # noqa: PT017
        return len(wiring.taken("write"))

    assert virtually(scenario(MessageSizeTooLargeError())) == GIVE_UP_BATCHES
    assert virtually(scenario(RequestTimedOutError())) == 9


def test_a_fenced_writer_is_not_opened_again() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        wiring.plans["write"] = [FencedError("epoch 4")]
        wiring.steps.clear()
        with pytest.raises(FencedError):
            await partition.apply(wiring.fetch(3, partition.epoch))
        assert wiring.taken() == ["write"]

    virtually(scenario())


def test_a_gap_in_what_is_fetched_is_fetched_again() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        wiring.steps.clear()
        await partition.apply(wiring.fetch(3, partition.epoch, offset=2))
        assert wiring.taken() == ["seek"]
        assert wiring.seeks[-1] == (3, dict.fromkeys(wiring.settings.sources, 0), partition.epoch)

    virtually(scenario())


# --- giving up -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["in_group", "open", "fence", "read", "committed", "seek"])
def test_dropping_ends_a_rebuild_for_good_wherever_it_is(step: str) -> None:
    """A writer that opens later would fence the new owner."""

    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        held = asyncio.Event()
        wiring.plans["write"], wiring.plans[step] = [RequestTimedOutError()], [held]
        applying = background(partition.apply(wiring.fetch(3, partition.epoch)))
        await asyncio.sleep(5)
        assert wiring.taken()[-1] == step
        await partition.drop()
        assert applying.done()
        taken = wiring.taken()
        held.set()
        await asyncio.sleep(100)
        assert wiring.taken() == taken
        assert taken[-2:] == [step, "close"]
        assert not partition.live
        assert partition.pipeline is None

    virtually(scenario())


def test_dropping_ends_the_first_taking_over_between_two_attempts_too() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        wiring.away = True
        wiring.plans["open"] = [KafkaConnectionError()] * 1000
        partition = Partition(0, wiring.means)
        opening = background(partition.open())
        await asyncio.sleep(50)
        await partition.drop()
        assert opening.done()
        attempts = len(wiring.taken("open"))
        await asyncio.sleep(50)
        assert len(wiring.taken("open")) == attempts > 20

    virtually(scenario())


def test_a_write_that_is_broken_off_is_not_followed_by_anything() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        wiring.plans["write"] = [asyncio.Event()]
        applying = background(partition.apply(wiring.fetch(3, partition.epoch)))
        await asyncio.sleep(1)
        partition.pause()
        assert not await partition.settled(now() + 3)
        await partition.drop()
        await applying
        await asyncio.sleep(100)
        assert wiring.taken()[-2:] == ["write", "close"]
        assert wiring.metrics.registry.get_sample_value("offbeat_partition_live", {"partition": "3"}) is None
        assert wiring.status.partitions == {}

    virtually(scenario())


def test_a_batch_that_fails_after_the_revocation_is_left_to_the_next_owner() -> None:
    async def scenario() -> None:
        wiring = Wiring()
        partition = await started(wiring)
        held = asyncio.Event()
        wiring.plans["write"] = [held]
        applying = background(partition.apply(wiring.fetch(3, partition.epoch)))
        await asyncio.sleep(1)
        partition.pause()
        assert wiring.taken()[-1] == "write"
        settling = asyncio.create_task(partition.settled(now() + 3))
        await asyncio.sleep(1)
        wiring.plans["write"] = []
        held.set()
        assert await settling  # it became durable: it may be kept
        await applying
        assert wiring.mark(3) is not None

        await partition.start()
        wiring.plans["write"] = [RequestTimedOutError()]
        applying = background(partition.apply(wiring.fetch(3, partition.epoch, offset=1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        partition.pause()
        assert not await partition.settled(now() + 3)
        await applying
        await asyncio.sleep(100)
        assert wiring.taken()[-2:] == ["write", "close"]

    virtually(scenario())


def test_without_transactions_the_group_hears_where_the_worker_stands() -> None:
    async def scenario() -> None:
        wiring = Wiring("at_least_once")
        partition = await started(wiring)
        for offset in range(3):
            await partition.apply(wiring.fetch(3, partition.epoch, offset=offset))
        assert [commit["carts"] for commit in wiring.commits] == [1]  # not with each batch
        await asyncio.sleep(1.5)
        await partition.tick()
        assert [commit["carts"] for commit in wiring.commits] == [1, 3]
        await partition.apply(wiring.fetch(3, partition.epoch, offset=3))
        wiring.plans["commit_group"] = [KafkaError("no coordinator")]
        await partition.finish()
        assert [commit["carts"] for commit in wiring.commits] == [1, 3]
        await partition.finish()
        assert [commit["carts"] for commit in wiring.commits] == [1, 3, 4]

    virtually(scenario())
