"""Whether those who were given up really stayed away, from the orders alone."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from streams.demo.cdnow import DAY
from streams.demo.tally import Fired
from streams.logs import LogLine
from tables.events import PURCHASES

HORIZON_DAYS = 90


class Truth(NamedTuple):
    """Of one type of trigger: how many could be judged, and how many of them were right."""

    judged: int
    stayed_away: int

    @property
    def share(self) -> float:
        """NaN when none could be judged."""
        return self.stayed_away / self.judged if self.judged else float("nan")


def orders_of(lines: Iterable[LogLine]) -> dict[str, list[int]]:
    """Per customer the times of the orders, epoch ms, ascending; every line of purchases is one."""
    found: dict[str, list[int]] = {}
    for line in lines:
        if line.source == PURCHASES:
            found.setdefault(line.key.decode(), []).append(line.at)
    return found


def judge(
    fired: Iterable[Fired], orders: Mapping[str, Sequence[int]], end: int, days: int = HORIZON_DAYS
) -> dict[str, Truth]:
    """Per type: after how many triggers no order came within so many days.

    :param orders: per customer the times, epoch ms, ascending
    :param end: of the orders' log, epoch ms; a trigger with fewer days left than that is not judged
    """
    found: dict[str, Truth] = {}
    horizon = days * DAY
    for trigger in fired:
        if trigger.at > end - horizon:
            continue
        times = orders.get(trigger.customer, ())
        following = bisect_right(times, trigger.at)
        silent = following == len(times) or times[following] > trigger.at + horizon
        judged, stayed_away = found.get(trigger.type, Truth(0, 0))
        found[trigger.type] = Truth(judged + 1, stayed_away + silent)
    return found
