"""The changelog without fencing: a write of a former owner may come after its successor's, late or on its way for long.

States and marks of `at_least_once` carry the source offsets that they have seen, tombstones too, in a header. What has
seen less than what came before it is overtaken: it is passed over when the changelog is read.
"""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

import msgspec

from streams.mark import decode_mark
from tables.customer import read_applied

HEADER = "applied"
_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(list[int]).decode


def tombstone_headers(applied: Sequence[int]) -> list[tuple[str, bytes]]:
    """Of the tombstone of a customer who had applied these offsets."""
    return [(HEADER, _encode(applied))]


class Sieve:
    """Lets the records of one partition through, in their order, but for those that are overtaken.

    :param mark: the key of marks
    :param erased: is filled with the offsets that those had applied whose tombstone is the last of their key
    """

    def __init__(self, mark: bytes, erased: MutableMapping[bytes, list[int]]) -> None:
        self._mark, self._erased = mark, erased
        self._seen: dict[bytes, Sequence[int]] = {}

    def pass_on(self, records: Iterable[Any]) -> Iterator[Any]:
        """Those that count; `key`, `value` and `headers` of each are looked at. Raises `StateError`."""
        for record in records:
            key = record.key
            if key is None or (key.startswith(b"\0") and key != self._mark):
                yield record
            elif not self._is_overtaken(key, seen := self._look(record)):
                self._seen[key] = seen
                if record.value is None and seen:
                    self._erased[key] = list(seen)
                else:
                    self._erased.pop(key, None)
                yield record

    def _look(self, record: Any) -> Sequence[int]:
        """The offsets that a record has seen; empty: it does not say, and counts whatever came before it."""
        with suppress(msgspec.DecodeError):  # who reads the mark says so
            if record.value is None:
                return next((_decode(value) for name, value in record.headers if name == HEADER), ())
            if record.key == self._mark:
                positions = decode_mark(record.value).positions
                return [positions[source].offset for source in sorted(positions)]
            return read_applied(record.value) or ()
        return ()

    def _is_overtaken(self, key: bytes, seen: Sequence[int]) -> bool:
        before = self._seen.get(key, ())
        if len(before) != len(seen) or before == seen:
            return False
        return all(new <= old for new, old in zip(seen, before, strict=True))
