"""Who gets which partition numbers: only by a whole picture, and no more of them move than must."""

from random import Random

import pytest

from streams.group.assignor import IncompleteError
from tests.support.assigning import Group, Picture, new_assignor


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


def test_workers_that_read_other_topics_get_what_they_cannot_take() -> None:
    """So that they end with a line that says so (streams.group.recovery): nobody can know whose settings are right."""
    assignor = new_assignor(2, [])
    subscriptions = {"a": {"customers", "purchases", "carts"}, "b": {"customers", "purchases", "views"}}
    told = {name: assignor.metadata(topics) for name, topics in subscriptions.items()}
    found = assignor.assign(Picture(customers=2, purchases=2, carts=2, views=2), told)
    topics_of_number = {
        (name, number): {topic for topic, numbers in answer.assignment if number in numbers}
        for name, answer in found.items()
        for number in range(2)
    }
    assert any(0 < len(topics) < 3 for topics in topics_of_number.values())


@pytest.mark.parametrize(("workers", "partitions"), [(3, 6), (3, 4), (2, 5), (4, 4), (5, 3), (7, 10), (6, 17)])
def test_only_what_must_moves_in_a_rolling_restart(workers: int, partitions: int) -> None:
    """What a leaving worker had goes to the others, which keep theirs; its successor gets its share, and no other."""
    group, random = Group(partitions), Random(workers)
    for number in range(workers):
        group.rebalance(joining=[f"w{number}"])
    for number in range(workers, workers + 20):
        before, leaving = group.held, random.choice([*group.members])
        group.rebalance(leaving=[leaving])
        assert all(before[name] <= numbers for name, numbers in group.held.items())
        between, joining = group.held, f"w{number}"
        found = group.rebalance(joining=[joining])
        assert found.most - found.least <= 1
        assert all(numbers <= between[name] for name, numbers in group.held.items() if name != joining)
