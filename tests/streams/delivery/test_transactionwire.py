"""Our encoding of Kafka's requests beside kafka-python's: the same bytes, and the same answers read from them."""

from io import BytesIO
from typing import Any

import pytest
from aiokafka.errors import IncompatibleBrokerVersion
from hypothesis import given
from hypothesis import strategies as st
from kafka.protocol.metadata import ApiVersionsRequest as TheirApiVersionsRequest
from kafka.protocol.metadata import ApiVersionsResponse as TheirApiVersionsResponse
from kafka.protocol.producer import AddPartitionsToTxnRequest as TheirAddPartitionsToTxnRequest
from kafka.protocol.producer import EndTxnRequest as TheirEndTxnRequest
from kafka.protocol.producer import EndTxnResponse as TheirEndTxnResponse
from kafka.protocol.producer import InitProducerIdRequest as TheirInitProducerIdRequest
from kafka.protocol.producer import InitProducerIdResponse as TheirInitProducerIdResponse
from kafka.protocol.producer import ProduceRequest as TheirProduceRequest
from kafka.protocol.producer import ProduceResponse as TheirProduceResponse
from kafka.protocol.producer import TxnOffsetCommitRequest as TheirTxnOffsetCommitRequest

from streams.delivery.transactionwire import (
    NEEDED,
    AddPartitionsToTxnRequest,
    ApiVersionsRequest,
    ApiVersionsResponse,
    EndTxnRequest,
    EndTxnResponse,
    InitProducerIdRequest,
    InitProducerIdResponse,
    Producer,
    ProduceRequest,
    ProduceResponse,
    TxnOffsetCommitRequest,
)

texts = st.text(max_size=200)
names = st.text(min_size=1, max_size=150)
int16s, int32s = st.integers(-(2**15), 2**15 - 1), st.integers(-(2**31), 2**31 - 1)
int64s = st.integers(-(2**63), 2**63 - 1)
producers = st.builds(Producer, int64s, int16s)
partitions = st.integers(0, 2**31 - 1)
places = st.tuples(names, partitions)
codes = st.dictionaries(places, int16s, max_size=6)


def by_topic(entries: dict[tuple[str, int], Any]) -> list[tuple[str, dict[int, Any]]]:
    found: dict[str, dict[int, Any]] = {}
    for (topic, partition), entry in entries.items():
        found.setdefault(topic, {})[partition] = entry
    return list(found.items())


def theirs(kind: Any, version: int, **fields: Any) -> bytes:
    """The body alone."""
    return bytes(kind(version=version, **fields).encode(version=version))


@given(texts, texts)
def test_api_versions(name: str, version: str) -> None:
    expected = theirs(TheirApiVersionsRequest, 3, client_software_name=name, client_software_version=version)
    assert ApiVersionsRequest.of(name, version).encode() == expected


@given(
    st.dictionaries(int16s, st.tuples(int16s, int16s), max_size=5),
    st.dictionaries(names, st.tuples(int16s, int16s), min_size=1, max_size=5),
    st.integers(0, 2**63 - 1),
)
def test_what_a_cluster_has_agreed_on(
    versions: dict[int, tuple[int, int]], features: dict[str, tuple[int, int]], epoch: int
) -> None:
    kind = TheirApiVersionsResponse
    body = theirs(
        kind,
        3,
        error_code=0,
        api_keys=[
            kind.ApiVersion(version=3, api_key=key, min_version=low, max_version=high)
            for key, (low, high) in versions.items()
        ],
        throttle_time_ms=0,
        finalized_features_epoch=epoch,
        finalized_features=[
            kind.FinalizedFeatureKey(version=3, name=name, max_version_level=high, min_version_level=low)
            for name, (low, high) in features.items()
        ],
    )
    found = ApiVersionsResponse.decode(body)
    assert found.versions == versions
    assert found.finalized == {name: high for name, (_, high) in features.items()}


@pytest.mark.parametrize("epoch", [-1, None])
def test_features_of_which_a_broker_is_not_sure_are_none(epoch: int | None) -> None:
    kind = TheirApiVersionsResponse
    feature = kind.FinalizedFeatureKey(version=3, name="transaction.version", max_version_level=2, min_version_level=2)
    told = {} if epoch is None else {"finalized_features_epoch": epoch}
    body = theirs(kind, 3, error_code=0, api_keys=[], throttle_time_ms=0, finalized_features=[feature], **told)
    assert ApiVersionsResponse.decode(body).finalized == {}


@given(names, int32s, int64s, int16s)
def test_init_producer_id(name: str, timeout: int, id_: int, epoch: int) -> None:
    expected = theirs(
        TheirInitProducerIdRequest,
        5,
        transactional_id=name,
        transaction_timeout_ms=timeout,
        producer_id=id_,
        producer_epoch=epoch,
    )
    assert InitProducerIdRequest.of(name, timeout, id_, epoch).encode() == expected


@given(names, int32s, st.dictionaries(places, st.binary(max_size=300), max_size=6))
def test_produce(name: str, timeout: int, batches: dict[tuple[str, int], bytes]) -> None:
    kind = TheirProduceRequest
    expected = theirs(
        kind,
        12,
        transactional_id=name,
        acks=-1,
        timeout_ms=timeout,
        topic_data=[
            kind.TopicProduceData(
                version=12,
                name=topic,
                partition_data=[
                    kind.TopicProduceData.PartitionProduceData(version=12, index=partition, records=data)
                    for partition, data in found.items()
                ],
            )
            for topic, found in by_topic(batches)
        ],
    )
    assert ProduceRequest.of(name, timeout, batches).encode() == expected


@given(names, names, producers, st.dictionaries(places, int64s, max_size=6))
def test_offsets(name: str, group: str, producer: Producer, offsets: dict[tuple[str, int], int]) -> None:
    kind = TheirTxnOffsetCommitRequest
    topic_kind = kind.TxnOffsetCommitRequestTopic
    expected = theirs(
        kind,
        5,
        transactional_id=name,
        group_id=group,
        producer_id=producer.id,
        producer_epoch=producer.epoch,
        generation_id=-1,
        member_id="",
        group_instance_id=None,
        topics=[
            topic_kind(
                version=5,
                name=topic,
                partitions=[
                    topic_kind.TxnOffsetCommitRequestPartition(
                        version=5,
                        partition_index=partition,
                        committed_offset=offset,
                        committed_leader_epoch=-1,
                        committed_metadata="",
                    )
                    for partition, offset in found.items()
                ],
            )
            for topic, found in by_topic(offsets)
        ],
    )
    assert TxnOffsetCommitRequest.of(name, group, producer, offsets).encode() == expected


@given(names, producers, st.booleans())
def test_the_end(name: str, producer: Producer, committed: bool) -> None:
    expected = theirs(
        TheirEndTxnRequest,
        5,
        transactional_id=name,
        producer_id=producer.id,
        producer_epoch=producer.epoch,
        committed=committed,
    )
    assert EndTxnRequest.of(name, producer, committed=committed).encode() == expected


@given(int16s, producers)
def test_whose_the_next_transaction_is(code: int, producer: Producer) -> None:
    for ours, other in (
        (InitProducerIdResponse, TheirInitProducerIdResponse),
        (EndTxnResponse, TheirEndTxnResponse),
    ):
        body = theirs(
            other, 5, throttle_time_ms=0, error_code=code, producer_id=producer.id, producer_epoch=producer.epoch
        )
        found = ours.decode(body)
        assert (found.error_code, found.producer_id, found.producer_epoch) == (code, *producer)


@given(codes, st.none() | texts, st.booleans())
def test_what_became_of_batches(told: dict[tuple[str, int], int], message: str | None, moved: bool) -> None:
    """With all that is said besides: records that are wrong, and who leads now (tagged)."""
    kind = TheirProduceResponse
    topic_kind = kind.TopicProduceResponse
    partition_kind = topic_kind.PartitionProduceResponse
    more: dict[str, Any] = {}
    if moved:
        more["current_leader"] = partition_kind.LeaderIdAndEpoch(version=12, leader_id=3, leader_epoch=7)
    wrong = [partition_kind.BatchIndexAndErrorMessage(version=12, batch_index=4, batch_index_error_message=message)]
    body = theirs(
        kind,
        12,
        responses=[
            topic_kind(
                version=12,
                name=topic,
                partition_responses=[
                    partition_kind(
                        version=12,
                        index=partition,
                        error_code=code,
                        base_offset=1,
                        log_append_time_ms=-1,
                        log_start_offset=0,
                        record_errors=wrong if code else [],
                        error_message=message,
                        **more,
                    )
                    for partition, code in found.items()
                ],
            )
            for topic, found in by_topic(told)
        ],
        throttle_time_ms=0,
    )
    assert ProduceResponse.decode(body).errors == told


@given(names, producers, st.sets(places, max_size=6))
def test_partitions_that_are_added(name: str, producer: Producer, added: set[tuple[str, int]]) -> None:
    kind = TheirAddPartitionsToTxnRequest
    topics = by_topic(dict.fromkeys(added))
    expected = theirs(
        kind,
        3,
        v3_and_below_transactional_id=name,
        v3_and_below_producer_id=producer.id,
        v3_and_below_producer_epoch=producer.epoch,
        v3_and_below_topics=[
            kind.AddPartitionsToTxnTopic(version=3, name=topic, partitions=list(found)) for topic, found in topics
        ],
    )
    assert AddPartitionsToTxnRequest.of(name, producer, added).encode() == expected


@pytest.mark.parametrize("kind", NEEDED)
def test_a_broker_is_asked_for_what_it_has_alone(kind: Any) -> None:
    request = kind.__new__(kind)
    assert request.prepare({kind.API_KEY: (0, kind.API_VERSION)}) is request
    for versions in ({}, {kind.API_KEY: (0, kind.API_VERSION - 1)}, {kind.API_KEY: (kind.API_VERSION + 1, 99)}):
        with pytest.raises(IncompatibleBrokerVersion):
            request.prepare(versions)


def test_headers_of_answers() -> None:
    """That of ApiVersions has no tags, so that older brokers can answer."""
    plain, tagged = b"\x00\x00\x00\x07", b"\x00\x00\x00\x07\x00"
    rest = BytesIO(plain + b"rest")
    assert ApiVersionsRequest.of("a", "1").parse_response_header(rest).correlation_id == 7
    assert rest.read() == b"rest"
    rest = BytesIO(tagged + b"rest")
    assert EndTxnRequest.of("a", Producer(1, 2), committed=True).parse_response_header(rest).correlation_id == 7
    assert rest.read() == b"rest"
