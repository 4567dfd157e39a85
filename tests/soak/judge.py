"""The pure core over the same lines as they flow, beside a reader of what workers send and remember.

A process of its own. It holds the core's customers, the workers' and what is open between the two, so a longer soak
needs no more memory.
"""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from agents.decisions import Decision
from agents.rulebook.rules import Rules
from streams.delivery.changelog import MARK
from streams.flow.messages import MessageWriter
from streams.logs import LogLine
from streams.settings import Settings
from tables.customer import Customer
from tables.customerform import unpack
from tests.soak.ledger import Ledger
from tests.soak.shop import Shop
from tests.support.oracle import follow
from tests.support.topics_io import comparable

_SHOWN = 5
"""Differences of each kind that are told."""
_LOOK_LINES = 200
"""Lines between two looks at what has come."""
_READ_SECONDS = 60.0
"""Without a record for so long, the brokers do not answer."""
_STILL_SECONDS = 300.0
"""Without a line or a verdict for so long, the judge does not come to an end."""


@dataclass
class Verdict:
    """What all came to. `examples` tell of the first of what is wrong."""

    events: int = 0
    customers: int = 0
    messages: int = 0
    """That workers sent, dead letters aside."""
    missing: int = 0
    extra: int = 0
    """Wrong, or too often."""
    wrong_states: int = 0
    dead_letters: int = 0
    dead_letters_due: int = 0
    examples: list[str] = field(default_factory=list)


class Judge:
    """`with Judge(...) as judge:`; told of lines as they are sent, it decides at the end.

    :param brokers: where it reads
    :param settings: of the workers, with the default rules
    """

    def __init__(self, brokers: str, settings: Settings, shop: Shop) -> None:
        context = multiprocessing.get_context("spawn")
        self._sent, self._judged = context.Value("q", 0), context.Value("q", 0)
        self._over = context.Event()
        self._verdict, self._theirs = context.Pipe(duplex=False)
        arguments = (brokers, settings, shop, self._sent, self._judged, self._over, self._theirs)
        self._process = context.Process(target=_judge, args=arguments, name="judge", daemon=True)

    def announce(self, lines: int) -> None:
        """So many lines have been sent. Callable from any thread."""
        self._sent.value = lines

    def decide(self) -> Verdict:
        """All is sent, and workers have nothing left to do: compare. Raises RuntimeError when the judge fails."""
        self._over.set()
        reached, deadline = 0, time.monotonic() + _STILL_SECONDS
        while not self._verdict.poll(1.0):
            if self._judged.value > reached:
                reached, deadline = self._judged.value, time.monotonic() + _STILL_SECONDS
            if time.monotonic() > deadline:
                raise RuntimeError(f"the judge does not come to an end: it has got to line {reached}")
        try:
            found: Verdict = self._verdict.recv()
        except EOFError:
            raise RuntimeError("the judge failed: its own output says why") from None
        return found

    def __enter__(self) -> Self:
        self._process.start()
        self._theirs.close()  # so that its end is noticed here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()


def _judge(brokers: str, settings: Settings, shop: Shop, sent: Any, judged: Any, over: Any, verdict: Any) -> None:
    """The process."""
    ledger = Ledger()
    reader = _Reader(brokers, settings, ledger)
    message = MessageWriter(settings).decision
    soak = multiprocessing.parent_process()

    def lines() -> Iterator[LogLine]:
        for number, line in enumerate(shop.lines()):
            if not number % _LOOK_LINES:
                judged.value = number
                reader.read(0)
            while number >= sent.value:
                if over.is_set():
                    return
                if soak is None or not soak.is_alive():
                    sys.exit(1)  # nobody is left to be told
                reader.read(0.05)
            yield line

    def emit(decision: Decision) -> None:
        topic, key, value, headers = message(decision)
        ledger.owe((topic, key, value, tuple(headers)))

    tally, due = follow(lines(), Rules(), emit)
    reader.read_to_ends()
    found = Verdict(tally.events, len(due), ledger.paid, dead_letters=reader.dead, dead_letters_due=tally.dead.count)
    _compare(found, ledger, reader.customers(), due)
    verdict.send(found)


def _compare(found: Verdict, ledger: Ledger, is_: dict[bytes, Customer], due: dict[bytes, Customer]) -> None:
    missing, extra = ledger.missing, ledger.extra
    wrong = [key for key in sorted(is_.keys() | due.keys()) if is_.get(key) != due.get(key)]
    found.missing, found.extra, found.wrong_states = sum(missing.values()), sum(extra.values()), len(wrong)
    found.examples += [f"missing: {message}" for message in list(missing)[:_SHOWN]]
    found.examples += [f"not owed: {message}" for message in list(extra)[:_SHOWN]]
    found.examples += [f"state of {key!r}: {is_.get(key)}; due: {due.get(key)}" for key in wrong[:_SHOWN]]


class _Reader:
    """Reads committed messages into the ledger, and the newest state of everybody."""

    def __init__(self, brokers: str, settings: Settings, ledger: Ledger) -> None:
        self.dead = 0
        self._ledger, self._settings = ledger, settings
        self._changelog, self._dead_letters = settings.changelog, settings.topic("dead-letters")
        self._packed: dict[bytes, bytes] = {}
        self._reached: dict[tuple[str, int], int] = {}
        self._consumer = Consumer(
            {
                "bootstrap.servers": brokers,
                "group.id": "judge",
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "error",  # what was deleted unread is not to be passed over
                "fetch.wait.max.ms": 100,
                "log_level": 0,
            }
        )
        topics = (*settings.outputs, settings.changelog)
        self._places = {(topic, number) for topic in topics for number in range(settings.partitions)}
        self._consumer.assign([TopicPartition(*place, OFFSET_BEGINNING) for place in self._places])

    def read(self, seconds: float) -> list[Any]:
        """Take what is there, or wait so long for it; all of it."""
        found: list[Any] = self._consumer.consume(1000, timeout=seconds)
        for message in found:
            error = message.error()
            if error is None:
                self._take(message)
            elif error.code() == KafkaError._PARTITION_EOF:  # beyond records of transactions, too
                self._reached[message.topic(), message.partition()] = message.offset()
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise RuntimeError(f"messages were deleted before they were compared; give a lower --rate: {error}")
        return found

    def read_to_ends(self) -> None:
        """Until each partition has been read to the end that it has now. Raises RuntimeError if that does not come."""
        ends = {place: self._consumer.get_watermark_offsets(TopicPartition(*place), 30)[1] for place in self._places}
        deadline = time.monotonic() + _READ_SECONDS
        while any(self._reached.get(place, 0) < end for place, end in ends.items()):
            if self.read(0.2):
                deadline = time.monotonic() + _READ_SECONDS
            if time.monotonic() > deadline:
                raise RuntimeError(f"{self._reached} was read of {ends}")

    def customers(self) -> dict[bytes, Customer]:
        """As `tests.support.topics_io.states` has them."""
        return comparable({key: unpack(value) for key, value in self._packed.items()})

    def _take(self, message: Any) -> None:
        topic, key, value = message.topic(), message.key(), message.value()
        if topic == self._changelog:
            if value is None:
                self._packed.pop(key, None)
            elif not key.startswith(MARK[:1]):
                self._packed[key] = value
        elif topic == self._dead_letters:
            self.dead += 1
        else:
            self._ledger.pay((topic, key, value, tuple(message.headers() or ())))
