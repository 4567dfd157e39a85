"""Records as aiokafka's parser leaves them, batch by batch, without what aiokafka does in Python for each of them.

The object that it builds around each record costs as much as fetching and parsing together. The parser's own record has
offset, timestamp, key, value and headers, but neither topic nor partition. aiokafka 0.14.0 offers no way to it: three
private classes are replaced here, and act differently only for consumers that ask for it with
`value_deserializer=as_parsed`, and that read by `getmany` alone.

google-crc32c computes the checksums of their batches, by an instruction that processors have for it. aiokafka goes by
tables, which takes ten times as long.
"""

import struct
from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatch
from google_crc32c import implementation
from google_crc32c import value as crc32c

_HEAD = struct.Struct(">8xi")
"""What every batch begins with: its first offset, and the length of all that follows."""
_CHECKED = 21
"""From here on a batch is what its checksum is of."""
_IN_C = implementation == "c"
"""It is Python where neither a wheel nor a compiler was at hand: then aiokafka's own is faster."""


def as_parsed(value: bytes | None) -> bytes | None:
    """The mark of a consumer that takes the parser's own records; not called for them."""
    return value


def _is_sound(batch: Any, fetched: bytes, start: int, end: int) -> bool:
    """The same as its `validate_crc`; the batch is that part of what was fetched."""
    if _IN_C and isinstance(batch, DefaultRecordBatch):
        return bool(crc32c(fetched[start + _CHECKED : end]) == batch.crc)
    return bool(batch.validate_crc())  # before Kafka 0.11 it was another checksum


class _MemoryRecords(fetcher.MemoryRecords):  # type: ignore[misc] # aiokafka ships no types
    """One partition's part of a fetch as it came; aiokafka's keeps the bytes to itself."""

    def __init__(self, fetched: bytes) -> None:
        super().__init__(fetched)
        self.fetched = fetched


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc] # aiokafka ships no types
    """One partition's part of a fetch."""

    _rest: list[Any]
    """Of the batches so far, what was not taken."""
    _reached: int
    """The offset after the batches so far."""

    @property
    def parsed(self) -> bool:
        return self._value_deserializer is as_parsed

    def take(self, most: int | None) -> list[Any]:
        """The next records, `most` of them; fewer when there are no more.

        When a batch is damaged, what came before it is taken by the next call.
        """
        found = self._rest  # not a copy: what was read stays when the next batch is damaged
        while most is None or len(found) < most:
            batch = next(self._records_iterator, None)
            if batch is None:
                break
            found += batch
        most = len(found) if most is None else most
        self._rest = found[most:]
        del found[most:]
        self.next_fetch_offset = self._rest[0].offset if self._rest else self._reached
        return found

    def _unpack_records(self) -> Iterator[Any]:
        self._rest, self._reached = [], self.next_fetch_offset
        return self._batches() if self.parsed else super()._unpack_records()

    def _batches(self) -> Iterator[list[Any]]:
        """What counts of each batch of records; the same as aiokafka's own `_unpack_records`."""
        records = self._records
        fetched, end = records.fetched, 0
        while records.has_next():
            batch = records.next_batch()
            if self._check_crcs:  # the parser has looked at the batch's length: it lies within what was fetched
                start, end = end, end + _HEAD.size + _HEAD.unpack_from(fetched, end)[0]
                if not _is_sound(batch, fetched, start, end):
                    raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            found = [] if self._skips(batch) else list(batch)
            if found and found[0].offset < self._reached:  # it was asked for from its middle on
                found = [record for record in found if record.offset >= self._reached]
            # compaction may have taken the last ones away: the batch says where it ends
            self._reached = batch.next_offset
            if found:
                yield found

    def _skips(self, batch: Any) -> bool:
        """Whether it is a marker of transactions, or was aborted."""
        if self._isolation_level == fetcher.READ_COMMITTED and batch.producer_id is not None:
            self._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and self._contains_abort_marker(batch):
                self._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in self._aborted_producers:
                return True
        return bool(batch.is_control_batch)


class _FetchResult(fetcher.FetchResult):  # type: ignore[misc] # aiokafka ships no types
    """What a fetch brought of one partition, until it is taken."""

    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[Any]:
        records = self._partition_records
        if records is None or not records.parsed:
            found: list[Any] = super().getall(max_records)
            return found
        if not self.check_assignment(self._topic_partition):
            return []
        found = records.take(max_records)
        self._update_position()
        if max_records is None or len(found) < max_records:
            self._partition_records = None
        return found


fetcher.MemoryRecords = _MemoryRecords
fetcher.PartitionRecords = _PartitionRecords
fetcher.FetchResult = _FetchResult
