"""What is remembered of a customer's baskets: the distribution of ln(total) and its trend."""

from math import exp, log

from msgspec import Struct

SHRINKING = 1
GROWN = 2


class Basket(Struct, array_like=True, gc=False):
    """Positive totals of one currency: `n` of them, mean and sum of squared deviations of ln(total).

    `ewma`, `down` and `up` follow the surprise z of each order (reference: EWMA and CUSUM of a standardised score).
    """

    currency: str
    n: int = 0
    mean_ln: float = 0.0
    ss: float = 0.0
    revenue: float = 0.0
    ewma: float = 0.0
    down: float = 0.0
    up: float = 0.0
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


def add_basket(basket: Basket | None, total: float, currency: str) -> Basket | None:
    """The baskets with one more (Welford).

    A total of 0 is unknown or a gift, and another currency is another history: neither counts.
    """
    if basket is None:
        basket = Basket(currency)
    if total > 0.0 and currency == basket.currency:
        basket.n += 1
        basket.revenue += total
        y = log(total)
        d = y - basket.mean_ln
        basket.mean_ln += d / basket.n
        basket.ss += d * (y - basket.mean_ln)
    return basket
