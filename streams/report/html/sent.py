"""What would have been sent: per day, per type."""

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from typing import Any

from markupsafe import Markup

from agents.decisions import FAMILIES
from streams.report.html.axes import Frame, Scale, count_ticks
from streams.report.html.svg import hint, picture, tag
from streams.report.html.words import count, day, said

_MOST_BARS = 400
_STEPS = {1: "day", 7: "week", 28: "four weeks", 364: "52 weeks"}
_WIDTH = 960
_SLIM = 2.0
"""Pixels; bars up to this wide have no gap between them."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """The scored days, in bars of equal length; the last may be cut short."""

    first: date
    days: int
    step: int

    @property
    def unit(self) -> str:
        return _STEPS[self.step]

    def bars(self, per_day: dict[str, int]) -> list[int]:
        sums = [0] * -(-self.days // self.step)
        for written, number in per_day.items():
            place = (date.fromisoformat(written) - self.first).days // self.step
            sums[min(max(place, 0), len(sums) - 1)] += number
        return sums

    def begins(self, bar: int) -> date:
        return self.first + timedelta(days=bar * self.step)


def sent(figures: dict[str, Any]) -> dict[str, Any]:
    """Totals, the busiest day, one plot of all and a row with a small one per type."""
    triggers = figures["triggers"]
    calendar = _calendar(figures["train_until"], figures["end"])
    whole: Counter[str] = Counter()
    for one in triggers.values():
        whole.update(one["per_day"])
    total = whole.total()
    busiest = max(whole, key=lambda written: (whole[written], written), default=None)
    fired = {name: one for name, one in triggers.items() if one["fired"]}
    return {
        "total": total,
        "days": calendar.days,
        "a_day": total / calendar.days,
        "busiest": (busiest, whole[busiest]) if busiest else None,
        "unit": calendar.unit,
        "families": [(family, _FAMILIES[family]) for family in _families(fired)],
        "plot": _all(calendar, fired) if total else None,
        "rows": [_row(calendar, name, one) for name, one in fired.items()],
        "silent": [name for name in triggers if name not in fired],
        "table": _table(calendar, fired),
    }


_FAMILIES = {"repurchase": "orders that do not come", "cart": "carts and visits", "basket": "size of baskets"}


def _families(fired: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(FAMILIES[name] for name in fired))


def _calendar(begin: str, end: str) -> Calendar:
    first, last = (datetime.fromisoformat(instant).astimezone(UTC).date() for instant in (begin, end))
    length = (last - first).days + 1
    step = next((step for step in _STEPS if length / step <= _MOST_BARS), max(_STEPS))
    return Calendar(first, length, step)


def _all(calendar: Calendar, fired: dict[str, Any]) -> Markup:
    """Stacked by family."""
    stacks = {family: [0] * len(calendar.bars({})) for family in _families(fired)}
    for name, one in fired.items():
        stack = stacks[FAMILIES[name]]
        stack[:] = [a + b for a, b in zip(stack, calendar.bars(one["per_day"]), strict=True)]
    heights = [sum(column) for column in zip(*stacks.values(), strict=True)]
    ticks = count_ticks(max(heights), 4)
    frame = Frame(Scale(0, len(heights), 58, _WIDTH - 24), Scale(0, ticks[-1][0], 212, 14))
    parts = frame.grid(_dates(calendar, len(heights)), ticks)
    for bar, column in enumerate(zip(*stacks.values(), strict=True)):
        ends = list(accumulate(column))
        told = hint(f"{_when(calendar, bar)}: {count(heights[bar])}")
        parts += [
            _bar(frame, bar, end - size, end, family, told)
            for family, size, end in zip(stacks, column, ends, strict=True)
            if size
        ]
    return picture(_WIDTH, 240, f"Messages per {calendar.unit}, by what they are about", *parts)


def _row(calendar: Calendar, name: str, one: dict[str, Any]) -> dict[str, Any]:
    bars = calendar.bars(one["per_day"])
    frame = Frame(Scale(0, len(bars), 0, 360), Scale(0, max(bars), 40, 2))
    family = FAMILIES[name]
    drawn = [
        _bar(frame, bar, 0, size, family, hint(f"{_when(calendar, bar)}: {count(size)}"))
        for bar, size in enumerate(bars)
        if size
    ]
    return {
        "type": name,
        "said": said(name),
        "fired": one["fired"],
        "a_day": one["fired"] / calendar.days,
        "most": max(one["per_day"].values()),
        "plot": picture(360, 42, f"{said(name).name}, per {calendar.unit}", *drawn, class_="spark"),
    }


def _bar(frame: Frame, place: int, low: float, high: float, family: str, told: Markup) -> Markup:
    left, right = frame.x(place), frame.x(place + 1)
    gap = min(1.0, 0.15 * (right - left)) if right - left > _SLIM else 0.0
    top, bottom = frame.y(high), frame.y(low)
    return tag("rect", told, x=left, y=top, width=right - left - gap, height=bottom - top, class_=f"fill {family}")


def _when(calendar: Calendar, bar: int) -> str:
    begin = day(calendar.begins(bar).isoformat())
    return begin if calendar.step == 1 else f"{calendar.unit} from {begin}"


def _dates(calendar: Calendar, bars: int) -> list[tuple[float, str]]:
    """The first of some months, or some days where there are few."""
    months = [
        (bar + 0.5, begin)
        for bar in range(bars)
        if (begin := calendar.begins(bar)).day <= calendar.step and calendar.step < 28
    ]
    if len(months) >= 3:
        every = -(-len(months) // 10)
        return [(place, f"{begin:%b %Y}") for place, begin in months[::every]]
    every = max(1, -(-bars // 8))
    return [(bar + 0.5, day(calendar.begins(bar).isoformat())) for bar in range(0, bars, every)]


def _table(calendar: Calendar, fired: dict[str, Any]) -> list[tuple[str, list[int]]]:
    """A row per bar of the plot, a figure per type: for who cannot see it, and for copying."""
    columns = [calendar.bars(one["per_day"]) for one in fired.values()]
    rows = [list(row) for row in zip(*columns, strict=True)]
    return [(day(calendar.begins(bar).isoformat()), row) for bar, row in enumerate(rows) if any(row)]
