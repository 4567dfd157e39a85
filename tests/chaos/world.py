"""Brokers, a network that can be spoiled, and workers: all that faults happen to."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka.admin import AdminClient

from streams.brokers.embedded import BrokerStartError, free_port
from streams.brokers.topicfacts import every
from tests.chaos.slot import OddEnd, Slot
from tests.support import compiled
from tests.support.brokers import ApacheKafka
from tests.support.node import Listener
from tests.support.proxy import Link, Proxy
from tests.support.workers import Deployment, deploy

_HEAP = "300m"
_READY_SECONDS = 90.0
_PROPERTIES = {
    "group.min.session.timeout.ms": "1000",
    "num.network.threads": "1",
    "num.io.threads": "2",
    "background.threads": "2",
    "log.cleaner.dedupe.buffer.size": str(4 << 20),
}


class World:
    """Brokers, and links to each of them for each worker: a worker knows the brokers by its links alone, if any."""

    def __init__(self, kafka: ApacheKafka, workers: int, links: list[list[Link]], folder: Path) -> None:
        self.kafka = kafka
        self.workers = workers
        self.links = links
        """By worker, then by broker; empty: there is nothing between them."""
        self.slots: list[Slot] = []
        self.odd_ends: list[OddEnd] = []
        self.folder = folder
        """Where workers' clocks are, and what they say."""

    def rest(self, seconds: float) -> None:
        """Let time pass, and start again what has ended."""
        deadline = time.monotonic() + seconds
        while True:
            for slot in self.slots:
                slot.tend()
            left = deadline - time.monotonic()
            if left <= 0:
                return
            time.sleep(min(0.02, left))

    def wait_until_ready(self, slots: Sequence[Slot]) -> None:
        """Return when each has had all of its partitions since its start. Raises RuntimeError when one does not."""
        deadline = time.monotonic() + _READY_SECONDS
        self.rest(0)
        while not all(slot.ready for slot in slots):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not all of the workers {[slot.number for slot in slots]} got ready")
            self.rest(0.05)

    def mend(self) -> None:
        """Start the brokers that do not run, again if one ends at once. Raises BrokerStartError."""
        for left in (2, 1, 0):
            try:
                self.kafka.start()
            except BrokerStartError:
                if not left:
                    raise
            else:
                return

    @contextmanager
    def deployment(self, **settings: str) -> Iterator[Deployment]:
        """Topics that are gone when all went well."""
        to = deploy(self.kafka, clock="event", **settings)
        yield to  # after an error they may be of use
        admin = AdminClient({"bootstrap.servers": self.kafka.address})
        for done in admin.delete_topics([*every(to.settings)]).values():
            done.result(60)

    @contextmanager
    def running(self, environ: Mapping[str, str]) -> Iterator[None]:
        """All workers, kept running; at the end they must stop in order. `odd_ends` begins anew.

        They are compiled, as images have them, where that can be done here.
        """
        self.odd_ends.clear()
        code = {} if compiled.missing() else compiled.environment({})
        for number in range(self.workers):
            links = self.links[number] if self.links else []
            brokers = ",".join(f"127.0.0.1:{link.port}" for link in links)
            told = {**environ, **code, "OFFBEAT_BROKERS": brokers or self.kafka.address}
            self.slots.append(Slot(number, told, self.folder, self.odd_ends.append))
        try:
            yield
        finally:
            for slot in self.slots:
                slot.close()
            self.slots.clear()


@contextmanager
def make_world(folder: Path, *, workers: int = 3, brokers: int = 3) -> Iterator[World]:
    """A world without workers yet, with a network that can be spoiled. Raises BrokerStartError."""
    with Proxy() as proxy:
        links = [[proxy.link(free_port()) for _ in range(brokers)] for _ in range(workers)]
        listeners = [
            [
                Listener(f"WORKER{worker}", links[worker][broker].target, links[worker][broker].port)
                for worker in range(workers)
            ]
            for broker in range(brokers)
        ]
        with ApacheKafka(properties=_PROPERTIES, nodes=brokers, listeners=listeners, heap=_HEAP) as kafka:
            yield World(kafka, workers, links, folder)


@contextmanager
def plain_world(folder: Path, *, workers: int, brokers: int, properties: Mapping[str, str]) -> Iterator[World]:
    """The same with nothing between workers and brokers; with further properties of these. Raises BrokerStartError."""
    with ApacheKafka(properties={**_PROPERTIES, **properties}, nodes=brokers, heap=_HEAP) as kafka:
        yield World(kafka, workers, [], folder)
