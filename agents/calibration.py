"""Are the windows right as time goes on? Gaps that closed, against those that the model expected to, counted live.

To count which of the gaps that close lie inside their windows would mislead: after a season, or in a young shop, most
of those that close are short, whatever the model is worth, for the long ones are still open. So each part of a window
(up to its half, from there to its 80 %, ...) is counted by itself: how many gaps closed in it, and how many should
have, given how long each open gap has spent in it (the compensator of the counting process: Aalen 1978). Under the
model the two differ by chance alone, whenever counting begins and whatever is still open. From their ratios r follows
the share of gaps within level p, as the product-limit estimate has it:

    C(p) = 1 - exp(-sum over the parts up to p of r ln((1 - from) / (1 - to)))

With u the place of an age in the customer's window and q the chance to have gone, a gap that is open from u0 to u1
should have closed ln((1 - (1-q) u0) / (1 - (1-q) u1)) times. Windows are the model's, by the clock that triggers go by;
what triggers add for paces that nobody knows (`unsure`) is left out, since it makes them wide on purpose.

Each count belongs to the rule whose window it is (`first_purchase.lapsed` of the gap after a first order,
`repurchase.overdue` of later ones), and to the rhythm that windows are made from: so a refit's windows are seen by
themselves. A piece of an open gap that was under way when parameters changed counts with the new ones, a week at most.

Looked at is a sample of customers, the same everywhere, since it goes by the hash of their ids: each when an order
closes a gap, and once a week. Gaps that began as an import do not count.
"""

from collections.abc import Iterable, Iterator, Sequence
from math import exp, log
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

from agents.models.levels import LEVELS
from agents.models.mixture import Floats
from agents.models.timing import Rhythm
from agents.rulebook.rules import FirstPurchaseLapsed, RepurchaseOverdue
from agents.triggers.absence import State, state_of
from tables.clock import Clock
from tables.orders import DAY, Orders
from tables.parameters import Parameters
from tables.states import States

PARTS = (*LEVELS, 1.0)
"""Where the parts of a window end, as shares of the gaps that close at all."""
_EDGES: Floats = np.array((0.0, *PARTS))
RULES = (FirstPurchaseLapsed.NAME, RepurchaseOverdue.NAME)
"""Whose window it is: that of the gap after a customer's first order, and of later ones."""
MOST = 1024
"""Customers that are looked at, of each partition."""
_SCAN = 4096
"""Customers that are asked in each batch after a start, whether they are in the sample."""
_WEEK = 7
"""Days: each customer is looked at on one of them."""


class Gaps(NamedTuple):
    """Per part of the window: gaps that closed in it, and how many should have."""

    seen: tuple[int, ...]
    expected: tuple[float, ...]


class Windows(NamedTuple):
    """Whose they are: one of RULES, and `Parameters.rhythm`."""

    rule: str
    rhythm: str


class _Counts(NamedTuple):
    """By RULES and part of the window, (2, 4)."""

    seen: NDArray[np.int64]
    expected: Floats


class _Piece(NamedTuple):
    """A stretch in which a gap was open, epoch ms; and whether it closed then."""

    state: State
    last_at: int
    since: int
    until: int
    closed: bool


def coverage(seen: Sequence[float], expected: Sequence[float]) -> dict[float, float | None]:
    """Per level the share of gaps within it, of those that close; None: none was expected yet. Each of length 4."""
    found: dict[float, float | None] = {}
    hazard: float | None = 0.0
    for came, should, low, high in zip(seen, expected, (0.0, *PARTS), PARTS[:-1], strict=False):
        hazard = None if hazard is None or should <= 0 else hazard + came / should * log((1 - low) / (1 - high))
        found[high] = None if hazard is None else 1 - exp(-hazard)
    return found


def together(counts: Iterable[Gaps]) -> Gaps:
    """Of all rules and rhythms."""
    given = list(counts)
    seen = np.sum([gaps.seen for gaps in given] or np.zeros((1, len(PARTS)), np.int64), axis=0)
    expected = np.sum([gaps.expected for gaps in given] or np.zeros((1, len(PARTS))), axis=0)
    return Gaps(tuple(seen.tolist()), tuple(expected.tolist()))


class Calibration:
    """Gathers while batches are worked on, for one partition."""

    def __init__(self, parameters: Parameters) -> None:
        self._mask = 0
        self._watched: dict[bytes, int] = {}
        """Who is looked at, and on which day of the week."""
        self._unasked: Iterator[bytes] | None = None
        self._today = 0
        self._looked = [0] * _WEEK
        """Of each day of the week, when those of it were looked at last, epoch ms."""
        self._pieces: list[_Piece] = []
        self._counts: dict[str, _Counts] = {}
        """By rhythm."""
        self.go_by(parameters)

    def go_by(self, parameters: Parameters) -> None:
        """Whose windows are looked at from now on."""
        self._prior, self._clock = parameters.timing, Clock(parameters.clock)
        self._rhythm = parameters.rhythm
        self._of_rhythm()  # with zeros: what grows from nothing on is seen to have grown

    def begin(self, now: int) -> None:
        """What lies before `now` (epoch ms) was counted by whoever had the partition."""
        self._today = now // DAY
        self._looked = [_latest(self._today, day) for day in range(_WEEK)]

    def ordered(self, key: bytes, orders: Orders | None, at: int, imported: bool) -> None:
        """An order came at `at`; `orders`: those before it."""
        if orders is None:
            self._ask(key)
        elif key in self._watched and not (imported or orders.imported) and at // DAY > orders.last_at // DAY:
            since = max(orders.last_at, self._looked[self._watched[key]])
            self._pieces.append(_Piece(state_of(orders), orders.last_at, since, at, closed=True))

    def look(self, states: States, reached: int) -> None:
        """The batch is over, and knows all orders before `reached` (epoch ms): look at whose day has come, and count.

        States must be as the batch has left them.
        """
        self._scan(states)
        today = reached // DAY
        if today > self._today:
            self._today = today
            self._look_at_open(states, today)
        if self._pieces:
            self._count()

    def take(self) -> dict[Windows, Gaps]:
        """What has gathered; it starts anew."""
        counts, self._counts = self._counts, {}
        return {
            Windows(rule, rhythm): Gaps(tuple(seen.tolist()), tuple(expected.tolist()))
            for rhythm, of in counts.items()
            for rule, seen, expected in zip(RULES, of.seen, of.expected, strict=True)
        }

    def _of_rhythm(self) -> _Counts:
        """Of the rhythm of now."""
        if self._rhythm not in self._counts:
            shape = len(RULES), len(PARTS)
            self._counts[self._rhythm] = _Counts(np.zeros(shape, dtype=np.int64), np.zeros(shape))
        return self._counts[self._rhythm]

    # -- the sample

    def _ask(self, key: bytes) -> None:
        """Look at this customer from now on, if it is in the sample."""
        digest = xxh3_64_intdigest(key)
        if digest & self._mask == 0:
            self._watched[key] = (digest >> 32) % _WEEK
            while len(self._watched) > MOST:
                self._mask = 2 * self._mask + 1
                self._watched = {k: d for k, d in self._watched.items() if xxh3_64_intdigest(k) & self._mask == 0}

    def _scan(self, states: States) -> None:
        """Some more of those who were there when the partition was taken over."""
        if self._unasked is None:
            self._unasked = iter(list(states))
        for _ in range(_SCAN):
            key = next(self._unasked, None)
            if key is None:
                return
            if xxh3_64_intdigest(key) & self._mask == 0 and key not in self._watched:
                customer = states.read(key)
                if customer is not None and customer.orders is not None:
                    self._ask(key)

    def _look_at_open(self, states: States, today: int) -> None:
        """The open gaps of whose day has come, up to the beginning of that day."""
        looked = [_latest(today, day) for day in range(_WEEK)]
        for key, day in list(self._watched.items()):
            since, until = self._looked[day], looked[day]
            if until > since:
                customer = states.read(key)
                orders = None if customer is None else customer.orders
                if orders is None:
                    del self._watched[key]
                elif orders.last_at < until and not orders.imported:
                    since = max(orders.last_at, since)
                    self._pieces.append(_Piece(state_of(orders), orders.last_at, since, until, closed=False))
        self._looked = looked

    # -- counting

    def _count(self) -> None:
        pieces, self._pieces = self._pieces, []
        x, s1, s2, e1, e2 = np.array([piece.state for piece in pieces]).T
        last, since, until = np.array([piece[1:4] for piece in pieces], dtype=np.float64).T
        closed = np.array([piece.closed for piece in pieces])
        until = np.where(closed, np.maximum(until, last + DAY), until)  # orders of one day are one occasion
        rhythm = Rhythm(self._prior, x, s1, s2, e1, e2)
        began = self._clock.all_at(last)
        low, high = (rhythm.share((self._clock.all_at(at) - began) / DAY, np.inf) for at in (since, until))
        stays = 1.0 / (1.0 + rhythm.odds)
        passed = -np.log1p(-stays * np.minimum(_EDGES[:, None], np.maximum(low, high)))
        passed = np.maximum(passed, -np.log1p(-stays * low))
        counts, later = self._of_rhythm(), x > 0
        parts, should = np.searchsorted(_EDGES[1:-1], high), np.diff(passed, axis=0)
        for rule, rows in enumerate((~later, later)):
            counts.expected[rule] += should[:, rows].sum(axis=1)
            counts.seen[rule] += np.bincount(parts[rows & closed], minlength=len(PARTS))


def _latest(today: int, day: int) -> int:
    """The newest beginning of that day of the week, epoch ms; days counted from 1970."""
    return (today - (today - day) % _WEEK) * DAY
