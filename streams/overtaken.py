"""The changelog without fencing: a write of a former owner may come after its successor's, late or on its way for long.

States and marks of `at_least_once` carry the source offsets that they have seen, tombstones too, in a header. What has
seen less than what came before it, or the same before a timer has fired, is overtaken: it is passed over when the
changelog is read.
"""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from streams.mark import decode_mark
from tables.customer import read_applied, read_head

HEADER = "applied"
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(list[int]).decode


def tombstone_headers(applied: Sequence[int]) -> list[tuple[str, bytes]]:
    """Of the tombstone of a customer who had applied these offsets."""
    return [(HEADER, _encode(applied))]


class _Seen(NamedTuple):
    """How far a record is. `applied` is empty where it does not say: it counts whatever came before it."""

    applied: Sequence[int] = ()
    plan: int = 0
    wake: int = 0

    def is_behind(self, other: "_Seen") -> bool:
        if len(self.applied) != len(other.applied):
            return False
        if self.applied == other.applied:  # without an event only a timer changes a state, and it is a later one then
            return self.plan == other.plan and self.wake < other.wake
        return all(mine <= its for mine, its in zip(self.applied, other.applied, strict=True))


class Sieve:
    """Lets the records of one partition through, in their order, but for those that are overtaken.

    :param mark: the key of marks
    :param erased: is filled with the offsets that those had applied whose tombstone is the last of their key
    """

    def __init__(self, mark: bytes, erased: MutableMapping[bytes, list[int]]) -> None:
        self._mark, self._erased = mark, erased
        self._seen: dict[bytes, _Seen] = {}

    def pass_on(self, records: Iterable[Any]) -> Iterator[Any]:
        """Those that count; `key`, `value` and `headers` of each are looked at. Raises `StateError`."""
        for record in records:
            key = record.key
            if key is None or (key.startswith(b"\0") and key != self._mark):
                yield record
                continue
            seen, before = self._look(record), self._seen.get(key)
            if before is not None and seen.is_behind(before):
                continue
            self._seen[key] = seen
            if record.value is None and seen.applied:
                self._erased[key] = list(seen.applied)
            else:
                self._erased.pop(key, None)
            yield record

    def _look(self, record: Any) -> _Seen:
        with suppress(msgspec.DecodeError):  # who reads the mark says so
            if record.value is None:
                return _Seen(next((_decode(value) for name, value in record.headers if name == HEADER), ()))
            if record.key == self._mark:
                positions = decode_mark(record.value).positions
                return _Seen([positions[source].offset for source in sorted(positions)])
            return _Seen(read_applied(record.value) or (), *read_head(record.value))
        return _Seen()
