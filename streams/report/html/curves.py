"""Shares that rise with the days: who came back after a trigger, and the shop's own curve of returning."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from markupsafe import Markup

from streams.report.html.axes import Frame, Scale, apart, percent_ticks
from streams.report.html.svg import hint, path, picture, tag, text
from streams.report.html.words import percent

_WIDTH, _HEIGHT = 860, 360
_TICKS = (0, 1, 3, 7, 14, 30, 60, 90, 180, 365, 730, 1825)
_TICK_ROOM = 34
_LABELS = 214
"""Pixels right of the plot for the names of the curves."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Shares by number of days; `tone`: its class in the style sheet."""

    name: str
    points: Sequence[tuple[float, float]]
    tone: str


def curves(found: Sequence[Curve], says: str) -> Markup | None:
    """All curves over one axis of days, on which early days have more room; None: there is no point."""
    found = [curve for curve in found if curve.points]
    if not found:
        return None
    longest = max(days for curve in found for days, _ in curve.points)
    frame = Frame(Scale(0, longest, 56, _WIDTH - _LABELS, sqrt), Scale(0, 1, _HEIGHT - 52, 12))
    parts = frame.grid(_ticks(frame.x, longest), percent_ticks(), "days")
    ends = apart([frame.y(curve.points[-1][1]) for curve in found], 17, 16, _HEIGHT - 56)
    for curve, y in zip(found, ends, strict=True):
        parts += _curve(frame, curve, y)
    return picture(_WIDTH, _HEIGHT, says, *parts)


def _ticks(x: Scale, longest: float) -> list[tuple[float, str]]:
    """As many of _TICKS as there is room for, from the right, where they lie apart."""
    ticks: list[tuple[float, str]] = []
    for days in reversed([tick for tick in _TICKS if tick <= longest]):
        if not ticks or x(ticks[-1][0]) - x(days) >= _TICK_ROOM:
            ticks.append((days, str(days)))
    return ticks


def _curve(frame: Frame, curve: Curve, label_y: float) -> list[Markup]:
    points = [(frame.x(days), frame.y(share)) for days, share in curve.points]
    dots = [
        tag("circle", hint(f"{curve.name}: {percent(share)} within {days:g} days"), cx=x, cy=y, r=3.5)
        for (days, share), (x, y) in zip(curve.points, points, strict=True)
    ]
    x, y = points[-1]
    right = frame.x.end + 14
    return [
        tag("g", path([(frame.x(0), frame.y(0)), *points], class_="line"), *dots, class_=curve.tone),
        path([(x + 5, y), (right - 4, label_y)], class_="leader"),
        text(right, label_y + 4, f"{curve.name} {percent(curve.points[-1][1])}", class_=f"name {curve.tone}"),
    ]
