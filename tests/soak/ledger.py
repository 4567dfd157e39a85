"""What is owed and what has come, crossed off against each other: only what is open is held, for however long."""

from tests.support.oracle import Written


class Ledger:
    """In any order: a message may be read before it is known to be owed."""

    def __init__(self) -> None:
        self.paid = 0
        """Messages that have come."""
        self._open: dict[Written, int] = {}

    def owe(self, message: Written) -> None:
        """The pure core has decided it."""
        self._cross_off(message, 1)

    def pay(self, message: Written) -> None:
        """A reader has got it."""
        self.paid += 1
        self._cross_off(message, -1)

    def _cross_off(self, message: Written, by: int) -> None:
        left = self._open.get(message, 0) + by
        if left:
            self._open[message] = left
        else:
            del self._open[message]

    @property
    def missing(self) -> dict[Written, int]:
        """Owed, and not come, so many times."""
        return {message: count for message, count in self._open.items() if count > 0}

    @property
    def extra(self) -> dict[Written, int]:
        """Come, and not owed: wrong, or too often."""
        return {message: -count for message, count in self._open.items() if count < 0}
