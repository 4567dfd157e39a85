"""Requests from machines to the brokers: each may be lost, late, or have taken effect although its answer is lost."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial
from typing import Any, ParamSpec, TypeVar, cast
from zlib import crc32

from aiokafka.errors import KafkaConnectionError, KafkaError, RequestTimedOutError

from tests.sim.loop import Loop, Machine, machine

P = ParamSpec("P")
R = TypeVar("R")

LATENCY = (0.0005, 0.005)
SLOW = (0.1, 3.0)
LATE = (0.005, 40.0)
"""How late a request comes whose sender was cut off meanwhile: up to more than any step of ours may take. Every order
of magnitude is as likely as the others."""
TOLD = (0.005, 0.5)
"""After how long a sender hears that its connection is gone."""
TIME_OUT = (30.0, 40.0)
"""After how long it gives a request up, if it hears nothing."""


class Fate(Enum):
    """What becomes of a request."""

    WELL = auto()
    SLOW = auto()
    LOST = auto()
    """It never arrives."""
    UNANSWERED = auto()
    """It takes effect; the answer never arrives."""
    LATE = auto()
    """Its connection breaks, and it takes effect when its sender has long gone on."""


@dataclass(slots=True)
class Weather:
    """Shares of requests with each fate, while faults are on; the rest go well."""

    slow: float = 0.0
    lost: float = 0.0
    unanswered: float = 0.0
    late: float = 0.0
    late_ends: float = 0.0
    """Share of the ends of transactions that are late, besides: the request that names nothing."""
    silent: float = 0.0
    """Share of the broken connections of which the sender hears nothing, but has to wait for its own time-out."""

    @property
    def bad(self) -> float:
        return self.slow + self.lost + self.unanswered + self.late


class Trace:
    """What happened, in order: a running checksum, the counts of what was seen, and on request the lines themselves."""

    def __init__(self, loop: Loop, *, keep: bool) -> None:
        self.lines: list[str] = []
        self.checksum = 0
        self.seen: Counter[str] = Counter()
        self._loop, self._keep = loop, keep

    def say(self, text: str) -> None:
        line = f"{self._loop.time():.6f} {text}"
        self.checksum = crc32(line.encode(), self.checksum)
        if self._keep:
            self.lines.append(line)

    def see(self, what: str) -> None:
        """One of the branches that every thousand runs must have gone through."""
        self.seen[what] += 1
        self.say(what)


class Network:
    """Between all machines and the brokers."""

    def __init__(self, loop: Loop, rng: random.Random, trace: Trace) -> None:
        self.weather = Weather()
        self.cut: dict[Machine, float] = {}
        """Until when (loop's time) nothing comes through from a machine."""
        self.late = 0
        """Requests that are still under way although nobody waits for them."""
        self.brokers = Machine("brokers")
        self._loop, self._rng, self._trace = loop, rng, trace

    def call(
        self, kind: str, work: "Callable[P, R | asyncio.Future[R]]", *args: P.args, **kwargs: P.kwargs
    ) -> "asyncio.Future[R]":
        """Ask the brokers to do `work`; a future that it returns is answered when it is done.

        The future raises KafkaConnectionError when the connection breaks, else what the brokers raise.
        """
        client = machine()
        answer: asyncio.Future[Any] = self._loop.create_future()
        if client.dead:
            return answer
        fate = self._fate(client, kind)
        self._trace.say(f"{client.name} {kind} {fate.name}")
        if fate is not Fate.WELL:
            self._trace.seen[f"{kind} {fate.name.lower()}"] += 1
        request = _Request(self, client, kind, fate, answer, partial(work, *args, **kwargs))
        if fate is not Fate.LOST:
            self._send(request)
        if fate in (Fate.LOST, Fate.UNANSWERED, Fate.LATE):
            if self._rng.random() < self.weather.silent:
                self.later(*TIME_OUT, request.time_out)
            else:
                self.later(*TOLD, request.break_off)
        return cast("asyncio.Future[R]", answer)

    def _send(self, request: "_Request") -> None:
        if request.fate is Fate.LATE:
            self.late += 1
            low, high = LATE
            seconds = low * (high / low) ** self._rng.random()
            self.later(seconds, seconds, request.arrive)
        else:
            self.later(*(SLOW if request.fate is Fate.SLOW else LATENCY), request.arrive)

    def _fate(self, client: Machine, kind: str) -> Fate:
        weather, draw = self.weather, self._rng.random()
        if client in self.cut:
            if self.cut[client] > self._loop.time():
                return Fate.LOST
            del self.cut[client]
        if kind == "EndTxn" and weather.late_ends > self._rng.random():
            return Fate.LATE
        if draw >= weather.bad:
            return Fate.WELL
        for share, fate in (
            (weather.slow, Fate.SLOW),
            (weather.lost, Fate.LOST),
            (weather.unanswered, Fate.UNANSWERED),
        ):
            if draw < share:
                return fate
            draw -= share
        return Fate.LATE

    def later(self, low: float, high: float, work: Callable[[], object]) -> None:
        """Let the brokers do something between `low` and `high` seconds from now."""
        self._loop.call_later(self._rng.uniform(low, high), work, context=self.brokers.context)

    async def pause(self, low: float, high: float) -> None:
        """Wait between two attempts, seconds."""
        await asyncio.sleep(self._rng.uniform(low, high))

    def told(self, client: Machine, kind: str, how: str) -> None:
        self._trace.say(f"{client.name} {kind} {how}")


@dataclass(slots=True)
class _Request:
    """One request on its way and back."""

    network: Network
    client: Machine
    kind: str
    fate: Fate
    answer: "asyncio.Future[Any]"
    work: Callable[[], Any]

    def arrive(self) -> None:
        self.network.late -= self.fate is Fate.LATE
        try:
            found = self.work()
        except KafkaError as exc:
            self._reply(partial(self._fail, exc), type(exc).__name__)
        else:
            if isinstance(found, asyncio.Future):
                found.add_done_callback(self._heard, context=self.network.brokers.context)
            else:
                self._reply(partial(self._give, found), "ok")

    def _heard(self, found: "asyncio.Future[Any]") -> None:
        self._reply(partial(self._give, found.result()), "ok")

    def _reply(self, reply: Callable[[], None], how: str) -> None:
        self.network.told(self.client, self.kind, how)
        if self.fate in (Fate.WELL, Fate.SLOW):
            self.network.later(*(SLOW if self.fate is Fate.SLOW else LATENCY), reply)

    def _give(self, found: Any) -> None:
        if not self.answer.done() and not self.client.dead:
            self.answer.set_result(found)

    def _fail(self, exc: BaseException) -> None:
        if not self.answer.done() and not self.client.dead:
            self.answer.set_exception(exc)

    def break_off(self) -> None:
        self._fail(KafkaConnectionError("the connection broke"))

    def time_out(self) -> None:
        self._fail(RequestTimedOutError("no answer"))
