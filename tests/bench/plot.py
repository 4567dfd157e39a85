"""Figures against the number of customers, as an SVG: one panel below the other over the same logarithmic axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor, log10

_WIDTH, _HEIGHT = 640, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 20, 34, 26
_LINE, _GRID, _TEXT = "#1f5fa8", "#d9dde3", "#30363d"


@dataclass(frozen=True, slots=True)
class Panel:
    """One figure. `points`: (customers, value) in order; `limit`: a line that it is to stay on one side of."""

    title: str
    points: Sequence[tuple[float, float]]
    limit: float | None = None


def svg(panels: Sequence[Panel]) -> str:
    """The picture; values count from 0 up. Raises ValueError without a point."""
    everywhere = [x for panel in panels for x, _ in panel.points]
    low, high = floor(log10(min(everywhere))), max(ceil(log10(max(everywhere))), floor(log10(min(everywhere))) + 1)
    height = _HEIGHT * len(panels)
    size = f'width="{_WIDTH}" height="{height}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="{_TEXT}">',
        f'<rect {size} fill="white"/>',
    ]
    for number, panel in enumerate(panels):
        parts.append(f'<g transform="translate(0 {number * _HEIGHT})">')
        parts += _panel(panel, low, high)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, low: int, high: int) -> list[str]:
    top = _round_up(max([y for _, y in panel.points] + ([panel.limit] if panel.limit is not None else [])))
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x_of(x: float) -> float:
        return round(_LEFT + (right - _LEFT) * (log10(x) - low) / (high - low), 1)

    def y_of(y: float) -> float:
        return round(bottom - (bottom - _TOP) * y / top, 1)

    parts = [f'<text x="{_LEFT}" y="{_TOP - 14}" font-weight="bold">{escape(panel.title)}</text>']
    for share in (0.0, 0.5, 1.0):
        y = y_of(share * top)
        parts.append(f'<path d="M{_LEFT} {y}H{right}" stroke="{_GRID}"/>')
        parts.append(f'<text x="{_LEFT - 8}" y="{y + 4}" text-anchor="end">{_number(share * top)}</text>')
    for power in range(low, high + 1):
        x = x_of(10.0**power)
        parts.append(f'<path d="M{x} {_TOP}V{bottom}" stroke="{_GRID}"/>')
        parts.append(f'<text x="{x}" y="{bottom + 16}" text-anchor="middle">{_number(10.0**power)}</text>')
    if panel.limit is not None:
        y = y_of(panel.limit)
        parts.append(f'<path d="M{_LEFT} {y}H{right}" stroke="#b3261e" stroke-dasharray="5 4"/>')
    path = " ".join(f"{x_of(x)},{y_of(y)}" for x, y in panel.points)
    parts.append(f'<polyline points="{path}" fill="none" stroke="{_LINE}" stroke-width="2"/>')
    parts += [
        f'<circle cx="{x_of(x)}" cy="{y_of(y)}" r="3.5" fill="{_LINE}"><title>{_number(x)}: {y:,.1f}</title></circle>'
        for x, y in panel.points
    ]
    return parts


def _round_up(value: float) -> float:
    """The next number with one digit, or 1 where there is none: the end of an axis."""
    if value <= 0:
        return 1.0
    unit = 10.0 ** floor(log10(value))
    return float(ceil(value / unit) * unit)


def _number(value: float) -> str:
    """Short enough for an axis."""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
