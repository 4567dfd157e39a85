"""The triggers of a backtest, in columns: a million of them take 17 MB."""

from array import array
from collections.abc import Mapping

import numpy as np
from msgspec import UNSET

from agents.decisions import FAMILIES, Decision, Trigger
from agents.evidence.flags import Flags
from agents.rulebook.rules import NAMES, ProductReplenishDue
from streams.flow.decode import parse_time
from streams.report.replenished import Needed

_NUMBER = {name: number for number, name in enumerate(NAMES)}
_NEVER_ORDERED = -1


class Fired:
    """Takes decisions as they come; what guards held back does not count, nor who ordered and was erased since."""

    def __init__(self, number: Mapping[bytes, int]) -> None:
        """`number`: of each customer who ordered, see `streams.histories.Histories`."""
        self._number = number
        self._type, self._customer, self._at = array("b"), array("q"), array("q")
        self.needed = Needed(number)

    def take(self, decision: Decision) -> None:
        if isinstance(decision, Trigger) and decision.suppressed_by is UNSET:
            number = self._number.get(decision.customer_id.encode(), _NEVER_ORDERED)
            if number != _NEVER_ORDERED or FAMILIES[decision.type] == "cart":
                self._type.append(_NUMBER[decision.type])
                self._customer.append(number)
                self._at.append(parse_time(decision.fired_at))
                if decision.type == ProductReplenishDue.NAME:
                    self.needed.take(decision)

    def flags(self, *names: str) -> Flags:
        """The triggers of these types."""
        rows = np.isin(np.array(self._type, np.int8), [_NUMBER[name] for name in names])
        return Flags(np.array(self._customer, np.int64)[rows], np.array(self._at, np.int64)[rows])
