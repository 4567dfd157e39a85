"""How many records a batch may hold: as many as the brokers take in time."""

from streams.flow.pipeline import MOST

LEAST = 500
FIRST = 2_000
SECONDS = 5.0
"""How long a batch may take to become durable: a third of what a transaction is given."""


class BatchSize:
    """Begins small, doubles while batches become durable in time, and shrinks to what does.

    Else a batch that is too large for slow brokers would fail, and come again as large as before.
    """

    def __init__(self) -> None:
        self.most = FIRST

    def took(self, records: int, seconds: float) -> None:
        """A batch of so many records became durable in so many seconds."""
        if seconds > SECONDS:
            self.most = max(LEAST, min(self.most, int(records * SECONDS / seconds)))
        else:
            self.most = min(MOST, 2 * self.most)

    def failed(self) -> None:
        """A batch did not become durable."""
        self.most = max(LEAST, self.most // 4)
