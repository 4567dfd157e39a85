"""Where sources end, as the brokers told: with a fetch, or when asked. In the thread that talks to them, or read only.

aiokafka 0.14.0 has no public way to the state of an assigned partition.
"""

import time
from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


def assignment_of(consumer: AIOKafkaConsumer) -> Any:
    """What the group has assigned, with the state of each partition; None: nothing yet."""
    subscription = consumer._subscription.subscription  # noqa: SLF001
    return None if subscription is None else subscription.assignment


async def ask_ends(consumer: AIOKafkaConsumer, places: AbstractSet[TopicPartition], seconds: float) -> None:
    """Ask where those of `places` end of which nothing was fetched for so long, since they are full or at work.

    When the broker said so stays as it was: what was fetched since is no more complete for it. Raises KafkaError.
    """
    assignment = assignment_of(consumer)
    if assignment is None:
        return
    late = (time.time() - seconds) * 1000
    states = {place: assignment.state_value(place) for place in assignment.tps & places}
    asked = {place: state for place, state in states.items() if state is not None and (state.timestamp or late) < late}
    if asked:
        for place, end in (await consumer.end_offsets(list(asked))).items():
            asked[place].highwater = max(asked[place].highwater or 0, end)


def ends_of(consumer: AIOKafkaConsumer, number: int, topics: Iterable[str]) -> dict[str, tuple[int, int]]:
    """Per topic of one partition number: (end offset, when the broker said so, epoch ms). Callable from any thread."""
    assignment = assignment_of(consumer)
    found: dict[str, tuple[int, int]] = {}
    for topic in topics:
        place = TopicPartition(topic, number)
        state = assignment.state_value(place) if assignment is not None and place in assignment.tps else None
        if state is not None and state.timestamp is not None and state.highwater is not None:
            at = state.timestamp  # first: the end that goes with it is written before it
            found[topic] = state.highwater, at
    return found
