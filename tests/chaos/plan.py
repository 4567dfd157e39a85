"""What is done to whom, and when: drawn from a seed before anything runs, so that a run can be repeated."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

WORKER = ("worker-kill", "worker-stop", "worker-freeze", "worker-freeze-long", "worker-clock")
BROKER = ("broker-kill", "broker-kill-most", "broker-restart", "broker-freeze", "broker-slow")
NETWORK = ("network-cut", "network-blackhole", "network-answers-held", "network-answers-lost")
KINDS = (*WORKER, *BROKER, *NETWORK)

_SECONDS = {
    "worker-kill": (0.0, 4.0),
    "worker-stop": (0.0, 4.0),
    "worker-clock": (1.0, 4.0),
    "broker-kill": (0.0, 3.0),
    "broker-kill-most": (0.0, 6.0),
    "broker-restart": (0.0, 2.0),
    "broker-freeze": (1.0, 6.0),
    "broker-slow": (2.0, 6.0),
    "network-cut": (0.2, 6.0),
    "network-blackhole": (0.5, 8.0),
    "network-answers-held": (0.5, 8.0),
    "network-answers-lost": (0.2, 3.0),
}
"""How long a fault lasts; for those that end a process, how long until it is started again."""
_AT_ONCE = 0.4
"""Share of faults that follow in the middle of what the one before has caused: rebalance, recovery, catching up."""


@dataclass(frozen=True)
class Fault:
    """One fault. `str` gives all of it."""

    kind: str
    pause: float | None
    """Seconds after the one before; None: when all that it held up has been caught up with."""
    seconds: float
    worker: int
    broker: int | None
    """None: all of them."""
    amount: float
    """Of `broker-slow` the delay, of `worker-clock` the step; in seconds."""

    def __str__(self) -> str:
        when = "when all is well" if self.pause is None else f"{self.pause:.1f} s later"
        whom = {"worker": f"worker {self.worker}", "broker": f"broker {self.broker}"}.get(
            self.kind.partition("-")[0],
            f"worker {self.worker} to {'all brokers' if self.broker is None else f'broker {self.broker}'}",
        )
        amount = f" by {self.amount:+.2f} s" if self.amount else ""
        return f"{self.kind} {whom}{amount}, {self.seconds:.1f} s, {when}"


def plan(
    seed: int, count: int, *, workers: int, brokers: int, session: float, kinds: Sequence[str] = KINDS
) -> Iterator[Fault]:
    """`count` faults, every kind about equally often.

    :param session: the workers' session time-out, seconds: who is frozen is so for longer
    """
    random = Random(f"{seed} {workers} {brokers}")
    deck: list[str] = []
    for number in range(count):
        if not deck:
            deck = random.sample(kinds, len(kinds))
        yield _draw(random, deck.pop(), number, workers, brokers, session)


def _draw(random: Random, kind: str, number: int, workers: int, brokers: int, session: float) -> Fault:
    pause = random.uniform(0, 3.0) if number and random.random() < _AT_ONCE else None
    least, most = _SECONDS.get(kind, (session + 0.5, session + 2.5))
    if kind == "worker-freeze-long":
        least, most = 17.0, 19.0  # streams.delivery.writer.TRANSACTION_MS, and the time until the broker looks
    everywhere = kind.startswith("network") and random.random() < 0.5
    amount = {
        "broker-slow": random.uniform(0.05, 0.5),
        "worker-clock": random.choice((-1, 1)) * random.uniform(1, 3000),
    }
    return Fault(
        kind,
        pause,
        random.uniform(least, most),
        random.randrange(workers),
        None if everywhere else random.randrange(brokers),
        amount.get(kind, 0.0),
    )
