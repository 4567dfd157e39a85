"""A batch is as large as the brokers take in time."""

from streams.delivery.batchsize import FIRST, LEAST, SECONDS, BatchSize
from streams.flow.pipeline import MOST


def settled(per_record: float, fixed: float = 0.0, rounds: int = 100) -> list[int]:
    """The sizes that come about where a full batch takes so many seconds."""
    size = BatchSize()
    sizes = []
    for _ in range(rounds):
        size.took(size.most, fixed + per_record * size.most)
        sizes.append(size.most)
    return sizes


def test_fast_brokers_get_the_largest_ones() -> None:
    assert settled(1e-5)[-1] == MOST
    assert BatchSize().most == FIRST


def test_slow_brokers_get_what_they_take_in_time() -> None:
    sizes = settled(0.002)
    assert all(size * 0.002 <= 2 * SECONDS for size in sizes)
    assert sizes[-1] >= SECONDS / 0.002 / 2


def test_brokers_that_are_slow_whatever_the_size_still_get_some() -> None:
    assert settled(0.0, fixed=2 * SECONDS)[-1] == LEAST


def test_a_batch_that_fails_comes_again_smaller() -> None:
    size = BatchSize()
    size.most = MOST
    size.failed()
    assert size.most == MOST // 4
    for _ in range(10):
        size.failed()
    assert size.most == LEAST


def test_a_small_batch_that_is_slow_does_not_make_the_next_larger() -> None:
    size = BatchSize()
    size.took(10, 2 * SECONDS)
    assert size.most == LEAST
