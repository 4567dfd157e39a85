"""A script: what clients ask of the brokers, step by step, and each answer. It runs on the model and on Apache Kafka.

One step a line. A producer is named by its transactional id and a digit: `a1` and `a2` fence each other.

    init a1 [SECONDS]        InitProducerId; how long its transactions may take (60)
    add a1 N                 AddPartitionsToTxn of partition number N
    produce a1 N VALUE...    a batch that follows on the one before it
    again a1 N [BACK]        the last batch once more, or one so many before it
    gap a1 N                 a batch whose sequence leaves some out
    group a1                 AddOffsetsToTxn
    offsets a1 N OFFSET      TxnOffsetCommit
    commit a1 / abort a1     EndTxn
    read N                   Fetch, read_committed: what is visible by offset, the last stable offset, the end
    committed N              OffsetFetch
    join m                   JoinGroup of the member m, without waiting for the others
    joined m                 the answer: generation, and the numbers that are assigned
    beat m                   Heartbeat in the last generation that m knows
    tell m N OFFSET          OffsetCommit in it
    leave m                  LeaveGroup
    wait SECONDS
"""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol, TypeVar

from aiokafka.errors import (
    ConcurrentTransactions,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaError,
    NotCoordinatorForGroupError,
    UnknownTopicOrPartitionError,
)

from tests.sim.group import Assignment
from tests.sim.log import Producer

R = TypeVar("R")
NOT_YET = (
    ConcurrentTransactions,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    UnknownTopicOrPartitionError,
)
"""Errors that pass: the step is asked again."""
PAUSE = 0.02


class Reading(NamedTuple):
    """What a reader of committed records finds in a partition."""

    values: dict[int, bytes]
    """By offset."""
    stable: int
    end: int


class Cluster(Protocol):
    """Brokers, asked one thing at a time. All of it raises what KafkaError they answer with."""

    async def init(self, name: str, seconds: float, /) -> Producer: ...
    async def add(self, name: str, producer: Producer, number: int, /) -> None: ...
    async def produce(
        self, name: str, producer: Producer, number: int, sequence: int, values: Sequence[bytes], /
    ) -> None: ...
    async def add_group(self, name: str, producer: Producer, /) -> None: ...
    async def commit_offset(self, name: str, producer: Producer, number: int, offset: int, /) -> None: ...
    async def end(self, name: str, producer: Producer, /, *, commit: bool) -> None: ...
    async def read(self, number: int, /) -> Reading: ...
    async def committed(self, number: int, /) -> int | None: ...
    async def join(self, member: str, /) -> "asyncio.Future[Assignment]":
        """Return when the brokers have the request."""

    async def heartbeat(self, member: str, generation: int, /) -> None: ...
    async def commit_group(self, member: str, generation: int, number: int, offset: int, /) -> None: ...
    async def leave(self, member: str, /) -> None: ...


class _Batch(NamedTuple):
    sequence: int
    values: list[bytes]


class _Player:
    """One script on one cluster."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._producers: dict[str, Producer] = {}
        self._batches: dict[tuple[str, int], list[_Batch]] = defaultdict(list)
        """What the brokers took, by producer and partition number."""
        self._joining: dict[str, asyncio.Future[Assignment]] = {}
        self._generations: dict[str, int] = {}

    async def play(self, step: str) -> str:
        kind, *words = step.split()
        how: Callable[..., Awaitable[str]] = getattr(self, f"_{kind}")
        while True:
            try:
                return await how(*words)
            except NOT_YET:
                await asyncio.sleep(PAUSE)
            except KafkaError as exc:
                return type(exc).__name__

    # -- producers

    async def _init(self, who: str, seconds: str = "60") -> str:
        self._producers[who] = producer = await self._cluster.init(who[0], float(seconds))
        for batches in (batches for (owner, _), batches in self._batches.items() if owner == who):
            batches.clear()
        return f"epoch {producer.epoch}"

    async def _add(self, who: str, number: str) -> str:
        await self._cluster.add(who[0], self._producers[who], int(number))
        return "ok"

    async def _produce(self, who: str, number: str, *values: str) -> str:
        taken = self._batches[who, int(number)]
        following = taken[-1].sequence + len(taken[-1].values) if taken else 0
        batch = _Batch(following, [value.encode() for value in values])
        await self._send(who, number, batch)
        taken.append(batch)
        return "ok"

    async def _again(self, who: str, number: str, back: str = "0") -> str:
        taken = self._batches[who, int(number)]
        return await self._send(who, number, taken[-1 - int(back)] if int(back) < len(taken) else _Batch(0, [b"?"]))

    async def _gap(self, who: str, number: str) -> str:
        taken = self._batches[who, int(number)]
        return await self._send(who, number, _Batch(taken[-1].sequence + 100 if taken else 100, [b"?"]))

    async def _send(self, who: str, number: str, batch: _Batch) -> str:
        await self._cluster.produce(who[0], self._producers[who], int(number), *batch)
        return "ok"

    async def _group(self, who: str) -> str:
        await self._cluster.add_group(who[0], self._producers[who])
        return "ok"

    async def _offsets(self, who: str, number: str, offset: str) -> str:
        await self._cluster.commit_offset(who[0], self._producers[who], int(number), int(offset))
        return "ok"

    async def _commit(self, who: str) -> str:
        return await self._end(who, commit=True)

    async def _abort(self, who: str) -> str:
        return await self._end(who, commit=False)

    async def _end(self, who: str, *, commit: bool) -> str:
        await self._cluster.end(who[0], self._producers[who], commit=commit)
        await self._settle(who, commit=commit)
        return "ok"

    async def _settle(self, who: str, *, commit: bool) -> None:
        """Asked again it says whether all of its markers are written."""
        while True:
            try:
                return await self._cluster.end(who[0], self._producers[who], commit=commit)
            except ConcurrentTransactions:
                await asyncio.sleep(PAUSE)

    # -- readers

    async def _read(self, number: str) -> str:
        values, stable, end = await self._cluster.read(int(number))
        told = " ".join(f"{offset}:{value.decode()}" for offset, value in values.items())
        return f"{told or '-'}, stable {stable}, end {end}"

    async def _committed(self, number: str) -> str:
        return str(await self._cluster.committed(int(number)))

    # -- members

    async def _join(self, member: str) -> str:
        self._joining[member] = await self._cluster.join(member)
        return "ok"

    async def _joined(self, member: str) -> str:
        found = await self._joining.pop(member)
        self._generations[member] = found.generation
        return f"generation {found.generation}, {sorted(found.numbers)}"

    async def _beat(self, member: str) -> str:
        await self._cluster.heartbeat(member, self._generations[member])
        return "ok"

    async def _tell(self, member: str, number: str, offset: str) -> str:
        await self._cluster.commit_group(member, self._generations[member], int(number), int(offset))
        return "ok"

    async def _leave(self, member: str) -> str:
        await self._cluster.leave(member)
        return "ok"

    async def _wait(self, seconds: str) -> str:
        await asyncio.sleep(float(seconds))
        return "ok"


async def play(cluster: Cluster, steps: Sequence[str]) -> list[str]:
    """The answer to each step."""
    player = _Player(cluster)
    return [await player.play(step) for step in steps]


def transcripts(text: str) -> Mapping[str, list[tuple[str, str]]]:
    """By title (`## ...`) the steps, each with its answer (`step -> answer`); other lines say why."""
    found: dict[str, list[tuple[str, str]]] = {}
    for line in text.splitlines():
        if line.startswith("## "):
            steps = found[line[3:]] = []
        elif "->" in line:
            step, answer = line.split("->")
            steps.append((step.strip(), answer.strip()))
    return found
