"""From the due time of a timer to its trigger, where many fall due in one second; with nothing else to do, or a lot."""

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import msgspec
from msgspec import Struct

from streams.settings import Settings
from tables.states import Change
from tests.bench.listener import Listener
from tests.bench.load import produce, standard_load
from tests.bench.quantiles import Delays, delays_of
from tests.bench.staged import asleep, due
from tests.bench.stored import write
from tests.bench.worker import BenchError, Worker

AHEAD_MS = 50 * 60_000
"""The backlog ends so far in the future: a timer waits for what has happened before it is due, by design, and here
it is to be seen whether it waits for anything else."""
_PATIENCE = 60.0
"""Seconds after the due times until what has not come is given up."""


class Fall(Struct, frozen=True):
    """Timers, and what there is to do besides."""

    armed: int
    due: int
    """So many of them in one second."""
    lead: float
    """Seconds from the last write to the changelog to that second: in it the worker must become ready."""
    backlog: int = 0
    """Events of the standard load that lie ready when the worker starts."""


class Fallen(Struct):
    fall: Fall
    triggers: Delays
    """From the due time to the trigger."""
    meanwhile: float
    """Events taken per second, from shortly before the due times to the last trigger."""


def measure(settings: Settings, fall: Fall, packed: Sequence[bytes], say: Callable[[str], None]) -> Fallen:
    """On new topics, with customers of these states besides those that are due. Raises BenchError."""
    now = round(time.time() * 1000)
    if fall.backlog:
        produce(settings, standard_load(fall.backlog, now + AHEAD_MS, apart=1))
    begins = 0

    def states() -> Iterator[Change]:
        nonlocal begins
        yield from asleep(packed, fall.armed - fall.due, now)
        begins = round(1000 * (time.time() + fall.lead))
        yield from due(fall.due, begins)

    write(settings, states())
    with Worker(settings) as worker, Listener(settings, ["triggers.cart", "triggers.repurchase"]) as listener:
        left = begins / 1000 - worker.ready_at
        say(f"{fall.armed:,} timers armed; {left:.1f} s until {fall.due:,} are due")
        if left < 1:
            raise BenchError(f"the worker was ready {1 - left:.1f} s too late: raise --lead")
        time.sleep(begins / 1000 - 0.5 - time.time())
        before, began = _taken(worker), time.time()
        found = _hear(listener, fall.due, begins / 1000 + _PATIENCE)
        taken, elapsed = _taken(worker), time.time() - began
    if fall.backlog and taken >= fall.backlog:
        raise BenchError("the backlog was done before the last trigger came: raise --backlog, or lower --lead")
    return Fallen(fall, delays_of(found), round((taken - before) / elapsed))


def _taken(worker: Worker) -> float:
    return worker.metrics().get("offbeat_events_total", 0.0)


def _hear(listener: Listener, count: int, deadline: float) -> list[float]:
    """Ms from due time to trigger of each customer who was to be heard of."""
    found: dict[bytes, float] = {}
    while len(found) < count:
        one = listener.hear(1.0)
        if one is not None and one.key.startswith(b"t"):
            due_at = datetime.fromisoformat(msgspec.json.decode(one.value)["due_at"]).timestamp()
            found.setdefault(one.key, 1000 * (one.at - due_at))
        if time.time() > deadline:
            raise BenchError(f"{count - len(found)} of {count} triggers did not come")
    return list(found.values())
