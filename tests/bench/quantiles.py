"""How long things took, in a few numbers."""

from collections.abc import Sequence
from math import ceil

from msgspec import Struct


class Delays(Struct, frozen=True):
    """Of so many; milliseconds. Of none, all are 0."""

    count: int
    p50: float
    p95: float
    p99: float
    longest: float

    def __str__(self) -> str:
        return (
            f"p50 {self.p50:,.1f} ms, p95 {self.p95:,.1f} ms, p99 {self.p99:,.1f} ms, "
            f"longest {self.longest:,.1f} ms, of {self.count:,}"
        )


def delays_of(values: Sequence[float]) -> Delays:
    """Nearest ranks: each is a delay that occurred, and the share that is at most as long is at least the one named."""
    if not values:
        return Delays(0, 0.0, 0.0, 0.0, 0.0)
    ranked = sorted(values)
    p50, p95, p99 = (ranked[ceil(share * len(ranked) / 100) - 1] for share in (50, 95, 99))
    return Delays(len(ranked), p50, p95, p99, ranked[-1])
