"""The changelog without fencing: a write of a former owner may come after its successor's, late or on its way for long.

States and marks of `at_least_once` carry the source offsets that they have seen, tombstones too, in a header. What has
seen less than what came before it, or the same before a timer has fired, is overtaken: it is passed over when the
changelog is read.
"""

from collections.abc import Iterable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import msgspec

from streams.flow.mark import Mark, decode_mark, encode_mark
from tables.customerform import read_progress

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
    gone: bool = False

    def is_behind(self, other: "_Seen") -> bool:
        if len(self.applied) != len(other.applied):
            return False
        if self.applied == other.applied:  # without an event only a timer changes a state, and it is a later one then
            return not self.gone and (other.gone or (self.plan == other.plan and self.wake < other.wake))
        return all(mine <= its for mine, its in zip(self.applied, other.applied, strict=True))


class _Joined(NamedTuple):
    """In the place of a mark's record."""

    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


def _offsets(mark: Mark) -> list[int]:
    return [mark.positions[source].offset for source in sorted(mark.positions)]


def _further(newer: Mark, older: Mark) -> Mark:
    """In each source as far as the one that is further."""
    positions = {
        source: max(
            newer.positions[source],
            older.positions.get(source, newer.positions[source]),
            key=lambda position: position.offset,
        )
        for source in newer.positions
    }
    return Mark(positions, max(newer.now, older.now), min(newer.live_from, older.live_from), newer.topics)


class Sieve:
    """Lets the records of one partition through, in their order, but for those that are overtaken.

    :param mark: the key of marks
    :param erased: is filled with the offsets that those had applied whose tombstone is the last of their key
    :param together: all owners take events in the same order, as in event time: of marks that are ahead of each other
        in different sources (`time.mark` has moved one of them) each holds for its own
    """

    def __init__(self, mark: bytes, erased: MutableMapping[bytes, list[int]], *, together: bool) -> None:
        self._mark, self._erased, self._together = mark, erased, together
        self._seen: dict[bytes, _Seen] = {}
        self._reached: Mark | None = None

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
            yield self._joined(record, seen) if key == self._mark and seen.applied else record

    def _joined(self, record: Any, seen: _Seen) -> Any:
        """The mark as it holds together with those before it."""
        mark = decode_mark(record.value)
        if self._together and self._reached is not None:
            mark = _further(mark, self._reached)
            self._seen[record.key] = seen._replace(applied=_offsets(mark))
        self._reached = mark
        return _Joined(record.key, encode_mark(mark))

    def _look(self, record: Any) -> _Seen:
        with suppress(msgspec.DecodeError):  # who reads the mark says so
            if record.value is None:
                return _Seen(next((_decode(value) for name, value in record.headers if name == HEADER), ()), gone=True)
            if record.key == self._mark:
                return _Seen(_offsets(decode_mark(record.value)))
            applied, plan, wake = read_progress(record.value)
            return _Seen(applied or (), plan, wake)
        return _Seen()
