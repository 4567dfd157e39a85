"""All customers' events as one log, as `replay` sends it."""

from collections.abc import Mapping
from operator import itemgetter

import msgspec

from streams.demo.cdnow import Row
from streams.demo.shopper import Shopper
from streams.logs import LogLine
from tables.events import SOURCES

SEED = 1997
_RANK = {source: rank for rank, source in enumerate(SOURCES)}


def demo_lines(orders: Mapping[str, list[Row]], seed: int = SEED) -> list[LogLine]:
    """Real orders and simulated visits as contract events, the topics merged by event time; the same for a seed."""
    encode = msgspec.json.Encoder().encode
    found: list[tuple[int, int, LogLine]] = []
    for customer, rows in orders.items():
        key = customer.encode()
        for at, _, source, fields in Shopper(customer, rows, seed).events():
            found.append((at, _RANK[source], LogLine(source, key, encode(fields), at, at)))
    found.sort(key=itemgetter(0, 1))  # stable: what is left equal stays in the order of customers
    return [line for _, _, line in found]
