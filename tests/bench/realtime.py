"""From an event to its trigger, while a shop goes on at a steady rate."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import chain

import msgspec
from msgspec import Struct

from streams.settings import Settings
from tests.bench.customers import everybody
from tests.bench.feeder import Fed
from tests.bench.listener import Heard, Listener
from tests.bench.load import CUSTOMERS
from tests.bench.quantiles import Delays, delays_of
from tests.bench.staged import regulars
from tests.bench.stored import write
from tests.bench.worker import ROOT, BenchError, Worker

_LEAD = 3.0
"""Seconds that the feeder's process has until its first event."""
_SILENCE = 30.0
"""Seconds without a trigger, after all was sent, until the rest is given up."""


class Shop(Struct, frozen=True):
    """A steady stream of events."""

    rate: float
    """Events per second."""
    seconds: float
    every: int
    """Every so many events one makes a trigger fire."""
    warm_up: float
    """Seconds at the beginning that are not counted."""

    @property
    def events(self) -> int:
        return int(self.rate * self.seconds)

    @property
    def firing(self) -> int:
        """How many make a trigger fire."""
        return self.events // self.every


class Realtime(Struct):
    shop: Shop
    triggers: Delays
    """From the instant at which an order was to be sent to its trigger."""
    fed: Fed
    worker_cpu: float
    """Seconds of CPU time per second."""


def measure(settings: Settings, shop: Shop, packed: Sequence[bytes], say: Callable[[str], None]) -> Realtime:
    """Let the shop run on new topics, over customers of these states. Raises BenchError."""
    now = round(time.time() * 1000)
    write(settings, chain(everybody(packed, CUSTOMERS), regulars(shop.firing, now)))
    with Worker(settings) as worker, Listener(settings, ["triggers.basket"]) as listener:
        start, before = time.time() + _LEAD, worker.use()
        feeder = _feed(settings, shop, start)
        say(f"{shop.rate:,.0f} events/s for {shop.seconds:,.0f} s")
        try:
            heard = _hear(listener, shop, feeder)
            output, errors = feeder.communicate(timeout=_SILENCE)
        finally:
            feeder.kill()
        if feeder.returncode:
            raise BenchError(f"the load could not be sent:\n{errors}")
        used = worker.use().cpu_seconds - before.cpu_seconds
        elapsed = time.time() - start
    return Realtime(
        shop, delays_of(delays(heard, shop, start)), msgspec.json.decode(output, type=Fed), round(used / elapsed, 3)
    )


def _feed(settings: Settings, shop: Shop, start: float) -> "subprocess.Popen[str]":
    arguments = [settings.brokers, str(start), str(shop.rate), str(shop.events), str(shop.every)]
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.feeder", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _hear(listener: Listener, shop: Shop, feeder: "subprocess.Popen[str]") -> list[Heard]:
    """Every trigger, until those of all small orders are there."""
    heard: list[Heard] = []
    missing, last = shop.firing, time.monotonic()
    while missing:
        one = listener.hear(0.5)
        if one is not None:
            heard.append(one)
            missing -= one.key.startswith(b"w") and one.type == "basket.shrunk"
            last = time.monotonic()
        elif feeder.poll() is None:
            last = time.monotonic()
        elif feeder.returncode:
            break
        elif time.monotonic() - last > _SILENCE:
            raise BenchError(f"{missing} of {shop.firing} triggers did not come")
    return heard


def delays(heard: Sequence[Heard], shop: Shop, start: float) -> list[float]:
    """Of each trigger after the warm-up, ms from the instant of its order, which the number of the order tells."""
    found = []
    for one in heard:
        order: str = msgspec.json.decode(one.value)["order_id"]
        if order.startswith("o"):
            due = int(order[1:]) / shop.rate
            if due >= shop.warm_up:
                found.append(1000 * (one.at - start - due))
    return found
