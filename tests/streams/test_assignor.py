"""Who gets which partition numbers: only by a whole picture, and no more of them move than must."""

from random import Random

import faust
import pytest

from streams.assignor import IncompleteError, WholeAssignor
from streams.settings import Settings
from tables.events import SOURCES


class Picture:
    """What a client knows of the cluster: how many partitions each topic has."""

    def __init__(self, **counts: int) -> None:
        self._counts = counts

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._counts[topic])) if self._counts.get(topic) else None


def new_assignor(partitions: int, ends: list[tuple[int, str]]) -> WholeAssignor:
    app = faust.App("x", table_standby_replicas=0)
    app.offbeat_settings, app.offbeat_partitions = Settings(), partitions
    app.offbeat_fatal = lambda code, message: ends.append((code, message))
    return WholeAssignor(app)


def test_nothing_is_assigned_by_an_incomplete_picture() -> None:
    ends: list[tuple[int, str]] = []
    assignor = new_assignor(2, ends)
    assert assignor.assign(Picture(customers=2, purchases=2, carts=2), {}) == {}
    for picture in (Picture(), Picture(customers=2, purchases=2), Picture(customers=2, purchases=2, carts=1)):
        with pytest.raises(IncompleteError, match=r"the broker tells \d of the 2 partitions of "):
            assignor.assign(picture, {})
    assert not ends
    with pytest.raises(IncompleteError):
        assignor.assign(Picture(customers=2, purchases=3, carts=2), {})
    assert [code for code, _ in ends] == [2]
    assert ends[0][1].startswith("topic purchases has 3 partitions now, it had 2 when this worker started")


class Group:
    """Workers of a group; the eldest is its leader."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._picture = Picture(**dict.fromkeys(SOURCES, partitions))
        self._ends: list[tuple[int, str]] = []
        self.members: dict[str, WholeAssignor] = {}
        self.held: dict[str, set[int]] = {}

    def rebalance(self, *, leaving: str = "", joining: str = "") -> None:
        self.members.pop(leaving, None)
        if joining:
            self.members[joining] = new_assignor(self._partitions, self._ends)
        told = {name: assignor.metadata(set(SOURCES)) for name, assignor in self.members.items()}
        leader = next(iter(self.members.values()))
        self.held = {}
        for name, assignment in leader.assign(self._picture, told).items():
            by_topic = [set(numbers) for _, numbers in assignment.assignment]
            assert len(by_topic) in (0, 3)
            assert all(numbers == by_topic[0] for numbers in by_topic)
            self.held[name] = by_topic[0] if by_topic else set()
            self.members[name].on_assignment(assignment)
        assert sorted(number for numbers in self.held.values() for number in numbers) == [*range(self._partitions)]
        assert max(map(len, self.held.values())) - min(map(len, self.held.values())) <= 1
        assert not self._ends


@pytest.mark.parametrize(("workers", "partitions"), [(3, 6), (3, 4), (2, 5), (4, 4), (5, 3)])
def test_only_what_must_moves_in_a_rolling_restart(workers: int, partitions: int) -> None:
    """What a leaving worker had goes to the others, which keep theirs; its successor gets its share, and no other."""
    group, random = Group(partitions), Random(workers)
    for number in range(workers):
        group.rebalance(joining=f"w{number}")
    for number in range(workers, workers + 20):
        before, leaving = group.held, random.choice([*group.members])
        group.rebalance(leaving=leaving)
        assert all(before[name] <= numbers for name, numbers in group.held.items())
        between, joining = group.held, f"w{number}"
        group.rebalance(joining=joining)
        assert len(group.held[joining]) in {partitions // workers, -(-partitions // workers)}
        assert all(numbers <= between[name] for name, numbers in group.held.items() if name != joining)
