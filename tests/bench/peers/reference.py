"""What every peer must come to: the job in plain Python over the events that the peers get."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.bench.load import Row
from tests.bench.peers.fold import State, fold, fresh
from tests.bench.peers.told import Told


@dataclass(slots=True)
class Reference:
    """The job's results, when `over` has been read to its end.

    They do not depend on how a peer merges its two topics: a customer's triggers follow from orders alone.
    """

    events: int = 0
    customers: int = 0
    triggers: list[str] = field(default_factory=list)
    """The orders that called for one."""

    def over(self, rows: Iterable[Row]) -> Iterator[Row]:
        """Pass the rows on, having done the job with each."""
        states: dict[bytes, State] = {}
        for row in rows:
            _, key, value = row
            state = states.get(key)
            if state is None:
                state = states[key] = fresh()
                self.customers += 1
            trigger = fold(state, json.loads(value))
            if trigger is not None:
                self.triggers.append(trigger["order_id"])
            self.events += 1
            yield row

    def difference(self, told: Told, committed: Iterable[str]) -> str | None:
        """How what a peer told, or the orders of the triggers that it committed, differ from this; None: not at all."""
        for what, theirs, ours in (
            ("events", told.events, self.events),
            ("customers", told.customers, self.customers),
            ("triggers", told.triggers, len(self.triggers)),
        ):
            if theirs != ours:
                return f"it counts {theirs:,} {what}, the reference {ours:,}"
        there, wanted = Counter(committed), Counter(self.triggers)
        lost, more = (wanted - there).total(), (there - wanted).total()
        if lost or more:
            return f"of {len(self.triggers):,} triggers {lost:,} are not committed, and {more:,} are too many"
        return None
