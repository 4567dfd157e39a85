"""Where a letter goes back to: to the partition of its customer, which may be another one since there are more."""

from collections.abc import Callable, Mapping

from streams.deadletters.letter import Letter
from streams.delivery.tails import Tail, tails
from streams.repartitioning.repartitionplan import partitioners
from streams.settings import Settings

Place = Callable[[Letter], int]
"""Gives a partition."""


async def placing(settings: Settings, partitions: int) -> Place:
    """By the partitioner that explains where the latest customers are. Raises KafkaError, OSError."""
    return place_by(await tails(settings, partitions), partitions)


def place_by(found: Mapping[int, Tail], partitions: int) -> Place:
    """`found`: the ends of the changelog's partitions, of which there are so many. Pure.

    A letter goes where it came from when it has no key, when no partitioner explains where the customers are, or when
    several do and do not agree about it.
    """
    fitting = partitioners({number: tail.keys for number, tail in found.items()}, partitions)

    def place(letter: Letter) -> int:
        places = {hashed(letter.key) % partitions for hashed in fitting} if letter.key is not None else set()
        return places.pop() if len(places) == 1 else letter.partition

    return place
