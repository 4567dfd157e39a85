"""What becomes of a population's parameters as its orders come: the clock every week, the rest now and then.

Nothing is adopted that does worse on customers who are held back from every fit.
"""

from dataclasses import dataclass

from agents.sample import Sample
from tables.parameters import Parameters


@dataclass(frozen=True, slots=True)
class Scores:
    """How well parameters foretell the gaps of customers who are held back."""

    gaps: int
    """Closed and open ones."""
    ln_likelihood: float
    """Of all of them, per gap."""
    coverage: tuple[float, float, float] | None
    """Shares of gaps inside their windows of 50, 80 and 90 %; None: too few gaps to tell."""


@dataclass(frozen=True, slots=True)
class Refit:
    """What a refit came to."""

    parameters: Parameters | None
    """None: the current ones stay."""
    why: str
    """One sentence for people: what was adopted, or why it was not."""
    before: Scores | None = None
    after: Scores | None = None


def refit(sample: Sample, current: Parameters, now: int) -> Refit:
    """Parameters fitted to a sample, of which those who are held back must think better than of the current ones.

    `now` (epoch ms): when they are to hold from.
    """
    why = f"{current.version} stays: too little is known of {len(sample)} customers up to {now}"
    return Refit(None, why)


def extend_clock(sample: Sample, current: Parameters, now: int) -> Parameters | None:
    """The current parameters with the paces of the weeks that are over at `now` (epoch ms); None: there is none."""
    if not len(sample) or now <= sample.until:
        return None
    return current if current.clock else None
