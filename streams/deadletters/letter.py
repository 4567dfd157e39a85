"""What the topic of dead letters holds: letters, and receipts for those that were sent back. Pure.

A receipt is written in the transaction that sends letters back, into their partition: a record without a key, with the
header RECEIPT and their offsets as JSON. So the topic itself says what is still to be sent back, whatever was asked for
before; and as receipts come after their letters, retention deletes the letters first.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from streams.delivery.ports import Row
from streams.flow.decode import KINDS, kind_of
from streams.flow.messages import Headers

OURS = "offbeat_"
"""How the headers begin that a letter has besides the original ones."""
RECEIPT = "offbeat_receipt"
TIMES = "offbeat_sent_back"
"""Header of what is sent back: for the how many-th time. It comes back with whatever is refused again."""
FOREIGN = "foreign"
"""The kind of a record that no worker has written."""
LETTER_KINDS = (*KINDS, FOREIGN)
_LAST = 253_402_300_799_000
"""The end of the year 9999, epoch ms."""


class Letter(NamedTuple):
    """A dead letter."""

    number: int
    """Its partition in the topic of dead letters."""
    offset: int
    at: int
    """When it was written there, epoch ms."""
    topic: str
    """Where it came from; empty in a foreign record, as are the next three."""
    partition: int
    from_offset: int
    reason: str
    kind: str
    """One of LETTER_KINDS."""
    times: int
    """How often it had been sent back before it was refused this time."""
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    """The original ones."""

    @property
    def size(self) -> int:
        """Bytes, about."""
        return len(self.key or b"") + len(self.value or b"") + sum(len(n) + len(v or b"") for n, v in self.headers)

    def row(self) -> Row:
        """The original record, and how often it has been sent back with this time."""
        headers: Headers = [*self.headers, (TIMES, str(self.times + 1).encode())]
        return self.key, self.value, headers


class Receipt(NamedTuple):
    """Letters of a partition that were sent back: first and last offset of each run."""

    runs: tuple[tuple[int, int], ...]


class _Told(msgspec.Struct):
    sent_back: list[tuple[int, int]]


def read(number: int, record: Any) -> Letter | Receipt:
    """A record of partition `number` of the topic, as aiokafka's parser leaves it (see `streams.delivery.records`).

    Of headers of the same name the last one counts: a worker adds its own behind those of the producer.
    """
    headers = tuple(record.headers)
    told = {name: value or b"" for name, value in headers if name.startswith(OURS)}
    if RECEIPT in told and record.key is None and "offbeat_topic" not in told:
        return _receipt(record)
    partition, offset = _number(told.get("offbeat_partition")), _number(told.get("offbeat_offset"))
    if partition is None or offset is None or "offbeat_topic" not in told:
        where: tuple[str, int, int, str, str] = "", -1, -1, "", FOREIGN
    else:
        reason = told.get("offbeat_reason", b"").decode(errors="replace")
        where = told["offbeat_topic"].decode(errors="replace"), partition, offset, reason, kind_of(reason)
    original = tuple(header for header in headers if not header[0].startswith(OURS))
    times = _number(told.get(TIMES)) or 0
    return Letter(number, record.offset, record.timestamp, *where, times, record.key, record.value, original)


def _number(text: bytes | None) -> int | None:
    """A count or an offset; None when it is none."""
    return int(text) if text is not None and text.isdigit() and len(text) < 19 else None


def _receipt(record: Any) -> Receipt:
    """Only of what came before it: whatever else it may hold is of no letter."""
    try:
        runs = msgspec.json.decode(record.value or b"", type=_Told).sent_back
    except msgspec.DecodeError:
        return Receipt(())
    return Receipt(tuple((first, last) for first, last in runs if 0 <= first <= last < record.offset))


def receipt_row(offsets: Iterable[int]) -> Row:
    """The receipt for letters of one partition; their offsets ascend."""
    runs: list[tuple[int, int]] = []
    for offset in offsets:
        if runs and runs[-1][1] == offset - 1:
            runs[-1] = runs[-1][0], offset
        else:
            runs.append((offset, offset))
    return None, msgspec.json.encode(_Told(runs)), [(RECEIPT, b"1")]


class SentBack:
    """Which letters were sent back, by partition: a bit for each."""

    def __init__(self) -> None:
        self._bits: dict[int, tuple[int, bytearray]] = {}

    def begins(self, number: int, offset: int) -> None:
        """Partition `number` holds nothing before `offset` any more."""
        self._bits.setdefault(number, (offset, bytearray()))

    def note(self, number: int, receipt: Receipt) -> None:
        base, bits = self._bits[number]
        for first, last in receipt.runs:
            if last >= base:
                bits.extend(bytes(max(0, (last - base) // 8 + 1 - len(bits))))
                for place in range(max(first, base) - base, last - base + 1):
                    bits[place // 8] |= 1 << place % 8

    def has(self, letter: Letter) -> bool:
        base, bits = self._bits.get(letter.number, (0, bytearray()))
        place = letter.offset - base
        return 0 <= place < 8 * len(bits) and bool(bits[place // 8] >> place % 8 & 1)


class Selection(NamedTuple):
    """Which letters are meant."""

    kinds: frozenset[str] = frozenset()
    """Of LETTER_KINDS; empty: all."""
    since: int | None = None
    """Written then or later, epoch ms."""

    def takes(self, letter: Letter) -> bool:
        return (not self.kinds or letter.kind in self.kinds) and (self.since is None or letter.at >= self.since)


class Wanted(NamedTuple):
    """What is to be sent back."""

    selection: Selection = Selection()
    limit: int | None = None
    """So many at the most."""
    everything: bool = False
    """Also what would not pass, to workers of another version."""


def moment(at: int) -> str:
    """Epoch ms as ISO 8601, UTC, to the second; what no calendar has is its first or its last one."""
    return (
        datetime.fromtimestamp(min(max(at, 0), _LAST) / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    )
