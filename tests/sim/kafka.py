"""Apache Kafka for a script: the very requests that aiokafka sends, in its versions of the protocol, one by one."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, Self

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.consumer.fetcher import READ_COMMITTED, PartitionRecords
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    MemberIdRequired,
    NoError,
    NotLeaderForPartitionError,
    for_code,
)
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import (
    AddOffsetsToTxnRequest,
    AddPartitionsToTxnRequest,
    EndTxnRequest,
    InitProducerIdRequest,
    TxnOffsetCommitRequest,
)
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition

from tests.sim.group import Assignment
from tests.sim.log import Producer
from tests.sim.modelled import PARTITIONS, SETTINGS
from tests.sim.script import PAUSE, Reading

NODE = 1
"""The broker's id: there is one."""
BYTES = 1 << 20
MAGIC = 2
ARRIVAL_SECONDS = 0.2
"""After so long a request that waits for others has certainly arrived."""


class RealKafka:
    """A `tests.sim.script.Cluster`. `async with RealKafka(address, topic) as cluster:`.

    :param topic: holds the script's records; ids and the group are named after it
    """

    def __init__(self, address: str, topic: str) -> None:
        self._address, self._topic = address, topic
        self._clients: dict[str, Any] = {}
        self._stack = AsyncExitStack()
        self._members: dict[str, str] = defaultdict(str)
        """The ids that the brokers gave, by name."""
        self._tasks: list[asyncio.Task[Assignment]] = []

    async def __aenter__(self) -> Self:
        client = await self._client("")
        for kind, name in ((CoordinationType.GROUP, self._topic), (CoordinationType.TRANSACTION, self._id("a"))):
            while True:
                try:
                    await client.coordinator_lookup(kind, name)
                except GroupCoordinatorNotAvailableError:  # it makes its topic at the first look
                    await asyncio.sleep(PAUSE)
                else:
                    break
        for number in range(PARTITIONS):
            while True:
                try:
                    await self.read(number)
                except NotLeaderForPartitionError:  # its topic was made just now
                    await asyncio.sleep(PAUSE)
                else:
                    break
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _client(self, member: str) -> Any:
        """Each member has connections of its own: while it waits for others, nothing else comes through."""
        client = self._clients.get(member)
        if client is None:
            client = self._clients[member] = AIOKafkaClient(bootstrap_servers=self._address)
            await client.bootstrap()
            self._stack.push_async_callback(client.close)
        return client

    async def _ask(self, request: Any, member: str = "") -> Any:
        return await (await self._client(member)).send(NODE, request)

    def _id(self, name: str) -> str:
        return f"{self._topic}-{name}"

    # -- producers

    async def init(self, name: str, seconds: float) -> Producer:
        found = await self._ask(InitProducerIdRequest(self._id(name), int(seconds * 1000)))
        _check(found.error_code)
        return Producer(found.producer_id, found.producer_epoch)

    async def add(self, name: str, producer: Producer, number: int) -> None:
        request = AddPartitionsToTxnRequest(self._id(name), *producer, [(self._topic, [number])])
        ((_, ((_, code),)),) = (await self._ask(request)).errors
        _check(code)

    async def produce(self, name: str, producer: Producer, number: int, sequence: int, values: Sequence[bytes]) -> None:
        batch = DefaultRecordBatchBuilder(MAGIC, 0, 1, *producer, sequence, BYTES)
        for index, value in enumerate(values):
            batch.append(index, None, None, value, [])
        request = ProduceRequest(self._id(name), -1, 10_000, [(self._topic, [(number, bytes(batch.build()))])])
        ((_, ((_, code, *_),)),) = (await self._ask(request)).topics
        _check(code)

    async def add_group(self, name: str, producer: Producer) -> None:
        found = await self._ask(AddOffsetsToTxnRequest(self._id(name), *producer, self._topic))
        _check(found.error_code)

    async def commit_offset(self, name: str, producer: Producer, number: int, offset: int) -> None:
        topics = [(self._topic, [(number, offset, "")])]
        found = await self._ask(TxnOffsetCommitRequest(self._id(name), self._topic, *producer, topics))
        ((_, ((_, code),)),) = found.errors
        _check(code)

    async def end(self, name: str, producer: Producer, *, commit: bool) -> None:
        _check((await self._ask(EndTxnRequest(self._id(name), *producer, commit))).error_code)

    # -- readers

    async def read(self, number: int) -> Reading:
        request = FetchRequest(0, 0, BYTES, READ_COMMITTED, [(self._topic, [(number, 0, BYTES)])])
        ((_, ((_, code, end, stable, *_, aborted, _, packed),)),) = (await self._ask(request)).topics
        _check(code)
        place = TopicPartition(self._topic, number)
        records = PartitionRecords(place, MemoryRecords(packed or b""), aborted, 0, None, None, True, READ_COMMITTED)
        return Reading({record.offset: record.value for record in records}, stable, end)

    async def committed(self, number: int) -> int | None:
        found = await self._ask(OffsetFetchRequest(self._topic, [(self._topic, [number])]))
        ((_, ((_, offset, _, code),)),) = found.topics
        _check(code)
        return None if offset == -1 else int(offset)

    # -- members

    async def join(self, member: str) -> "asyncio.Future[Assignment]":
        if not self._members[member]:
            found = await self._ask(self._join_request(member), member)
            if for_code(found.error_code) is not MemberIdRequired:
                _check(found.error_code)
            self._members[member] = found.member_id
        task = asyncio.create_task(self._join_and_sync(member))
        self._tasks.append(task)
        await asyncio.sleep(ARRIVAL_SECONDS)
        return task

    def _join_request(self, member: str) -> JoinGroupRequest:
        session = SETTINGS.session_timeout
        protocols = [("by number", member.encode())]
        known = self._members[member]
        return JoinGroupRequest(self._topic, session, 2 * session, known, None, "consumer", protocols)

    async def _join_and_sync(self, member: str) -> Assignment:
        found = await self._ask(self._join_request(member), member)
        _check(found.error_code)
        plan = []
        if found.leader_id == found.member_id:
            names = sorted((metadata.decode(), id_) for id_, _, metadata in found.members)
            for place, (_, id_) in enumerate(names):
                plan.append((id_, bytes(n for n in range(PARTITIONS) if n % len(names) == place)))
        request = SyncGroupRequest(self._topic, found.generation_id, found.member_id, None, plan)
        told = await self._ask(request, member)
        _check(told.error_code)
        return Assignment(found.generation_id, frozenset(told.member_assignment))

    async def heartbeat(self, member: str, generation: int) -> None:
        _check((await self._ask(HeartbeatRequest(self._topic, generation, self._members[member]))).error_code)

    async def commit_group(self, member: str, generation: int, number: int, offset: int) -> None:
        topics = [(self._topic, [(number, offset, "")])]
        found = await self._ask(OffsetCommitRequest(self._topic, generation, self._members[member], -1, topics))
        ((_, ((_, code),)),) = found.topics
        _check(code)

    async def leave(self, member: str) -> None:
        _check((await self._ask(LeaveGroupRequest(self._topic, self._members[member]))).error_code)


def _check(code: int) -> None:
    error = for_code(code)
    if error is not NoError:
        raise error
