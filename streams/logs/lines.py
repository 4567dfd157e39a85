"""JSON lines of contract events.

A file is read once to check it and to count each topic, then once per topic that it holds, side by side: the topics
may follow one another instead of being mixed, and memory still holds one chunk per topic.
"""

from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple, get_args

import msgspec

from streams.flow.decode import EARLIEST, parse_time
from streams.logs.chunks import LONGEST, chunks
from streams.logs.files import LogFile, Progress, errors_of
from streams.logs.merge import merge
from streams.logs.model import Log, LogError, LogLine, Rejected
from streams.logs.rewrite import Changes, rewrite
from tables.events import BY_SOURCE, SOURCES, AnyEvent, TimeMark

_BLOCK = 1024
_MARK = "time.mark"
_SOURCE_OF_CLASS = {
    event: source for source in SOURCES for event in get_args(BY_SOURCE[source]) if event is not TimeMark
}
_SOURCE_OF_TYPE = {event.__struct_config__.tag: source for event, source in _SOURCE_OF_CLASS.items()}
_event = msgspec.json.Decoder(AnyEvent | TimeMark).decode
_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_STEMS = {
    # what a line of this topic must hold somewhere: the beginning of a type, unless that is written with escapes
    source: (
        *sorted({f"{name.split('.')[0]}.".encode() for name, its in _SOURCE_OF_TYPE.items() if its == source}),
        b"\\u",
    )
    for source in SOURCES
}


class _NoEventError(ValueError):
    """A line that cannot be sent to any topic; it is counted, with this reason."""


class _Seen(NamedTuple):
    source: str
    customer: bytes
    at: int | None
    """Epoch ms; None: the worker will refuse the event, whatever its time."""


def read_lines(path: Path, compression: str | None, changes: Changes, latest: int, progress: Progress) -> Log:
    """Check the file; `latest` (epoch ms) bounds event times. Use it inside `errors_of`; raises LogError."""
    counts = dict.fromkeys(SOURCES, 0)
    rejected = Rejected()
    span: tuple[int, int] | None = None
    number = 0
    with LogFile(path, compression) as file:
        for chunk in chunks(file.stream):
            progress(file.progress)
            for line in chunk.split(b"\n"):
                number += 1
                try:
                    seen = _look(line, latest)
                except _NoEventError as exc:
                    rejected.add(f"line {number}: {exc}")
                    _not_an_array(path, line, number)
                    continue
                if seen is None:
                    continue
                counts[seen.source] += 1
                if seen.at is not None:
                    span = (min(span[0], seen.at), max(span[1], seen.at)) if span else (seen.at, seen.at)
    shift = changes.shift(span)
    produce = partial(_produce, path, compression, counts, latest, shift, changes.backfill)
    return Log(
        str(path),
        total=sum(counts.values()),
        rejected=rejected,
        span=span and (span[0] + shift, span[1] + shift),
        produce=produce,
    )


def _produce(
    path: Path, compression: str | None, counts: dict[str, int], latest: int, shift: int, backfill: bool
) -> Iterator[list[LogLine]]:
    with errors_of(path):
        topics = [
            _topic(path, compression, source, counts[source], latest, shift, backfill)
            for source in SOURCES
            if counts[source]
        ]
        merged = merge(topics)
        while block := list(islice(merged, _BLOCK)):
            yield block


def _topic(
    path: Path, compression: str | None, source: str, count: int, latest: int, shift: int, backfill: bool
) -> Iterator[LogLine]:
    """The first `count` lines of one topic, in file order."""
    reached = EARLIEST  # a first line without a usable time needs one
    left = count
    with LogFile(path, compression) as file:
        for line in _candidates(file, _STEMS[source]):
            try:
                seen = _look(line, latest)
            except _NoEventError:
                continue  # counted when the file was checked
            if seen is None or seen.source != source:
                continue
            value = line.rstrip(b"\r")
            if seen.at is None:
                yield LogLine(source, seen.customer, value, reached, reached)
            else:
                at = seen.at + shift
                reached = max(reached, at)
                value = rewrite(value, seen.at, shift=shift, backfill=backfill)
                yield LogLine(source, seen.customer, value, at, reached)
            left -= 1
            if not left:
                return
    raise LogError(f"{path}: {left} lines of {source} are gone; the file has changed while it was read")


def _candidates(file: LogFile, stems: tuple[bytes, ...]) -> Iterator[bytes]:
    """Lines that may be of the topic: the others are not worth decoding."""
    for chunk in chunks(file.stream):
        if any(map(chunk.__contains__, stems)):
            for line in chunk.split(b"\n"):
                if any(map(line.__contains__, stems)):
                    yield line


def _look(line: bytes, latest: int) -> _Seen | None:
    """What a line is; None: nothing to send (blank, or a mark: `replay` makes its own). Raises _NoEventError."""
    try:
        event = _event(line)
        at = event.occurred_at
        if at.__class__ is not int:
            at = parse_time(at)
        if event.__class__ is not TimeMark:
            in_range = EARLIEST <= at <= latest and "\0" not in event.customer_id
            return _Seen(_SOURCE_OF_CLASS[event.__class__], event.customer_id.encode(), at if in_range else None)
    except (ValueError, TypeError, RecursionError):
        return _look_closely(line)
    return None


def _look_closely(line: bytes) -> _Seen | None:
    """A line that is no valid event: if it names a type and a customer the worker gets it, and puts it aside."""
    if not line or line.isspace():
        return None
    if len(line) >= LONGEST:
        raise _NoEventError(f"longer than {LONGEST >> 20} MiB")
    try:
        fields = _fields(line)
    except UnicodeDecodeError:
        raise _NoEventError("not UTF-8") from None
    except RecursionError:
        raise _NoEventError("nested too deeply") from None
    except msgspec.ValidationError:
        raise _NoEventError("not a JSON object") from None
    except ValueError as exc:
        raise _NoEventError(f"not JSON: {exc}") from None
    name, customer = _text(fields, "type"), _text(fields, "customer_id")
    if name == _MARK:
        return None
    if name not in _SOURCE_OF_TYPE:
        raise _NoEventError("no type" if name is None else f"unknown type {name[:80]!r}")
    if not customer:
        raise _NoEventError("no customer_id")
    return _Seen(_SOURCE_OF_TYPE[name], customer.encode(), None)


def _text(fields: dict[str, msgspec.Raw], name: str) -> str | None:
    try:
        return msgspec.json.decode(fields.get(name, b"null"), type=str)
    except ValueError:
        return None


def _not_an_array(path: Path, line: bytes, number: int) -> None:
    if number == 1 and line.lstrip().startswith(b"["):
        raise LogError(f"{path}: a JSON array; wanted is one event a line (`jq -c '.[]'` makes that of it)")
