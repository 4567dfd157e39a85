"""Batches that were damaged on their way are told as aiokafka tells them, by checksums that are not its own."""

import asyncio
from typing import Any

import google_crc32c
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from hypothesis import given
from hypothesis import strategies as st

from streams.brokers.embedded import EmbeddedBroker
from streams.delivery.records import as_parsed

PLACE = TopicPartition("records-damaged", 0)
THEIRS = fetcher.PartitionRecords.__base__
NONE, GZIP, *_ = COMPRESSIONS = range(5)
CHECKSUM = 17
"""From here on a batch is its checksum and what that is of."""

values = st.one_of(st.none(), st.binary(max_size=40), st.binary(max_size=40).map(lambda value: value * 500))
records_of_batch = st.lists(st.tuples(st.none() | st.binary(max_size=10), values), min_size=1, max_size=4)


def _batch(first: int, records: list[tuple[bytes | None, bytes | None]], compression: int = NONE) -> bytes:
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 1_000_000)
    for number, (key, value) in enumerate(records):
        builder.append(number, 0, key, value, [])
    built: bytearray = builder.build()
    built[:8] = first.to_bytes(8, "big")
    return bytes(built)


def _old_batch(magic: int, records: list[tuple[bytes | None, bytes | None]], compression: int = NONE) -> bytes:
    """As Kafka had them before 0.11."""
    builder = LegacyRecordBatchBuilder(magic, compression, 1_000_000)
    for number, (key, value) in enumerate(records):
        builder.append(number, 0, key, value)
    return bytes(builder.build())


def _numbered(first: int, count: int, compression: int = NONE) -> bytes:
    return _batch(first, [(None, b"%d" % number) for number in range(first, first + count)], compression)


def _with_damage(fetched: bytes, at: int, by: int = 1) -> bytes:
    return fetched[:at] + bytes([fetched[at] ^ by]) + fetched[at + 1 :]


def _ours(fetched: bytes, start: int = 0, check: bool = True) -> Any:
    return fetcher.PartitionRecords(PLACE, fetcher.MemoryRecords(fetched), [], start, None, as_parsed, check, 1)


def _read_by_theirs(fetched: bytes, check: bool) -> tuple[list[Any], str]:
    records = THEIRS(PLACE, MemoryRecords(fetched), [], 0, None, None, check, 1)
    found: list[Any] = []
    try:
        found += ((record.offset, record.key, record.value) for record in records)
    except Exception as exc:  # noqa: BLE001
        return found, repr(exc)
    return found, ""


def _read_by_ours(fetched: bytes, check: bool) -> tuple[list[Any], str]:
    records, error = _ours(fetched, 0, check), ""
    try:
        found = records.take(None)
    except Exception as exc:  # noqa: BLE001
        found, error = records.take(None), repr(exc)
    return [(record.offset, record.key, record.value) for record in found], error


@pytest.mark.parametrize("in_c", [True, False])
def test_a_damaged_batch_is_told_and_nothing_before_it_is_lost(in_c: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.delivery.records._IN_C", in_c)
    damaged = _with_damage(_numbered(5, 5), _numbered(5, 5).index(b"9"))
    records = _ours(_numbered(0, 5) + damaged + _numbered(10, 5), start=2)
    with pytest.raises(CorruptRecordException):
        records.take(None)
    assert [record.value for record in records.take(None)] == [b"2", b"3", b"4"]
    assert records.next_fetch_offset == 5
    assert records.take(None) == []


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_every_byte_that_a_checksum_is_of_is_looked_at(compression: int) -> None:
    before, damaged = _numbered(0, 3), _numbered(3, 20, compression)
    for at in range(CHECKSUM, len(damaged)):
        records = _ours(before + _with_damage(damaged, at) + _numbered(23, 3))
        with pytest.raises(CorruptRecordException, match="Invalid CRC"):
            records.take(None)
        assert [record.offset for record in records.take(None)] == [0, 1, 2]


def test_unless_the_consumer_does_not_care() -> None:
    damaged = _with_damage(_numbered(0, 5), _numbered(0, 5).index(b"3"))
    assert [record.value for record in _ours(damaged, check=False).take(None)] == [b"0", b"1", b"2", b"2", b"4"]


@given(
    st.lists(st.tuples(records_of_batch, st.sampled_from(COMPRESSIONS)), min_size=1, max_size=4),
    st.data(),
    st.booleans(),
)
def test_what_is_found_is_what_aiokafka_finds(batches: list[tuple[Any, int]], data: st.DataObject, check: bool) -> None:
    fetched = b""
    for number, (records, compression) in enumerate(batches):
        fetched += _batch(10 * number, records, compression)
    everything = [(record, "") for records, _ in batches for record in records]
    assert [(found[1:], "") for found in _read_by_ours(fetched, check)[0]] == everything
    assert _read_by_ours(fetched, check) == _read_by_theirs(fetched, check)
    damaged = _with_damage(fetched, data.draw(st.integers(0, len(fetched) - 1)), data.draw(st.integers(1, 255)))
    assert _read_by_ours(damaged, check=True) == _read_by_theirs(damaged, check=True)
    cut = fetched[: data.draw(st.integers(0, len(fetched)))]
    assert _read_by_ours(cut, check) == _read_by_theirs(cut, check)


@given(st.integers(0, 1), st.lists(st.tuples(records_of_batch, st.sampled_from([NONE, GZIP])), max_size=3), st.data())
def test_old_batches_too(magic: int, batches: list[tuple[Any, int]], data: st.DataObject) -> None:
    fetched = _old_batch(magic, [(None, b"first")])
    fetched += b"".join(_old_batch(magic, records, compression) for records, compression in batches)
    assert _read_by_ours(fetched, check=True) == _read_by_theirs(fetched, check=True)
    damaged = _with_damage(fetched, data.draw(st.integers(0, len(fetched) - 1)), data.draw(st.integers(1, 255)))
    assert _read_by_ours(damaged, check=True) == _read_by_theirs(damaged, check=True)


async def _send_one(address: str) -> None:
    async with AIOKafkaProducer(bootstrap_servers=address) as producer:
        await producer.send_and_wait(PLACE.topic, b"1", partition=0)


async def _fetch_one(address: str, **options: Any) -> list[Any]:
    async with AIOKafkaConsumer(bootstrap_servers=address, enable_auto_commit=False, **options) as consumer:
        consumer.assign([PLACE])
        consumer.seek(PLACE, 0)
        found: list[Any] = (await consumer.getmany(timeout_ms=10_000))[PLACE]
        return found


def test_only_for_consumers_that_ask_for_it(embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[bytes] = []

    def checksum(content: bytes) -> Any:
        checked.append(content)
        return google_crc32c.value(content)

    def checked_by(**options: Any) -> int:
        checked.clear()
        assert [record.value for record in asyncio.run(_fetch_one(embedded_broker.address, **options))] == [b"1"]
        return len(checked)

    monkeypatch.setattr("streams.delivery.records.crc32c", checksum)
    asyncio.run(_send_one(embedded_broker.address))
    assert checked_by(value_deserializer=as_parsed) == 1
    assert checked_by(value_deserializer=as_parsed, check_crcs=False) == 0
    assert checked_by() == 0
