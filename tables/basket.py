"""What is remembered of a customer's baskets: the distribution of ln(total) and its trend, for each currency."""

from math import exp
from typing import Final

from msgspec import Struct

SHRINKING: Final = 1
GROWN: Final = 2
FOREIGN: Final = 3
"""So many currencies are remembered beside the first one."""


class Basket(Struct, array_like=True, gc=False):
    """Positive totals of one currency: `n` of them, mean and sum of squared deviations of ln(total).

    A total far out joins less far out (agents.models.amounts), so `mean_ln` and `ss` are not quite the totals' own.
    `ewma`, `down` and `up` follow the surprise z of each order (reference: EWMA and CUSUM of a standardised score).
    """

    currency: str
    n: int = 0
    mean_ln: float = 0.0
    ss: float = 0.0
    revenue: float = 0.0
    """Less what was refunded."""
    ewma: float | None = None
    down: float | None = None
    up: float | None = None
    """None: 0, as most are; one byte instead of nine."""
    alarms: int = 0
    """Which trends have been told and have not ended since: SHRINKING, GROWN."""

    @property
    def mean(self) -> float:
        """Average basket in the currency's major units."""
        return self.revenue / self.n if self.n else 0.0

    @property
    def typical(self) -> float:
        """Geometric mean of the baskets."""
        return exp(self.mean_ln)

    @property
    def log_spread(self) -> float | None:
        """Standard deviation of ln(total); None before the second basket."""
        return (self.ss / (self.n - 1)) ** 0.5 if self.n > 1 else None


class Foreign(Struct, array_like=True, gc=False):
    """What there is beside the baskets of the customer's first currency."""

    baskets: list[Basket]
    """Of other currencies, the one used last at the end."""
    orders: dict[str, str]
    """By order id the currency of the newest orders that are in another one than the first."""


def used(foreign: Foreign, currency: str) -> Basket:
    """The baskets of this currency, used last from now on; beyond FOREIGN those not used for longest are forgotten."""
    baskets = foreign.baskets
    found = next((basket for basket in baskets if basket.currency == currency), None)
    if found is None:
        found = Basket(currency)
        del baskets[: len(baskets) - FOREIGN + 1]
    else:
        baskets.remove(found)
    baskets.append(found)
    return found
