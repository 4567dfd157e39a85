"""Records as aiokafka's parser leaves them, without the object that it builds in Python around each of them.

That object costs as much as fetching and parsing together. The parser's own record has offset, timestamp, key, value
and headers, but neither topic nor partition. aiokafka 0.14.0 offers no way to it: one private class is replaced here,
and acts differently only for consumers that ask for it with `value_deserializer=as_parsed`.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.consumer import fetcher


def as_parsed(value: bytes | None) -> bytes | None:
    """The mark of a consumer that takes the parser's own records; not called for them."""
    return value


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc] # aiokafka ships no types
    def __iter__(self) -> Iterator[Any]:
        """The generator itself: `__next__`, which aiokafka puts around it, costs a call per record."""
        return self._records_iterator or iter(())

    def _consumer_record(self, tp: Any, record: Any) -> Any:
        return record if self._value_deserializer is as_parsed else super()._consumer_record(tp, record)


fetcher.PartitionRecords = _PartitionRecords
