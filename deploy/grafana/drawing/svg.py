"""A dashboard as an SVG: its grid of rows, figures and curves."""

import time
from collections.abc import Iterable, Sequence
from html import escape

from drawing.series import Curve, Panel, Span
from drawing.units import shown

_COLUMN, _LINE = 50, 30
"""Pixels of a unit of the grid."""
_GAP = 4
_COLOURS = (
    "#3a6fb0",
    "#d9822b",
    "#3f9c5a",
    "#b34a9c",
    "#8a7a2f",
    "#2f9c95",
    "#c4473f",
    "#6a5acd",
    "#7a7f87",
    "#a0632f",
)
_FIGURES = {"green": "#2e8b57", "yellow": "#c98a00", "red": "#c4372f"}
_LINES, _MORE = 2, 70
"""Of a legend, and what is left free at the end of the last."""
_BREAK = 3
"""Steps without a point after which a line is broken off."""


def svg(title: str, panels: Sequence[Panel], span: Span) -> str:
    """The picture. Times are told in UTC."""
    bottom = max(panel.y + panel.height for panel in panels)
    size = f'width="{24 * _COLUMN}" height="{bottom * _LINE + 34}"'
    began, ended = (time.strftime("%H:%M", time.gmtime(at)) for at in (span.since, span.until))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="11" fill="#30363d">',
        f'<rect {size} fill="#f4f5f7"/>',
        f'<text x="8" y="22" font-size="16" font-weight="bold">{escape(title)}</text>',
        f'<text x="{24 * _COLUMN - 8}" y="22" text-anchor="end">{began} to {ended} UTC</text>',
    ]
    for panel in panels:
        parts.append(f'<g transform="translate({panel.x * _COLUMN} {panel.y * _LINE + 34})">')
        parts += _panel(panel, span)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(panel: Panel, span: Span) -> Iterable[str]:
    width, height = panel.width * _COLUMN - _GAP, panel.height * _LINE - _GAP
    if panel.kind == "row":
        yield f'<text x="8" y="20" font-size="13" font-weight="bold">{escape(panel.title)}</text>'
        return
    yield f'<rect width="{width}" height="{height}" x="2" fill="white" stroke="#d9dde3"/>'
    yield f'<text x="10" y="17" font-weight="bold">{escape(panel.title)}</text>'
    yield from _figure(panel, width, height) if panel.kind == "stat" else _curves(panel, width, height, span)


def _figure(panel: Panel, width: int, height: int) -> Iterable[str]:
    values = [curve.points[-1][1] for curve in panel.curves if curve.points]
    if not values:
        yield _nothing(width, height)
        return
    colour = next((name for least, name in reversed(panel.colours) if values[0] >= least), "green")
    text = ", ".join(shown(value, panel.unit) for value in values[:3])
    yield (
        f'<text x="{width / 2:.0f}" y="{height / 2 + 20:.0f}" text-anchor="middle" font-size="28" '
        f'fill="{_FIGURES[colour]}">{escape(text)}</text>'
    )


def _nothing(width: int, height: int) -> str:
    return f'<text x="{width / 2:.0f}" y="{height / 2:.0f}" text-anchor="middle" fill="#8a9099">no data</text>'


def _curves(panel: Panel, width: int, height: int, span: Span) -> Iterable[str]:
    curves = sorted((curve for curve in panel.curves if curve.points), key=_is_nothing)
    if not curves:
        yield _nothing(width, height)
        return
    lines = _piled(curves) if panel.stacked else curves
    top = _round_up(max(value for curve in lines for _, value in curve.points))
    left, right, high, low = 62, width - 12, 28, height - 52
    for share in (0.0, 0.5, 1.0):
        y = low - share * (low - high)
        yield f'<path d="M{left} {y:.0f}H{right}" stroke="#e4e7eb"/>'
        yield f'<text x="{left - 5}" y="{y + 4:.0f}" text-anchor="end">{escape(shown(share * top, panel.unit))}</text>'
    for number in range(5):
        at = span.since + number / 4 * (span.until - span.since)
        x, said = left + number / 4 * (right - left), time.strftime("%H:%M", time.gmtime(at))
        anchor = "end" if number == 4 else "middle"
        yield f'<text x="{x:.0f}" y="{low + 14}" text-anchor="{anchor}" fill="#8a9099">{said}</text>'

    def place(at: float, value: float) -> tuple[int, int]:
        x = left + (at - span.since) / (span.until - span.since) * (right - left)
        return round(x), round(low - value / top * (low - high))

    for number, curve in enumerate(lines):
        path = "".join(_path([place(at, value) for at, value in part]) for part in _unbroken(curve.points, span.step))
        yield f'<path d="{path}" fill="none" stroke="{_COLOURS[number % len(_COLOURS)]}" stroke-width="1.4"/>'
    yield from _legend([curve.name for curve in curves], width, low + 28)


def _is_nothing(curve: Curve) -> bool:
    """Such go last."""
    return not any(value for _, value in curve.points)


def _unbroken(points: Sequence[tuple[float, float]], step: float) -> Iterable[Sequence[tuple[float, float]]]:
    """The parts between gaps."""
    begin = 0
    for n in range(1, len(points) + 1):
        if n == len(points) or points[n][0] - points[n - 1][0] > _BREAK * step:
            yield points[begin:n]
            begin = n


def _piled(curves: Sequence[Curve]) -> list[Curve]:
    """Each on top of those before it."""
    below: dict[float, float] = {}
    found = []
    for curve in curves:
        points = [(at, value + below.get(at, 0.0)) for at, value in curve.points]
        below.update(points)
        found.append(Curve(curve.name, points))
    return found


def _round_up(value: float) -> float:
    """To what an axis ends with; 1 when there is nothing above 0."""
    size = 1e-9
    while value > 0 and size < value:
        for times in (2, 2.5, 2):
            if size >= value:
                break
            size *= times
    return size if value > 0 else 1.0


def _path(points: Sequence[tuple[int, int]]) -> str:
    """Without those that lie between two of the same height."""
    kept = [
        point
        for n, point in enumerate(points)
        if not (0 < n < len(points) - 1 and points[n - 1][1] == point[1] == points[n + 1][1])
    ]
    return "M" + "L".join(f"{x} {y}" for x, y in kept)


def _legend(names: Sequence[str], width: int, y: int) -> Iterable[str]:
    """On two lines; those that find no place there are counted."""
    x, lines = 10, 1
    for number, name in enumerate(names):
        end = x + round(5.6 * len(name)) + 24
        if end > width - _MORE * (lines == _LINES):
            if lines == _LINES:
                yield f'<text x="{x}" y="{y}" font-size="10">and {len(names) - number} more</text>'
                return
            x, y, lines, end = 10, y + 13, lines + 1, 34 + round(5.6 * len(name))
        yield f'<rect x="{x}" y="{y - 5}" width="9" height="3" fill="{_COLOURS[number % len(_COLOURS)]}"/>'
        yield f'<text x="{x + 12}" y="{y}" font-size="10">{escape(name)}</text>'
        x = end
