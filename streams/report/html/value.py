"""What customers are worth: by tenths of them what was foretold beside what came, and how well they were ranked."""

from typing import Any

from markupsafe import Markup

from streams.report.html.axes import Frame, Scale, count_ticks
from streams.report.html.svg import hint, path, picture, tag
from streams.report.html.words import count

_WIDTH, _HEIGHT = 860, 300
_BAR = 0.6


def value(figures: dict[str, Any]) -> dict[str, Any] | None:
    """The plot and the table by tenths, and the figures of orders and money; None: this log does not tell."""
    found = figures["value"]
    if found is None:
        return None
    money = found["value"] is not None
    return {
        "days": found["horizon_days"],
        "customers": found["customers"],
        "money": money,
        "plot": _plot(found["tenths"], "value" if money else "orders", "money" if money else "orders"),
        "tenths": found["tenths"],
        "rows": [(name, found[key]) for name, key in (("Money", "value"), ("Orders", "orders")) if found[key]],
        "lead": found["value"] or found["orders"],
    }


def _plot(tenths: list[dict[str, Any]], came: str, says: str) -> Markup:
    """A bar for what came of each tenth, the best first, and a dot for what was foretold."""
    foretold = f"{came}_foretold"
    most = max(max(row[came], row[foretold]) for row in tenths)
    ticks = count_ticks(most)
    frame = Frame(Scale(0, len(tenths), 84, _WIDTH - 12), Scale(0, ticks[-1][0], _HEIGHT - 48, 12))
    labels = [(number + 0.5, _tenth(number)) for number in range(len(tenths))]
    parts = frame.grid(labels, ticks, "tenths of the customers, from those of whom most was foretold")
    for number, row in enumerate(tenths):
        told = hint(f"{_tenth(number)} tenth: {count(row[came])} {says}, {count(row[foretold])} foretold")
        left, right = (frame.x(number + 0.5 + side * _BAR / 2) for side in (-1, 1))
        top, bottom = frame.y(row[came]), frame.y(0)
        bar = tag("rect", x=left, y=top, width=right - left, height=bottom - top, class_="fill repurchase")
        y = frame.y(row[foretold])
        line = path([(left - 6, y), (right + 6, y)], class_="axis")
        parts.append(tag("g", told, bar, line, tag("circle", cx=(left + right) / 2, cy=y, r=5, class_="ours-dot")))
    return picture(_WIDTH, _HEIGHT, f"{says} foretold and come, by tenths of the customers", *parts)


def _tenth(number: int) -> str:
    return ("1st", "2nd", "3rd")[number] if number < 3 else f"{number + 1}th"
