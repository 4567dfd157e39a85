"""How many events two workers take in a second, with what the soak has around them: for choosing its rate."""

import time
from itertools import islice

from tests.chaos.feed import Feed, portions
from tests.chaos.watch import Watch
from tests.chaos.world import World
from tests.soak.shop import Shop

_WARM = 0.25
"""Share of the lines that go before: JVMs and caches are cold."""
_PORTION = 500
_SECONDS = 300.0


def measure(world: World, shop: Shop, lines: int, **settings: str) -> float:
    """Events in a second, of a burst of so many lines, sent as fast as the brokers take them. Raises RuntimeError."""
    with world.deployment(**settings) as to:
        load = list(portions(islice(shop.lines(), lines), to.settings, _PORTION))
        with (
            Watch(world.kafka.address, to.settings) as watch,
            Feed(world.kafka.address, load, watch.due) as feed,
            world.running(to.environ),
        ):
            world.wait_until_ready(world.slots)
            feed.go(_WARM, 0)
            _wait(world, watch, feed)
            begin = time.monotonic()
            feed.finish()
            _wait(world, watch, feed)
            return (1 - _WARM) * lines / (time.monotonic() - begin)


def _wait(world: World, watch: Watch, feed: Feed) -> None:
    """Until what was told to be sent is, and has been taken."""
    deadline = time.monotonic() + _SECONDS
    world.rest(0.05)
    while feed.busy or watch.behind:
        if time.monotonic() > deadline:
            raise RuntimeError(f"a burst was not worked off within {_SECONDS:.0f} s")
        world.rest(0.02)
