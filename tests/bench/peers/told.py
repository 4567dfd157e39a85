"""The lines by which a peer tells how far it is: see `tests.bench.peers.tally`, which writes them."""

from collections.abc import Iterator

import msgspec
from msgspec import Struct

_MARK = "peer "


class Told(Struct, frozen=True):
    """What a peer had done at an instant of its own clock."""

    events: int
    customers: int
    triggers: int
    time: float
    """Unix seconds."""


def lines_in(text: str) -> Iterator[Told]:
    """What a peer has told, among all that it and its libraries wrote. The last line may be unfinished."""
    for line in text.splitlines():
        if line.startswith(_MARK) and line.endswith("}"):
            yield msgspec.json.decode(line.removeprefix(_MARK), type=Told)
