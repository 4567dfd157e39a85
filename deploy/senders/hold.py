"""What has been read and is not done yet: each message waits until it is due. Pure; times are epoch seconds.

A partition's offset is committed only up to the first message that is not done, so a crash loses nothing of this.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

T = TypeVar("T")
LOOK_AGAIN_SECONDS = 0.2


@dataclass(eq=False)
class Held(Generic[T]):
    """A message that waits. `since`: what was sent to its partition before that moment must be read first."""

    place: Hashable
    """Its partition."""
    offset: int
    what: T
    since: float
    tries: int = 0
    gone: bool = field(default=False, repr=False)


class Hold(Generic[T]):
    """Holds about `limit` messages at the most: at that it is `full`, and whoever reads should pause."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._queue: list[tuple[float, int, Held[T]]] = []
        self._places: dict[Hashable, dict[int, Held[T]]] = {}
        self._read_until: dict[Hashable, float] = {}
        self._count = self._number = 0

    def __len__(self) -> int:
        return self._count

    @property
    def full(self) -> bool:
        return self._count >= self._limit

    def add(self, place: Hashable, offset: int, what: T, due: float, since: float = 0.0) -> None:
        """Offsets of one place come in ascending order."""
        held = Held(place, offset, what, since)
        self._places.setdefault(place, {})[offset] = held
        self._count += 1
        self.again(held, due)

    def again(self, held: Held[T], due: float) -> None:
        """It is not done: let it wait until then."""
        self._number += 1  # so that of two which are due together the first to come goes first
        heappush(self._queue, (due, self._number, held))

    def done(self, held: Held[T]) -> None:
        if not held.gone:
            held.gone = True
            del self._places[held.place][held.offset]
            self._count -= 1

    def read(self, place: Hashable, until: float) -> None:
        """All that was sent to this partition before that moment has been read."""
        self._read_until[place] = max(until, self._read_until.get(place, 0.0))

    def next(self, now: float) -> Held[T] | None:
        """One that is due; the caller hands it to `done` or `again`.

        Where the end of the partition is not in sight yet, what takes a message back may still come: it waits for that,
        unless the hold is full.
        """
        while self._queue and self._queue[0][0] <= now:
            _, _, held = heappop(self._queue)
            if self.full or self._read_until.get(held.place, 0.0) >= held.since:
                return held
            self.again(held, now + LOOK_AGAIN_SECONDS)
        return None

    def drop(self, places: Iterable[Hashable]) -> None:
        """Forget all of these partitions: somebody else has them now, or they are read again."""
        for place in places:
            for held in self._places.pop(place, {}).values():
                held.gone = True
                self._count -= 1
            self._read_until.pop(place, None)
        self._queue = [entry for entry in self._queue if not entry[2].gone]
        heapify(self._queue)

    def first(self, place: Hashable) -> int | None:
        """The lowest offset that is not done; None: all is."""
        return next(iter(self._places.get(place, ())), None)
