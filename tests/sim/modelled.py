"""The model of the brokers for a script: each request goes well, in virtual time."""

import asyncio
import random
from collections.abc import Sequence

from streams.settings import Settings
from tests.sim.brokers import UNSEEN_SECONDS, Brokers
from tests.sim.group import Assignment
from tests.sim.log import Place, Producer
from tests.sim.loop import Loop
from tests.sim.network import Network, Trace
from tests.sim.script import Reading, play

SETTINGS = Settings(session_timeout=6_000)
PARTITIONS = 3
ALL = 1_000
LONGEST = 600.0
"""Seconds of virtual time that a script may take."""


class Modelled:
    """A `tests.sim.script.Cluster`; its records are in the changelog."""

    def __init__(self, loop: Loop, brokers: Brokers) -> None:
        self._loop, self._brokers = loop, brokers

    async def init(self, name: str, seconds: float) -> Producer:
        return self._brokers.init_producer(name, seconds)

    async def add(self, _name: str, producer: Producer, number: int) -> None:
        self._brokers.add_partitions(producer, [_place(number)])

    async def produce(
        self, _name: str, producer: Producer, number: int, sequence: int, values: Sequence[bytes]
    ) -> None:
        self._brokers.produce(producer, _place(number), sequence, [(None, value, ()) for value in values], None)

    async def add_group(self, _name: str, producer: Producer) -> None:
        self._brokers.add_group(producer)

    async def commit_offset(self, _name: str, producer: Producer, number: int, offset: int) -> None:
        self._brokers.commit_offsets(producer, {_place(number): offset})

    async def end(self, _name: str, producer: Producer, *, commit: bool) -> None:
        self._brokers.end_transaction(producer, None, commit=commit)

    async def read(self, number: int) -> Reading:
        found = self._brokers.read(_place(number), 0, ALL)
        values = {record.offset: record.value or b"" for record in found.records}
        return Reading(values, self._brokers.logs[_place(number)].stable, found.end)

    async def committed(self, number: int) -> int | None:
        await asyncio.sleep(UNSEEN_SECONDS[1])
        return self._brokers.committed(_place(number))

    async def join(self, member: str) -> "asyncio.Future[Assignment]":
        return self._brokers.join(member)

    async def heartbeat(self, member: str, generation: int) -> None:
        self._brokers.heartbeat(member, generation)

    async def commit_group(self, member: str, generation: int, number: int, offset: int) -> None:
        self._brokers.commit_group(member, generation, {_place(number): offset})

    async def leave(self, member: str) -> None:
        self._brokers.leave(member)


def _place(number: int) -> Place:
    return SETTINGS.changelog, number


def play_on_model(steps: Sequence[str]) -> list[str]:
    """The model's answers."""
    rng = random.Random(1)
    loop = Loop(rng)
    trace = Trace(loop, keep=False)
    network = Network(loop, rng, trace)
    answers: list[str] = []

    async def work() -> None:
        brokers = Brokers(loop, rng, network, trace, SETTINGS, PARTITIONS)
        answers.extend(await play(Modelled(loop, brokers), steps))

    try:
        loop.spawn(network.brokers, work())
        loop.run_until(lambda: len(answers) == len(steps), LONGEST)
        assert not loop.errors, loop.errors
        return answers
    finally:
        loop.end()
