"""The shop's own figures as metrics: orders, revenue, rhythm. Without imports and repeated orders."""

from prometheus_client import CollectorRegistry, Counter

from agents.sales import Sold

CURRENCIES = 20
"""So many currencies have series of their own; what comes beyond them, or is none, is `other`."""
_LETTERS = 3


class ShopMetrics:
    """Counted once a batch. Labels are bounded, whatever producers send."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.orders = Counter(
            "offbeat_orders", "Orders, by whether the customer had ordered before", ["customer"], registry=registry
        )
        self.revenue = Counter(
            "offbeat_revenue", "Totals of orders, in major units of the currency", ["currency"], registry=registry
        )
        self.gap = Counter(
            "offbeat_order_gap_seconds", "Between the orders of returning customers, in all", registry=registry
        )
        self._new, self._returning = self.orders.labels("new"), self.orders.labels("returning")
        self._currencies: set[str] = set()

    def sold(self, sold: Sold) -> None:
        """A batch with these orders is durable."""
        self._new.inc(sold.first)
        self._returning.inc(sold.again)
        self.gap.inc(sold.gap / 1000)
        for currency, total in sold.revenue.items():
            self.revenue.labels(self._label(currency)).inc(total)

    def _label(self, currency: str) -> str:
        code = currency.upper()
        if code not in self._currencies:
            if len(self._currencies) >= CURRENCIES or len(code) != _LETTERS or not (code.isascii() and code.isalpha()):
                return "other"
            self._currencies.add(code)
        return code
