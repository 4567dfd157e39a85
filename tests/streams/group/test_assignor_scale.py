"""200 partition numbers, 50 workers and more: whoever comes and goes, each number has one owner and few of them move.

That each has exactly one, and the same of all sources, is asserted in every rebalance (tests.support.assigning).
"""

from pathlib import Path
from random import Random

import pytest
from faust.assignor.partition_assignor import PartitionAssignor

from streams.group.assignor import WholeAssignor
from tests.bench.assignment import BROKERS_LIMIT, NUMBERS, WORKERS, Step, steps, table
from tests.support.assigning import Group


@pytest.fixture(scope="module")
def done() -> list[Step]:
    return list(steps())


def test_nobody_has_two_more_than_another(done: list[Step]) -> None:
    assert all(found.most - found.least <= 1 for step in done for found in step.rebalances)


def test_what_moves_goes_to_who_comes(done: list[Step]) -> None:
    """Who stays keeps what it has, unless somebody comes who must get a share."""
    before = 0
    for step in done:
        for found in step.rebalances:
            comers = max(0, found.workers - before)
            assert found.moved <= comers * -(-NUMBERS // found.workers), step.what
            before = found.workers


def test_a_rolling_restart_moves_each_share_there_and_back(done: list[Step]) -> None:
    (rolling,) = [step for step in done if len(step.rebalances) > 1]
    each = NUMBERS // WORKERS
    assert [found.freed for found in rolling.rebalances] == [each, 0] * (WORKERS - 1)
    assert [found.moved for found in rolling.rebalances] == [0, each] * (WORKERS - 1)


def test_the_page_has_what_happened(done: list[Step]) -> None:
    page = Path(__file__).parents[3] / "streams" / "SIZING.md"
    assert "\n".join(table(done)) in page.read_text()


def test_the_group_stays_far_below_what_a_broker_takes(done: list[Step]) -> None:
    sizes = {found.workers: found.record_bytes for step in done for found in step.rebalances}
    assert sizes[50] < BROKERS_LIMIT / 25
    assert sizes[500] < BROKERS_LIMIT / 3


@pytest.mark.parametrize("seed", range(2))
def test_any_coming_and_going(seed: int) -> None:
    """Also of the leader, also several at once, also all but one."""
    random, group, names = Random(seed), Group(NUMBERS), iter(range(1_000_000))
    group.rebalance(joining=[f"w{next(names)}"])
    for _ in range(20):
        there = [*group.members]
        leaving = random.sample(there, random.choice((0, 0, 1, 1, 5, len(there) - 1)) % len(there))
        joining = [f"w{next(names)}" for _ in range(random.choice((0, 0, 1, 1, 12, 40)))]
        found = group.rebalance(leaving=leaving, joining=joining)
        assert found.most - found.least <= 1
        again = group.rebalance()
        assert (again.moved, again.freed) == (0, 0)


def test_a_worker_that_was_away_does_not_disturb_the_others() -> None:
    """It comes back with what it had once, and has not heard who has it now."""
    group = Group(NUMBERS)
    group.rebalance(joining=[f"w{number}" for number in range(WORKERS)])
    stale = group.members["w7"]
    group.rebalance(leaving=["w7"])
    group.members["w7"] = stale
    found = group.rebalance()
    assert (found.least, found.most, found.moved) == (4, 4, 4)


@pytest.mark.parametrize("first", [PartitionAssignor, WholeAssignor])
def test_workers_with_fausts_own_assignor_understand_and_are_understood(first: type[PartitionAssignor]) -> None:
    """As releases before this one have it, in a rolling upgrade; whichever leads."""
    group, told = Group(NUMBERS), []
    group.rebalance(joining=["leader"], kind=first)
    group.rebalance(joining=[f"old{number}" for number in range(10)], kind=PartitionAssignor)
    for number in range(10):
        group.rebalance(leaving=[f"old{number}"])
        told.append(group.rebalance(joining=[f"new{number}"]))
    if first is WholeAssignor:
        assert max(found.most - found.least for found in told) <= 1
    else:
        assert told[-1].leader_bytes < told[0].leader_bytes
    found = group.rebalance(leaving=["leader"])
    assert (found.least, found.most) == (20, 20)
