"""Whether the forecasts of time held: windows against what they promised, silence against what was foretold."""

from itertools import accumulate
from typing import Any

from markupsafe import Markup

from streams.report.html.axes import Frame, Scale, percent_ticks
from streams.report.html.svg import hint, path, picture, tag, text
from streams.report.html.words import CLASSES, percent

_SIZE = 400
_SHIFT = 5.0
"""Pixels between the marks of two classes; along the diagonal, so that each keeps its distance from it."""


def timing(figures: dict[str, Any]) -> dict[str, Any]:
    """The calibration plot, coverage by class, and silence foretold by class."""
    sizes = figures["coverage_gaps"]
    rows = [("All", figures["window_coverage"], sizes["all"])]
    rows += [(CLASSES[name], levels, sizes[name]) for name, levels in figures["coverage_by_class"].items()]
    if _foretold_otherwise(figures):
        rows.append(("All, as told when the order before it came", figures["forecast_coverage"], sizes["all"]))
    silence = figures["silence"]
    by_class = [(CLASSES[name], one) for name, one in silence["by_class"].items()]
    return {
        "plot": _plot(figures) if sizes["all"] else None,
        "classes": [(f"class{number}", CLASSES[name]) for number, name in enumerate(CLASSES) if sizes[name]],
        "levels": list(figures["window_coverage"]),
        "rows": [{"name": name, "levels": levels, "gaps": gaps} for name, levels, gaps in rows],
        "silence": silence if silence["customers"] else None,
        "silence_rows": [("All", silence), *by_class],
        "told_otherwise": _foretold_otherwise(figures),
        "worst": _worst(figures["window_coverage"]),
    }


def _foretold_otherwise(figures: dict[str, Any]) -> bool:
    """Whether what was told when the gap began differs from what triggers saw, who learn on the way."""
    return bool(figures["calibration"]["window"] != figures["calibration"]["forecast"])


def _worst(levels: dict[str, float | None]) -> tuple[str, float] | None:
    """The level that is off the most, and by how much."""
    off = [(level, share - float(level)) for level, share in levels.items() if share is not None]
    return max(off, key=lambda one: abs(one[1]), default=None)


def _plot(figures: dict[str, Any]) -> Markup:
    """Promised across, held upwards: on the diagonal all is well."""
    frame = Frame(Scale(0, 1, 58, _SIZE - 28), Scale(0, 1, _SIZE - 58, 28))
    ticks = percent_ticks()
    parts = frame.grid(ticks, ticks, "promised: the share of orders inside the window")
    corners = [(0, 0.05), (0.95, 1), (1, 1), (1, 0.95), (0.05, 0), (0, 0)]
    parts.append(path([(frame.x(x), frame.y(y)) for x, y in corners], class_="band"))
    parts.append(path([(frame.x(0), frame.y(0)), (frame.x(1), frame.y(1))], class_="diagonal"))
    if _foretold_otherwise(figures):
        parts.append(_held(frame, figures["calibration"]["forecast"], "line forecast"))
    parts.append(_held(frame, figures["calibration"]["window"], "line ours"))
    for number, (name, levels) in enumerate(figures["coverage_by_class"].items()):
        for level, share in levels.items():
            if share is not None:
                told = hint(f"{CLASSES[name]}: {percent(float(level))} promised, {percent(share, 1)} held")
                aside = _SHIFT * (number - 1.5)
                x, y = frame.x(float(level)) + aside, frame.y(share) - aside
                parts.append(tag("circle", told, cx=x, cy=y, r=4.5, class_=f"mark class{number}"))
    parts.append(text(frame.x(0.04), frame.y(0.95), "held", class_="label"))
    return picture(_SIZE, _SIZE, "Promised against held shares of next orders within their windows", *parts)


def _held(frame: Frame, counts: list[int], tone: str) -> Markup:
    """`counts`: of orders in each of as many equal parts of their forecasts."""
    total = sum(counts)
    shares = [(i / len(counts), part / total) for i, part in enumerate(accumulate(counts, initial=0))]
    return path([(frame.x(x), frame.y(y)) for x, y in shares], class_=tone)
