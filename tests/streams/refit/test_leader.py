"""Who has partition 0 fits what is due, once, and tells all what came of it."""

import asyncio
import logging

import msgspec
import pytest
from aiokafka.errors import RequestTimedOutError
from prometheus_client import CollectorRegistry

from streams.refit import records
from streams.refit.board import Board
from streams.refit.child import Answer, Task
from streams.refit.leader import PATIENCE, Leader
from streams.refit.records import Score, Tried, sample_key
from streams.refit.running import RefitFailedError
from streams.watch.refitmetrics import RefitMetrics
from tables.parameters import BUILTIN
from tests.support.published import named, published, sample
from tests.support.virtual import virtually

DAY = 86_400_000
ROUND = 1_600_041_600_000
NEW = named("live-1")
BETTER = Answer(
    parameters=NEW,
    why="better",
    tried=True,
    adopted=True,
    before=Score(50, -2.0),
    after=Score(50, -1.0, (0.5, 0.8, 0.9)),
)
KEPT = Answer(parameters=None, why="worse", tried=True, before=Score(50, -1.0), after=Score(50, -2.0))


class World:
    """The topic, its reader, a leader, and refits that answer as the test says."""

    def __init__(self, *answers: Answer | Exception | float, every: int = 28 * DAY) -> None:
        self.answers = list(answers)
        self.tasks: list[Task] = []
        self.ended = 0
        self.board = Board()
        self.refuse: list[Exception] = []
        self.written: list[bytes] = []
        self.registry = CollectorRegistry()
        self.now = 0.0
        self.leader = Leader(
            every, 2, BUILTIN, "w", RefitMetrics(self.registry), self.refit, lambda: self.now, lambda: 1.0
        )

    async def refit(self, task: Task) -> Answer:
        self.tasks.append(task)
        answer = self.answers.pop(0)
        try:
            await asyncio.sleep(answer if isinstance(answer, float) else 1)
        finally:
            self.ended += 1
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, Answer)
        return answer

    async def write(self, key: bytes, value: bytes) -> None:
        if self.refuse:
            raise self.refuse.pop(0)
        self.written.append(key)
        self.board.take(key, value)

    def sampled(self, until: int, *numbers: int) -> None:
        for number in numbers or (0, 1):
            self.board.take(sample_key(number), records.sample_of.encode(sample(until)))

    async def look(self, *, leads: bool = True) -> None:
        await self.leader.look(self.board, leads=leads, write=self.write)

    async def round(self) -> None:
        """Begin what is due, and publish what comes of it."""
        await self.look()
        await asyncio.sleep(2)
        await self.look()

    def count(self, outcome: str) -> float | None:
        return self.registry.get_sample_value("offbeat_refits_total", {"outcome": outcome})

    @property
    def tried(self) -> Tried:
        assert self.board.tried is not None
        return self.board.tried


def test_what_is_better_is_published_and_said_to_all() -> None:
    async def scenario() -> None:
        world = World(BETTER, KEPT)
        await world.round()
        assert world.tasks == [], "there are no samples"
        world.sampled(ROUND)
        await world.round()
        (task,) = world.tasks
        assert (task.until, task.every, len(task.samples)) == (ROUND, 28 * DAY, 2)
        assert msgspec.json.decode(task.current, type=type(BUILTIN)) == BUILTIN
        assert world.board.parameters == named("live-1")
        found = world.board.in_force
        assert found is not None
        assert (found.serial, found.way, found.until, found.by, found.why) == (1, "refit", ROUND, "w", "better")
        assert (found.before, found.after) == (BETTER.before, BETTER.after)
        assert (world.tried.outcome, world.tried.until) == ("adopted", ROUND)
        await world.round()
        assert len(world.tasks) == 1, "a round is fitted once"
        assert (world.count("adopted"), world.count("kept")) == (1, 0)
        world.sampled(ROUND + 7 * DAY)
        await world.round()
        assert msgspec.json.decode(world.tasks[1].current, type=type(BUILTIN)) == named("live-1")
        assert (world.tasks[1].until, world.tried.outcome) == (ROUND + 7 * DAY, "kept")

    virtually(scenario())


def test_what_is_no_better_is_not_published_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World(KEPT)
        world.sampled(ROUND)
        with caplog.at_level(logging.INFO):
            await world.round()
        assert world.board.in_force is None
        assert (world.tried.outcome, world.tried.why, world.tried.after) == ("kept", "worse", KEPT.after)
        assert "fitted anew, and nothing of it is adopted: worse" in caplog.text
        assert world.count("kept") == 1

    virtually(scenario())


@pytest.mark.parametrize(("tried", "outcome"), [(False, "clock"), (True, "kept")])
def test_a_clock_that_goes_on_is_published_whatever_came_of_the_rest(tried: bool, outcome: str) -> None:
    async def scenario() -> None:
        world = World(Answer(parameters=NEW, why="a week", tried=tried))
        world.sampled(ROUND)
        await world.round()
        assert world.board.in_force is not None
        assert (world.board.version, world.board.in_force.way, world.tried.outcome) == ("live-1", "clock", outcome)
        assert world.count(outcome) == 1

    virtually(scenario())


@pytest.mark.parametrize("error", [RefitFailedError("it ended with status 9"), ZeroDivisionError("a bug")])
def test_what_fails_is_told_counted_and_tried_again(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World(error, error, BETTER)
        for day, failures in ((0, 1), (1, 2), (2, 0)):
            world.sampled(ROUND + day * DAY)
            await world.round()
            assert world.tried.failures == failures
        assert world.count("failed") == 2
        assert caplog.text.count("a refit failed: ") == 2
        assert str(error) in caplog.text
        assert world.board.version == "live-1"

    virtually(scenario())


def test_who_loses_partition_0_ends_what_is_under_way() -> None:
    async def scenario() -> None:
        world = World(1e9, BETTER)
        world.sampled(ROUND)
        await world.look(leads=False)
        assert world.tasks == []
        await world.look()
        await asyncio.sleep(2)
        await world.look(leads=False)
        assert (len(world.tasks), world.ended, world.written) == (1, 1, [])
        await world.round()  # it comes back
        assert world.board.version == "live-1"

    virtually(scenario())


def test_brokers_that_do_not_take_it_are_asked_again() -> None:
    async def scenario() -> None:
        world = World(BETTER)
        world.sampled(ROUND)
        world.refuse = [RequestTimedOutError()]
        with pytest.raises(RequestTimedOutError):
            await world.round()
        await world.look()
        assert (len(world.tasks), world.board.version, world.tried.outcome) == (1, "live-1", "adopted")
        await world.round()
        assert len(world.tasks) == 1

    virtually(scenario())


def test_what_was_published_meanwhile_is_what_a_refit_must_be_better_than() -> None:
    async def scenario() -> None:
        world = World(BETTER, KEPT)
        world.sampled(ROUND)
        await world.look()
        await asyncio.sleep(2)
        world.board.take(published(1).key, records.published.encode(published(1, "by hand")))
        await world.look()
        assert world.written == []
        await world.round()
        assert msgspec.json.decode(world.tasks[1].current, type=type(BUILTIN)) == named("by hand")
        assert (world.board.version, world.tried.outcome) == ("by hand", "kept")

    virtually(scenario())


def test_two_leaders_of_one_round_do_no_harm() -> None:
    async def scenario() -> None:
        one, other = World(BETTER), World(BETTER)
        other.board = one.board
        one.sampled(ROUND)
        await one.look()
        await other.look()
        await asyncio.sleep(2)
        await one.look()
        await other.look()
        assert (one.board.version, one.board.next_serial) == ("live-1", 2)
        assert len(one.board.former()) == 1

    virtually(scenario())


def test_who_is_away_for_long_is_not_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> None:
        world = World(BETTER)
        world.sampled(ROUND, 1)
        await world.round()
        world.now = PATIENCE + 1
        await world.round()
        assert [len(task.samples) for task in world.tasks] == [1]
        assert "fitted without 1 partitions" in caplog.text

    virtually(scenario())


def test_nothing_is_fitted_where_that_is_off() -> None:
    async def scenario() -> None:
        world = World(every=0)
        world.sampled(ROUND)
        await world.round()
        assert world.tasks == []

    virtually(scenario())
