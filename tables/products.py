"""What is remembered of the products that a customer buys: enough to tell when each will be needed again.

The purchases of a product on one UTC day are one: its time is that of the first one seen, its quantity their sum. A
product bought on REGULAR days is a regular, known by name, with sums over all its intervals; before that it is a
newcomer, known by four bytes of hash (two products of a customer are taken for one in one of 300 million cases).

ONCE, TWICE and REGULARS are all that is kept, each by itself, so that no basket, however large, pushes out what is
bought again and again. Of newcomers those bought longest ago go first; of those bought in one order the same ones stay
in every order, whatever lies beside them. Of regulars those go first that were not bought for twice their usual
interval, then those bought on the fewest days.
"""

from collections.abc import Iterable
from math import exp, log
from typing import Final

from msgspec import Struct
from xxhash import xxh32_intdigest

DAY: Final = 86_400
"""Seconds: times here are in epoch seconds."""
REGULAR: Final = 3
ONCE: Final = 12
TWICE: Final = 8
REGULARS: Final = 12
KEPT: Final = 0.9
"""What a new interval leaves of those before it in the sums."""
_LEAST: Final = 2.0**-10
_MOST: Final = 60_000.0
"""Quantities beyond are taken for these: they are kept in two bytes, to three digits."""
NEVER: Final = (1 << 32) - 1
"""A due time that does not come."""
LAST_SECOND: Final = (255 << 24) - 1
"""In 2105; NEVER begins with another byte."""

Once = tuple[int, float]
"""When, how much."""
Twice = tuple[int, float, int, float]
"""When and how much, and again."""


class Regular(Struct, gc=False):
    """A product bought on several days. Intervals in days, x = ln(quantity) and y = ln(interval) after it.

    Each interval counts KEPT times as much as the one after it in the sums of y, x, y^2, x y and x^2. After a purchase
    that was taken back `previous` is 0: unknown.
    """

    product_id: str
    category: str | None
    days: int
    """On how many it was bought."""
    previous: int
    previous_quantity: float
    last: int
    quantity: float
    sy: float = 0.0
    sx: float = 0.0
    syy: float = 0.0
    sxy: float = 0.0
    sxx: float = 0.0
    due: int = NEVER
    """When it is told; once it is `told`, the due time of the trigger that told it."""
    told: bool = False

    @property
    def weight(self) -> float:
        """What all its intervals together weigh in the sums."""
        return (1.0 - KEPT ** (self.days - 1)) / (1.0 - KEPT)

    @property
    def ln_quantity(self) -> float:
        """Of the last purchase."""
        return log(self.quantity)

    @property
    def lively_until(self) -> float:
        """Twice its usual interval after its last purchase."""
        return self.last + 2 * DAY * exp(self.sy / self.weight) if self.days > 1 else self.last

    def _add(self, since: int, quantity: float, until: int) -> None:
        x, y = log(quantity), log(max(until - since, DAY) / DAY)
        self.sy = KEPT * self.sy + y
        self.sx = KEPT * self.sx + x
        self.syy = KEPT * self.syy + y * y
        self.sxy = KEPT * self.sxy + x * y
        self.sxx = KEPT * self.sxx + x * x

    def _remove(self) -> None:
        """Take the newest interval out of the sums again."""
        x, y = log(self.previous_quantity), log(max(self.last - self.previous, DAY) / DAY)
        self.sy = (self.sy - y) / KEPT
        self.sx = (self.sx - x) / KEPT
        self.syy = (self.syy - y * y) / KEPT
        self.sxy = (self.sxy - x * y) / KEPT
        self.sxx = (self.sxx - x * x) / KEPT

    def buy(self, at: int, quantity: float) -> None:
        """One more purchase; one earlier than the last two cannot be placed and does not count."""
        if _day(at) == _day(self.last):
            self.quantity = clipped(self.quantity + quantity)
        elif at > self.last:
            self._add(self.last, self.quantity, at)
            self.previous, self.previous_quantity = self.last, self.quantity
            self.last, self.quantity, self.told = at, quantity, False
            self.days += 1
        elif self.previous and _day(at) >= _day(self.previous):
            self._remove()
            if _day(at) == _day(self.previous):
                self.previous_quantity = clipped(self.previous_quantity + quantity)
            else:
                self._add(self.previous, self.previous_quantity, at)
                self.previous, self.previous_quantity = at, quantity
                self.days += 1
            self._add(self.previous, self.previous_quantity, self.last)

    def take_back(self) -> bool:
        """Undo the last purchase; False where the one before it is not known."""
        if not self.previous:
            return False
        self._remove()
        self.last, self.quantity, self.told = self.previous, self.previous_quantity, False
        self.previous, self.previous_quantity = 0, 1.0
        self.days -= 1
        return True


class Products(Struct):
    """The products of a customer; newcomers by hash, regulars by name."""

    once: dict[int, Once]
    twice: dict[int, Twice]
    regulars: dict[str, Regular]

    @property
    def next_due(self) -> int:
        """When the next regular is due; NEVER."""
        return min((one.due for one in self.regulars.values() if not one.told), default=NEVER)

    def waiting(self) -> list[Regular]:
        """The regulars that are due at some time and were not told yet, by due time."""
        found = [one for one in self.regulars.values() if not one.told and one.due < NEVER]
        return sorted(found, key=lambda one: (one.due, one.product_id))

    def buy(self, product_id: str, category: str | None, at: int, quantity: float) -> Regular | None:
        """One more purchase of a product; the regular, if it is one. `trim` must follow the last one of an order."""
        quantity = clipped(quantity)
        regular = self.regulars.get(product_id)
        if regular is not None:
            if category is not None and at >= regular.last:
                regular.category = category
            regular.buy(at, quantity)
            return regular
        name = xxh32_intdigest(product_id)
        if (twice := self.twice.get(name)) is not None:
            bought = _with((twice[:2], twice[2:]), at, quantity)
            if len(bought) == REGULAR:
                del self.twice[name]
                return self._promote(product_id, category, bought)
            (first, some), (last, more) = bought
            self.twice[name] = first, some, last, more
        elif (once := self.once.get(name)) is not None:
            bought = _with((once,), at, quantity)
            if len(bought) == 1:
                self.once[name] = bought[0]
            else:
                del self.once[name]
                (first, some), (last, more) = bought
                self.twice[name] = first, some, last, more
        else:
            self.once[name] = at, quantity
        return None

    def _promote(self, product_id: str, category: str | None, bought: list[Once]) -> Regular:
        (first, some), (middle, more), (last, quantity) = bought
        regular = Regular(product_id, category, 1, 0, 1.0, first, some)
        regular.buy(middle, more)
        regular.buy(last, quantity)
        self.regulars[product_id] = regular
        return regular

    def take_back(self, at: int) -> list[Regular]:
        """An order of this instant was cancelled: what it was the last purchase of. The regulars among them.

        Of a day with several orders the first one stands for all of them.
        """
        for name, once in list(self.once.items()):
            if once[0] == at:
                del self.once[name]
        for name, (first, some, last, more) in list(self.twice.items()):
            if at in (first, last):
                del self.twice[name]
                self.once[name] = (first, some) if last == at else (last, more)
        return [one for one in self.regulars.values() if one.last == at and one.take_back()]

    def trim(self, at: int) -> None:
        """Let go what is too much, after an order at `at`. Newcomers are in order of their last purchase after it."""
        self.once = dict(sorted(self.once.items(), key=_newness)[-ONCE:])
        self.twice = dict(sorted(self.twice.items(), key=_newness)[-TWICE:])
        if len(self.regulars) > REGULARS:
            ranked = sorted((one.lively_until > at, one.days, one.last, name) for name, one in self.regulars.items())
            for *_, name in ranked[:-REGULARS]:
                del self.regulars[name]


def _newness(newcomer: tuple[int, Once | Twice]) -> tuple[int, int]:
    """Of those bought in one order the smaller hashes are the ones that stay."""
    name, bought = newcomer
    return int(bought[-2]), -name


def _with(bought: Iterable[Once], at: int, quantity: float) -> list[Once]:
    """Purchases, one more among them, by time; those of one day are one."""
    kept = list(bought)
    for place, (when, much) in enumerate(kept):
        if _day(when) == _day(at):
            kept[place] = when, clipped(much + quantity)
            return kept
    return sorted([*kept, (at, quantity)])


def _day(at: int) -> int:
    return at // DAY


def clipped(quantity: float) -> float:
    """A quantity as it can be kept."""
    return min(max(quantity, _LEAST), _MOST)
