"""What is remembered of a customer's orders: their number, their rhythm, and the newest ones by name."""

from typing import Final

from msgspec import Struct

DAY: Final = 86_400_000
WEEK: Final = 7 * DAY
DUE: Final = 1
OVERDUE: Final = 2
AT_RISK: Final = 4
KEPT: Final = 0.7
"""What a new gap leaves of the gaps before it in the fast sums."""
REMEMBERED: Final = 12
"""How many orders are kept by name: to know a repeated one, to place a late one, to take one back."""


class RecentOrder(Struct, array_like=True, gc=False):
    order_id: str
    event_id: str
    at: int
    total: float
    returned: float = 0.0
    """Money refunded; the total when cancelled."""


class Orders(Struct, array_like=True, gc=False):
    """Orders of one customer. Times in epoch ms, gaps in weeks; the orders of one UTC day are one occasion.

    `s1` and `s2` are the sums of ln(gap) and ln(gap)^2 over the `occasions - 1` gaps, in weeks of the population's
    clock: what the timing model needs. `e1` and `e2` are the same sums, in which a gap counts KEPT times as much as the
    one after it; None before the second gap, and in a state of before they were kept: see `fast`.
    `due_at`, `overdue_at`: when the rules of absence fire for the open gap; 0 where they do not apply.
    """

    count: int
    first_at: int
    last_at: int
    occasions: int
    s1: float
    s2: float
    recent: list[RecentOrder]
    due_at: int = 0
    overdue_at: int = 0
    told: int = 0
    """What has been decided for the open gap: DUE, OVERDUE, AT_RISK."""
    imported: bool = False
    """The newest order came as backfill."""
    muted_until: int = 0
    """Timers due up to here were already past when the order was imported: they stay silent."""
    e1: float | None = None
    e2: float | None = None
    risk_at: int = 0
    """As `due_at`: when a loyal customer is at risk."""

    @property
    def fast(self) -> tuple[float, float]:
        """(e1, e2); where they were not kept, as if all gaps had been the customer's average one: so one gap's are."""
        if self.e1 is None or self.e2 is None:
            share = fast_weight(self.gaps) / self.gaps if self.gaps else 0.0
            return self.s1 * share, self.s2 * share
        return self.e1, self.e2

    @property
    def gaps(self) -> int:
        return self.occasions - 1

    @property
    def mean_gap_days(self) -> float | None:
        """Average interval between occasions in days; None before the second."""
        return (self.last_at - self.first_at) / DAY / self.gaps if self.gaps else None

    @property
    def log_gap_spread(self) -> float | None:
        """Standard deviation of ln(gap); None before the third occasion."""
        x = self.gaps
        return (max(self.s2 - self.s1 * self.s1 / x, 0.0) / (x - 1)) ** 0.5 if x > 1 else None


def fast_weight(gaps: float) -> float:
    """What all gaps together weigh in the fast sums."""
    return float((1.0 - KEPT**gaps) / (1.0 - KEPT))
