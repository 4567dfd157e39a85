"""A consumer group without brokers: the workers' real assignors, and messages of bytes between them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import faust
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata
from aiokafka.protocol.types import Array, Bytes, Int32, Int64, Schema, String
from faust.assignor.partition_assignor import PartitionAssignor
from yarl import URL

from streams.group.assignor import WholeAssignor
from streams.settings import Settings

SETTINGS = Settings()
SOURCES = set(SETTINGS.sources)
_MEMBER = Schema(
    ("member_id", String("utf-8")),
    ("group_instance_id", String("utf-8")),
    ("client_id", String("utf-8")),
    ("client_host", String("utf-8")),
    ("rebalance_timeout", Int32),
    ("session_timeout", Int32),
    ("subscription", Bytes),
    ("assignment", Bytes),
)
_RECORD = Schema(
    ("protocol_type", String("utf-8")),
    ("generation", Int32),
    ("protocol", String("utf-8")),
    ("leader", String("utf-8")),
    ("current_state_timestamp", Int64),
    ("members", Array(_MEMBER)),
)
"""What a broker writes to its offsets topic at every rebalance: Kafka's GroupMetadataValue, version 3."""


class Picture:
    """What a client knows of the cluster: how many partitions each topic has."""

    def __init__(self, **counts: int) -> None:
        self._counts = counts

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return set(range(self._counts[topic])) if self._counts.get(topic) else None


def new_assignor(
    partitions: int, ends: list[tuple[int, str]], host: str = "worker", kind: type[PartitionAssignor] = WholeAssignor
) -> Any:
    """A worker's assignor; `kind` may be Faust's own. What would end the process is appended to `ends`."""
    app = faust.App("x", table_standby_replicas=0, canonical_url=URL(f"http://{host}:6066"))
    app.offbeat_settings, app.offbeat_partitions = SETTINGS, partitions
    app.offbeat_fatal = lambda code, message: ends.append((code, message))
    return kind(app)


@dataclass(frozen=True, slots=True)
class Rebalance:
    """What one of them came to."""

    workers: int
    moved: int
    """Numbers that left a worker that is still there."""
    freed: int
    """Numbers whose worker is gone."""
    least: int
    most: int
    """Numbers of one worker."""
    leader_bytes: int
    """Of what the leader is told of all workers."""
    record_bytes: int
    """Of what the broker writes down of the group."""


class Group:
    """Workers of a group; the eldest leads it."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions
        self._picture = Picture(**dict.fromkeys(SOURCES, partitions))
        self._ends: list[tuple[int, str]] = []
        self._generation = 0
        self.members: dict[str, Any] = {}
        self.held: dict[str, set[int]] = {}

    def rebalance(
        self, *, leaving: Iterable[str] = (), joining: Iterable[str] = (), kind: type[PartitionAssignor] = WholeAssignor
    ) -> Rebalance:
        """Let members go and come, at once, and the group assign anew; fails when a number has not one owner."""
        before = self.held
        for name in leaving:
            del self.members[name]
        for name in joining:
            self.members[name] = new_assignor(self._partitions, self._ends, f"offbeat-{name}.offbeat.shop.svc", kind)
        told = {name: assignor.metadata(SOURCES).encode() for name, assignor in self.members.items()}
        leader = next(iter(self.members.values()))
        decoded = {name: ConsumerProtocolMemberMetadata.decode(message) for name, message in told.items()}
        answers = {name: message.encode() for name, message in leader.assign(self._picture, decoded).items()}
        assert answers.keys() == self.members.keys()
        self.held = {name: self._hear(name, answer) for name, answer in answers.items()}
        assert sorted(number for numbers in self.held.values() for number in numbers) == [*range(self._partitions)]
        assert not self._ends
        stayed = [number for name, numbers in before.items() if name in self.members for number in numbers]
        return Rebalance(
            workers=len(self.members),
            moved=len(stayed) - sum(len(before[name] & self.held[name]) for name in before if name in self.members),
            freed=sum(map(len, before.values())) - len(stayed),
            least=min(map(len, self.held.values())),
            most=max(map(len, self.held.values())),
            leader_bytes=sum(map(len, told.values())),
            record_bytes=len(self._record(told, answers)),
        )

    def _hear(self, name: str, answer: bytes) -> set[int]:
        """What a worker is assigned: the same numbers of every source, or nothing."""
        assignment = ConsumerProtocolMemberAssignment.decode(answer)
        by_topic = {topic: set(numbers) for topic, numbers in assignment.assignment}
        assert by_topic.keys() == SOURCES
        numbers: set[int] = by_topic[min(SOURCES)]
        assert all(found == numbers for found in by_topic.values())
        self.members[name].on_assignment(assignment)
        return numbers

    def _record(self, told: dict[str, bytes], answers: dict[str, bytes]) -> bytes:
        self._generation += 1
        group, address = SETTINGS.group_id, "/10.128.255.255"

        def member_id(name: str) -> str:
            return f"{group}-{name:a>36}"  # a broker appends a UUID to the client's id

        members = [
            (member_id(name), None, group, address, 20_000, 10_000, told[name], answers[name]) for name in self.members
        ]
        leader = member_id(next(iter(self.members)))
        found: bytes = _RECORD.encode(("consumer", self._generation, "faust", leader, 0, members))
        return found
