"""Scales, ticks and the frame that plots are drawn into."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import floor, log10

from markupsafe import Markup

from streams.report.html.svg import path, text
from streams.report.html.words import percent

_LETTER = 7.0
"""Pixels, about, of a letter of a label."""
_BEYOND = 20.0
"""How far a label may reach beyond the plot to the right."""


@dataclass(frozen=True, slots=True)
class Scale:
    """From values between `low` and `high` to pixels between `begin` and `end`; beyond them it goes on."""

    low: float
    high: float
    begin: float
    end: float
    bent: Callable[[float], float] = float
    """The identity, or what makes equal steps of unequal ones, such as a square root."""

    def __call__(self, value: float) -> float:
        low, high = self.bent(self.low), self.bent(self.high)
        return self.begin + (self.end - self.begin) * (self.bent(value) - low) / ((high - low) or 1.0)


@dataclass(frozen=True, slots=True)
class Frame:
    """The inside of a plot: ticks and labels are drawn around it."""

    x: Scale
    y: Scale

    def grid(
        self, x_ticks: Sequence[tuple[float, str]], y_ticks: Sequence[tuple[float, str]], x_label: str = ""
    ) -> list[Markup]:
        """A line across for each tick of y, ticks of x below, and what x counts."""
        left, right, bottom = self.x.begin, self.x.end, self.y.begin
        parts = []
        for value, label in y_ticks:
            y = self.y(value)
            parts += [path([(left, y), (right, y)], class_="grid"), text(left - 8, y + 4, label, anchor="end")]
        for value, label in x_ticks:
            x, half = self.x(value), _LETTER * len(label) / 2
            middle = min(x, right + _BEYOND - half)
            parts += [
                path([(x, bottom), (x, bottom + 4)], class_="axis"),
                text(middle, bottom + 18, label, anchor="middle"),
            ]
        parts.append(path([(left, bottom), (right, bottom)], class_="axis"))
        if x_label:
            parts.append(text((left + right) / 2, bottom + 38, x_label, anchor="middle", class_="label"))
        return parts


def count_ticks(most: float, about: int = 3) -> list[tuple[float, str]]:
    """Round numbers from 0 up to `most`, or to the next one beyond it."""
    unit = _round_step(max(most, 1.0) / about)
    steps = int(-(-max(most, 1.0) // unit))
    return [(unit * i, f"{unit * i:,.0f}") for i in range(steps + 1)]


def percent_ticks(low: float = 0.0, step: float = 0.25) -> list[tuple[float, str]]:
    """Shares from `low` up to 1, and not beyond."""
    count = int((1.0 - low) / step + 1e-9)
    return [(low + step * i, percent(low + step * i)) for i in range(count + 1)]


def apart(places: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """The places moved as little as it takes for labels not to touch, between `low` and `high`; in their order."""
    order = sorted(range(len(places)), key=lambda i: places[i])
    moved = list(places)
    reached = low - least
    for i in order:
        moved[i] = reached = max(moved[i], reached + least)
    reached = high + least
    for i in reversed(order):
        moved[i] = reached = min(moved[i], reached - least)
    return moved


def _round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten; whole, since it is people that are counted."""
    power = 10.0 ** floor(log10(least))
    return max(1.0, next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least))
