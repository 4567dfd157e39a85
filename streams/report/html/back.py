"""How many came back anyway, and when; and the shop's own curve of returning."""

from typing import Any

from streams.report.html.curves import Curve, curves
from streams.report.html.words import CLASSES, TYPES, said

_SHOWN_DAYS = (1, 7, 30, 90, 180)
_TONES = {name: number for number, name in enumerate(TYPES)}
_FEW = 20
"""Fewer people than these make no curve: one more or less would bend it."""


def back(figures: dict[str, Any]) -> dict[str, Any]:
    """Per type the share that had ordered within so many days."""
    fired = {name: one for name, one in figures["triggers"].items() if one["fired"]}
    drawn = [
        Curve(said(name).name, _points(one["came_back"]["within"]), f"tone{_TONES.get(name, 0)}")
        for name, one in fired.items()
    ]
    told = {row["days"] for one in fired.values() for row in one["came_back"]["within"]}
    shown = [days for days in _SHOWN_DAYS if days in told]
    rows = []
    for name, one in fired.items():
        within = {row["days"]: row for row in one["came_back"]["within"]}
        rows.append(
            {
                "said": said(name),
                "within": [within.get(days) for days in shown],
                "by_the_end": one["came_back"]["by_the_end"],
                "median_days": one["came_back"]["median_days"],
            }
        )
    return {
        "plot": curves(drawn, "Share of customers who ordered within so many days of the message, by type"),
        "days": shown,
        "rows": rows,
    }


def _points(within: list[dict[str, Any]]) -> list[tuple[float, float]]:
    return [(row["days"], row["back"] / row["of"]) for row in within if row["of"] >= _FEW]


def returning(figures: dict[str, Any]) -> dict[str, Any]:
    """Per number of earlier orders the share that orders again within so many days."""
    found = figures["returning"]["by_orders"]
    drawn = [
        Curve(CLASSES[name], [(int(days), share) for days, share in one["within"].items()], f"class{number}")
        for number, (name, one) in enumerate(found.items())
    ]
    days = sorted({int(days) for one in found.values() for days in one["within"]})
    return {
        "plot": curves(drawn, "Share of customers who order again within so many days, by orders so far"),
        "days": [one for one in days if one in (7, 30, 60, 90, 180, 365, 730)],
        "rows": [(CLASSES[name], one["customers"], one["within"]) for name, one in found.items()],
    }
