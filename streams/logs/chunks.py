"""Bytes of a file to whole lines, in chunks: lines are cheapest when they come by the thousand."""

from collections.abc import Iterator
from typing import Any

LONGEST = 16 << 20
"""Bytes. What is longer is no event (Kafka takes 1 MiB unless told otherwise) and must not fill the memory."""
_SIZE = 1 << 20
_BOM = b"\xef\xbb\xbf"


def chunks(stream: Any) -> Iterator[bytes]:
    """Whole lines, joined by newlines, without the last newline and without a byte order mark.

    A line of `LONGEST` bytes or more comes cut to `LONGEST` bytes.
    """
    head = b""  # the beginning of a line whose end has not been read yet; past the limit bytes are dropped
    first = True
    while data := stream.read(_SIZE):
        if first:
            data, first = data.removeprefix(_BOM), False
        cut = data.rfind(b"\n")
        if cut < 0:
            head += data[: max(LONGEST - len(head), 0)]
            continue
        end = data.find(b"\n")
        yield head + data[: max(LONGEST - len(head), 0)][:end] + data[end:cut]
        head = data[cut + 1 :]
    if head:
        yield head
