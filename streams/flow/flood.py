"""Stops a worker when too much of what it reads is not understood: a bad deploy would drain a topic."""

from collections import deque

from streams.errors import FloodError


class FloodGuard:
    """Watches the share of dead letters among the last `size` records of a worker."""

    def __init__(self, share: float, size: int = 1_000) -> None:
        self._limit = share * size
        self._share = share
        self._last = deque([False] * size, maxlen=size)
        self._dead = 0

    def good(self, count: int) -> None:
        """`count` records were understood."""
        if self._dead:
            for _ in range(min(count, len(self._last))):
                self._push(dead=False)

    def dead(self, what: str) -> None:
        """One was not; raises `FloodError` when there are too many. `what` goes into the log: no personal data."""
        self._push(dead=True)
        if self._dead > self._limit:
            raise FloodError(
                f"{self._dead} of the last {len(self._last)} events are not understood (limit {self._share:.0%}); the "
                f"newest: {what}. Nothing of this batch was taken. Mend the producer, or raise "
                "dead_letter_share to let them all go to the dead letters"
            )

    def _push(self, *, dead: bool) -> None:
        self._dead += dead - self._last[0]
        self._last.append(dead)
