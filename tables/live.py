"""What workers that learn while they run have seen so far; a part of the population's parameters."""

from datetime import date

from msgspec import Struct

from tables.ranges import ParametersError, positive

MAX_WEEKS = 520
"""Weeks that workers go on from, at most."""


class Live(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What workers that learn while they run go on from: the weeks they have watched, and their last refit.

    Raises ParametersError for weeks that nobody can have seen.
    """

    since: date
    """The first day of the first of these weeks; the clock is known up to the end of the last."""
    level: float
    """Orders seen for each one that the model expects in a week, on the average."""
    usual: float = 1.0
    """The pace that counts as usual: that of the year before the first day that was watched live."""
    seen: tuple[float, ...] = ()
    """Orders seen in each week."""
    expected: tuple[float, ...] = ()
    """Orders expected in it at a pace of 1."""
    fitted_at: int = 0
    """When the last refit was tried, epoch ms; 0: not yet."""
    orders: int = 0
    """The shop's orders at that time."""

    def __post_init__(self) -> None:
        positive("live.level", self.level)
        positive("live.usual", self.usual, most=20)
        if len(self.seen) != len(self.expected) or len(self.seen) > MAX_WEEKS:
            raise ParametersError(
                f"live: {len(self.seen)} weeks of orders seen and {len(self.expected)} of orders expected; "
                f"there must be as many of both, {MAX_WEEKS} at most"
            )
        if not all(0 <= count <= 1e12 for count in (*self.seen, *self.expected)):
            raise ParametersError("live: a week's orders must lie between 0 and 1e12")
