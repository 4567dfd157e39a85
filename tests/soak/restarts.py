"""Everything is restarted in turn, and how long it takes until all is taken as it comes again."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from confluent_kafka.admin import AdminClient

from tests.chaos.world import World
from tests.soak.lag import LagWatch

_AWAY_SECONDS = 1.0
_WHOLE_SECONDS = 90.0


@dataclass(frozen=True)
class Bounds:
    """What must be so."""

    lag: float = 3.0
    """Seconds: an event that waits for longer is not taken as it comes."""
    back: float = 60.0
    """Seconds from a restart until the lag is below that again, for good."""
    growth: float = 0.05
    """Of a worker's memory in a stretch without restarts, as a share of it."""


@dataclass(frozen=True)
class Restart:
    """What was restarted, and what came of it."""

    what: str
    back: float | None
    """Seconds from its beginning until the lag was within its bound, for good; None: it took too long."""
    lag: float
    """The longest meanwhile, seconds."""


Thing = tuple[str, Callable[[], None]]
"""What is restarted, and how it is ended."""


def everything(world: World) -> Iterator[Thing]:
    """All restarts of a cycle, by name."""
    for slot in world.slots:
        yield f"worker {slot.number}, SIGTERM", lambda slot=slot: slot.stop(_AWAY_SECONDS)  # type: ignore[misc]
    for number, node in enumerate(world.kafka.nodes):
        yield f"broker {number}, SIGTERM", node.stop
    for slot in world.slots:
        yield f"worker {slot.number}, SIGKILL", lambda slot=slot: slot.kill(_AWAY_SECONDS)  # type: ignore[misc]


def restart(world: World, watch: LagWatch, thing: Thing, bounds: Bounds) -> Restart:
    """End it, start it again, wait until all is well. Raises BrokerStartError; RuntimeError if that does not come."""
    what, end = thing
    began = time.monotonic()
    end()
    world.rest(_AWAY_SECONDS)
    for node in world.kafka.nodes:
        node.launch()
    longest = since = 0.0
    while not since or time.monotonic() < since + bounds.lag + 1:  # a lag that has yet to grow is not small for so long
        world.rest(0.1)
        lag = watch.seconds
        longest = max(longest, lag)
        if lag > bounds.lag:
            since = 0.0
        elif not since:
            since = time.monotonic()
        if time.monotonic() > began + bounds.back + bounds.lag + 1:
            break
    world.mend()
    world.wait_until_ready(world.slots)
    _wait_until_whole(world)
    back = since - began if since and since <= began + bounds.back else None
    return Restart(what, back, longest)


def _wait_until_whole(world: World) -> None:
    """Until every partition has all of its copies: who is restarted next may be the one that has the newest."""
    deadline = time.monotonic() + _WHOLE_SECONDS
    admin = AdminClient({"bootstrap.servers": world.kafka.address, "log_level": 0})
    while True:
        topics = admin.list_topics(timeout=30).topics.values()
        places = [(topic, place) for topic in topics for place in topic.partitions.values()]
        if all(len(place.isrs) == len(place.replicas) for _, place in places):
            return
        if time.monotonic() > deadline:
            raise RuntimeError("the brokers do not copy from each other what they should")
        world.rest(0.2)
