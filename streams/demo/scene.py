"""What there is to be seen of a demo that runs."""

import time
from dataclasses import dataclass
from typing import NamedTuple

from streams.demo.gauges import Gauges
from streams.demo.tally import Tally


class About(NamedTuple):
    """What kind of data this is."""

    real: str
    simulated: str


@dataclass
class Scene:
    """All that the view shows; kept by the demo."""

    total: int
    """Events to be sent."""
    about: About
    tally: Tally
    gauges: Gauges
    began: float
    """Of a steady clock, seconds."""

    @property
    def share(self) -> float:
        """Of the events, how many the worker has taken, 0 to 1."""
        return min(1.0, self.gauges.taken / self.total) if self.total else 0.0

    @property
    def seconds(self) -> float:
        return time.monotonic() - self.began
