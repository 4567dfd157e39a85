"""A refit in a process of its own, at the lowest priority and with bounded memory: `python -m streams.refit.child`.

On standard input comes a length (8 bytes, big-endian) and a `Task` (msgpack); the `Answer` (JSON) goes to standard
output. The input stays open for as long as the answer is wanted: when it closes, the process ends, in whatever it is.
"""

import os
import resource
import sys
import threading

import msgspec
from msgspec import Struct

from streams.refit.records import Score
from tables.parameters import Parameters

MEMORY_BYTES = 3 << 30
"""Of address space: numpy, scipy and CUSTOMERS of a sample take a third of it."""


class Task(Struct, frozen=True, kw_only=True):
    """What is to be fitted."""

    current: bytes
    """The parameters in force, JSON."""
    samples: list[bytes]
    until: int
    every: int
    """Ms after which everything is fitted anew at the latest."""


class Answer(Struct, frozen=True, kw_only=True):
    """What came of it."""

    parameters: Parameters | None
    """None: those in force stay."""
    why: str
    tried: bool = False
    """Rhythm and baskets were fitted, ..."""
    adopted: bool = False
    """... and one of them is new."""
    before: Score | None = None
    after: Score | None = None


encode_task = msgspec.msgpack.Encoder().encode
decode_answer = msgspec.json.Decoder(Answer).decode


def framed(task: Task) -> bytes:
    """As the child reads it."""
    value = encode_task(task)
    return len(value).to_bytes(8, "big") + value


def main() -> None:
    """Read the task, fit, write the answer."""
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    source = sys.stdin.buffer
    length = int.from_bytes(source.read(8), "big")
    task = msgspec.msgpack.decode(source.read(length), type=Task)
    threading.Thread(target=_end_with_input, daemon=True).start()
    from streams.refit.work import work  # noqa: PLC0415 - scipy takes a second, in which the parent may end already

    sys.stdout.buffer.write(msgspec.json.encode(work(task)))
    sys.stdout.buffer.flush()


def _end_with_input() -> None:
    """Nobody waits for the answer any more once the input is closed."""
    os.read(0, 1)  # not through the buffer, whose lock would be held while Python ends
    os._exit(1)


if __name__ == "__main__":
    main()
