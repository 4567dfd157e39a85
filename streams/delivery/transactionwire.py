"""Requests of Kafka's transaction protocol v2 (KIP-890, part 2), which aiokafka 0.14.0 does not know.

Fields are those of Apache Kafka's message definitions (clients/src/main/resources/common/message), in the flexible
encoding of KIP-482. Each has one version: a broker that does not have it is not asked (IncompatibleBrokerVersion).
"""

from collections.abc import Iterable, Mapping
from io import BytesIO
from typing import Any, ClassVar, NamedTuple, Self

from aiokafka.errors import IncompatibleBrokerVersion
from aiokafka.protocol.api import RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)
_NONE: dict[int, bytes] = {}
"""No tagged field."""

_FINALIZED_EPOCH, _FINALIZED = 1, 2
"""Tags of ApiVersionsResponse."""


Place = tuple[str, int]
"""A topic, and a partition of it."""


class Producer(NamedTuple):
    """Who writes: a producer id, and an epoch that rises with every transaction."""

    id: int
    epoch: int


class _Request(RequestStruct):
    """Of one version, for aiokafka's connections."""

    FLEXIBLE_VERSION = True
    API_KEY, API_VERSION, RESPONSE_TYPE, SCHEMA = -1, -1, Response, Schema()

    @classmethod
    def known(cls, versions: Mapping[int, tuple[int, int]]) -> bool:
        """Whether a broker has it; `versions`: its lowest and highest, by api key."""
        low, high = versions.get(cls.API_KEY, (0, -1))
        return low <= cls.API_VERSION <= high

    def prepare(self, versions: Mapping[int, tuple[int, int]]) -> Self:
        """What a connection sends to a broker that has these versions. Raises IncompatibleBrokerVersion."""
        if not self.known(versions):
            raise IncompatibleBrokerVersion(f"{type(self).__name__} needs version {self.API_VERSION}")
        return self


class ApiVersionsResponse(Response):
    """Which versions a broker has; in its tags the features that the whole cluster has agreed on (KIP-584)."""

    API_KEY, API_VERSION = 18, 3
    SCHEMA = Schema(
        ("error_code", Int16),
        ("api_keys", CompactArray(("api_key", Int16), ("low", Int16), ("high", Int16), _TAGS)),
        ("throttle_time_ms", Int32),
        _TAGS,
    )
    _FEATURES: ClassVar = CompactArray(("name", _TEXT), ("high", Int16), ("low", Int16), _TAGS)

    @property
    def versions(self) -> dict[int, tuple[int, int]]:
        """By api key: the lowest and the highest version."""
        return {key: (low, high) for key, low, high, _ in self.api_keys}

    @property
    def finalized(self) -> dict[str, int]:
        """By the name of a feature: its level, of the whole cluster; nothing when the broker does not know that."""
        tags: dict[int, bytes] = self.tags
        epoch = int.from_bytes(tags.get(_FINALIZED_EPOCH, b"\xff"), signed=True)
        if epoch < 0 or _FINALIZED not in tags:
            return {}
        return {name: high for name, high, _, _ in self._FEATURES.decode(BytesIO(tags[_FINALIZED]))}


class ApiVersionsRequest(_Request):
    """Asks a broker what it has. The header of its answer is the old one, whatever the version (KIP-511)."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 18, 3, ApiVersionsResponse
    SCHEMA = Schema(("name", _TEXT), ("version", _TEXT), _TAGS)

    @classmethod
    def of(cls, name: str, version: str) -> Self:
        """Of a client that calls itself so: letters, digits, dots and dashes."""
        return cls(name, version, _NONE)

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        return ResponseHeader_v0.decode(read_buffer)


class InitProducerIdResponse(Response):
    """A producer id, and an epoch that nobody has had with it."""

    API_KEY, API_VERSION = 22, 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("error_code", Int16), ("producer_id", Int64), ("producer_epoch", Int16), _TAGS
    )


class InitProducerIdRequest(_Request):
    """Fences whoever had the transactional id, and ends what that one has begun."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 22, 5, InitProducerIdResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("transaction_timeout_ms", Int32),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        _TAGS,
    )

    @classmethod
    def of(cls, transactional_id: str, timeout_ms: int, producer_id: int = -1, producer_epoch: int = -1) -> Self:
        """With a producer: only if that is still the last one."""
        return cls(transactional_id, timeout_ms, producer_id, producer_epoch, _NONE)


class _Outcomes(Response):
    """What became of each partition: of several requests the same."""

    API_KEY, API_VERSION = -1, -1
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )

    @property
    def errors(self) -> dict[Place, int]:
        """By topic and partition: the error code, 0 for what was taken."""
        return {(topic, partition): code for topic, found, _ in self.topics for partition, code, _ in found}


class AddPartitionsToTxnResponse(_Outcomes):
    """What became of each partition that was to be added."""

    API_KEY, API_VERSION = 24, 3


class AddPartitionsToTxnRequest(_Request):
    """Adds partitions to the transaction, of several leaders at once."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 24, 3, AddPartitionsToTxnResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("topics", CompactArray(("topic", _TEXT), ("partitions", CompactArray(Int32)), _TAGS)),
        _TAGS,
    )

    @classmethod
    def of(cls, transactional_id: str, producer: Producer, places: Iterable[Place]) -> Self:
        topics = _by_topic((place, place[1]) for place in places)
        return cls(transactional_id, producer.id, producer.epoch, topics, _NONE)


class ProduceResponse(Response):
    """What became of each batch."""

    API_KEY, API_VERSION = 0, 12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("base_offset", Int64),
                        ("log_append_time_ms", Int64),
                        ("log_start_offset", Int64),
                        ("record_errors", CompactArray(("batch_index", Int32), ("message", _TEXT), _TAGS)),
                        ("error_message", _TEXT),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("throttle_time_ms", Int32),
        _TAGS,
    )

    @property
    def errors(self) -> dict[Place, int]:
        """By topic and partition: the error code, 0 for what was taken."""
        return {(topic, each[0]): each[1] for topic, partitions, _ in self.topics for each in partitions}


class ProduceRequest(_Request):
    """One batch for each partition, which it adds to the transaction."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 0, 12, ProduceResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("required_acks", Int16),
        ("timeout_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                ("partitions", CompactArray(("partition", Int32), ("records", CompactBytes), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )

    @classmethod
    def of(cls, transactional_id: str, timeout_ms: int, batches: Mapping[Place, bytes]) -> Self:
        """`batches`, by topic and partition: whole record batches."""
        topics = _by_topic((place, (place[1], batch, _NONE)) for place, batch in batches.items())
        return cls(transactional_id, -1, timeout_ms, topics, _NONE)


class TxnOffsetCommitResponse(_Outcomes):
    """What became of each offset."""

    API_KEY, API_VERSION = 28, 5


class TxnOffsetCommitRequest(_Request):
    """Offsets of a group, which it adds to the transaction; of no member of it."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 28, 5, TxnOffsetCommitResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT),
        ("group_id", _TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation_id", Int32),
        ("member_id", _TEXT),
        ("group_instance_id", _TEXT),
        (
            "topics",
            CompactArray(
                ("topic", _TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", _TEXT),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        _TAGS,
    )

    @classmethod
    def of(cls, transactional_id: str, group: str, producer: Producer, offsets: Mapping[Place, int]) -> Self:
        """`offsets`, by topic and partition: of the next records to be read."""
        topics = _by_topic((place, (place[1], offset, -1, "", _NONE)) for place, offset in offsets.items())
        return cls(transactional_id, group, producer.id, producer.epoch, -1, "", None, topics, _NONE)


class EndTxnResponse(Response):
    """The producer of the next transaction."""

    API_KEY, API_VERSION = 26, 5
    SCHEMA = InitProducerIdResponse.SCHEMA


class EndTxnRequest(_Request):
    """Ends the transaction of this very epoch, and no other, however late or often it comes."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 26, 5, EndTxnResponse
    SCHEMA = Schema(
        ("transactional_id", _TEXT), ("producer_id", Int64), ("producer_epoch", Int16), ("committed", Boolean), _TAGS
    )

    @classmethod
    def of(cls, transactional_id: str, producer: Producer, *, committed: bool) -> Self:
        return cls(transactional_id, producer.id, producer.epoch, committed, _NONE)


NEEDED = (InitProducerIdRequest, ProduceRequest, TxnOffsetCommitRequest, EndTxnRequest)
"""What a transaction of v2 consists of."""


def _by_topic(entries: Iterable[tuple[Place, Any]]) -> list[tuple[str, list[Any], dict[int, bytes]]]:
    topics: dict[str, list[Any]] = {}
    for (topic, _), entry in entries:
        topics.setdefault(topic, []).append(entry)
    return [(topic, found, _NONE) for topic, found in topics.items()]
