"""Says what reached a bound: a count of events, and a line in the log for a customer, now and then.

An id is personal data: below the level debug a pseudonym stands for it.
"""

import logging
import time
from collections.abc import Callable, Mapping

from prometheus_client import Counter

from agents.notices import Bound, Notice
from streams.flow.busiest import LIMIT
from streams.flow.decode import show
from streams.watch.logformat import about, pseudonym
from tables.cart import MAX_LINES

log = logging.getLogger(__name__)

AGAIN_SECONDS = 3600.0
"""After that long a customer is named again."""
LINES = 20
"""Customers that are named in that time, for each bound."""
_WHAT: Mapping[Bound, str] = {
    "cart": f"a cart of {MAX_LINES} products or more: those not touched for the longest time are forgotten",
    "message": f"an event too large: of its items the first {MAX_LINES} are read, attributes are not",
    "customer": f"more than {LIMIT:,} events within an hour: a robot, or an id that stands for many?",
}


class Excess:
    """Of one partition number. Remembers no more customers than it may name."""

    def __init__(self, number: int, events: Counter, clock: Callable[[], float] = time.monotonic) -> None:
        self._number, self._events, self._clock = number, events, clock
        self._said: dict[tuple[Bound, str], float] = {}

    def tell(self, notices: Mapping[Bound, Notice]) -> None:
        for bound, (events, customer_id) in notices.items():
            self._events.labels(bound).inc(events)
            if self._is_news(bound, customer_id):
                name, extra = pseudonym(customer_id), about(self._number)
                log.warning("partition %d: customer %s: %s", self._number, name, _WHAT[bound], extra=extra)
                log.debug("partition %d: customer %s is %s", self._number, name, show(customer_id), extra=extra)

    def _is_news(self, bound: Bound, customer_id: str) -> bool:
        now = self._clock()
        said = self._said = {key: at for key, at in self._said.items() if now - at < AGAIN_SECONDS}
        if (bound, customer_id) in said or sum(key[0] == bound for key in said) >= LINES:
            return False
        said[bound, customer_id] = now
        return True
