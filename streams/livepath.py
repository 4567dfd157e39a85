"""What live workers learn, played on a log: at each week's end a sample, the clock's next pace or a refit, adopted."""

from collections.abc import Callable
from dataclasses import dataclass

from agents.core import Core
from agents.learning.following import week_end
from agents.learning.refit import Refit, renew
from agents.learning.sampling import MOST, take_sample
from tables.parameters import Parameters

PARTITIONS = 16
"""A log is one partition; so many times a partition's sample is drawn of it."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a week's end came to."""

    at: int
    """Epoch ms."""
    found: Refit


@dataclass(slots=True)
class LivePath:
    """Keeps a core's parameters up to date, in event time."""

    core: Core
    parameters: Parameters
    """Those in force."""
    renewed: Callable[[Renewal], None]

    next_at: int = 0
    """When there is something to learn next, epoch ms; 0: not known before the first event."""

    def follow(self, until: int, reach: Callable[[int], None]) -> None:
        """Learn at each week's end up to `until` (epoch ms); `reach` takes the core there, and ends its batch."""
        while until >= self.next_at:
            if self.next_at:
                reach(self.next_at)
                self._learn(self.next_at)
            self.next_at = week_end(self.parameters, self.next_at or until)

    def _learn(self, at: int) -> None:
        self.core.emitter.now = at
        found = renew(take_sample(self.core.states, at, PARTITIONS * MOST), self.parameters, at)
        if found.parameters is not None:
            self.parameters = found.parameters
            self.core.adopt_parameters(found.parameters)
        self.renewed(Renewal(at, found))
