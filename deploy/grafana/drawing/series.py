"""What the panels of a dashboard show: their queries, answered by a Prometheus."""

import json
import math
import re
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

POINTS = 60
"""Of a curve, about."""


@dataclass(frozen=True, slots=True)
class Span:
    """From when to when, in epoch seconds."""

    since: float
    until: float

    @property
    def step(self) -> float:
        return (self.until - self.since) / POINTS


@dataclass(frozen=True, slots=True)
class Curve:
    """A series of a panel: (epoch seconds, value), in order."""

    name: str
    points: list[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Panel:
    """A panel as the dashboard's JSON has it. Place and size are in units of its grid, of which 24 go into a row."""

    kind: str
    title: str
    x: int
    y: int
    width: int
    height: int
    unit: str = ""
    stacked: bool = False
    colours: tuple[tuple[float, str], ...] = ()
    """From which value on a figure has which colour; ascending."""
    curves: list[Curve] = field(default_factory=list)
    """Of a figure: its values now, each a curve of one point."""


class Server:
    """A Prometheus at `url`. Raises OSError, and ValueError for what it does not understand."""

    def __init__(self, url: str, job: str) -> None:
        self._url, self._job = url.rstrip("/"), job

    def panels(self, board: Mapping[str, Any], span: Span) -> Iterator[Panel]:
        """Those of a dashboard, with what they show."""
        for told in board["panels"]:
            place, looks = told["gridPos"], told.get("fieldConfig", {}).get("defaults", {})
            steps = looks.get("thresholds", {}).get("steps", ())
            yield Panel(
                told["type"],
                told["title"],
                place["x"],
                place["y"],
                place["w"],
                place["h"],
                looks.get("unit", ""),
                "stacking" in looks.get("custom", {}),
                tuple((-math.inf if step["value"] is None else step["value"], step["color"]) for step in steps),
                [curve for target in told.get("targets", ()) for curve in self._curves(target, span)],
            )

    def _curves(self, target: Mapping[str, Any], span: Span) -> Iterator[Curve]:
        length = f"{round(span.until - span.since)}s"
        interval = f"{max(20, round(4 * span.step))}s"
        variables = {"$job": self._job, "$__rate_interval": interval, "$__range": length}
        expr = target["expr"]
        for name, value in variables.items():
            expr = expr.replace(name, value)
        if target.get("instant"):
            found = self._ask("query", query=expr, time=str(span.until))
            told = [(result["metric"], [result["value"]]) for result in found]
        else:
            times = {"start": str(span.since), "end": str(span.until), "step": str(span.step)}
            told = [(result["metric"], result["values"]) for result in self._ask("query_range", query=expr, **times)]
        for labels, values in told:
            points = [(float(at), number) for at, value in values if math.isfinite(number := float(value))]
            yield Curve(_legend(target.get("legendFormat") or "", labels), points)

    def _ask(self, what: str, **parameters: str) -> list[dict[str, Any]]:
        url = f"{self._url}/api/v1/{what}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - whoever runs it says whom it asks
            told = json.load(answer)
        result: list[dict[str, Any]] = told["data"]["result"]
        return result


def _legend(form: str, labels: Mapping[str, str]) -> str:
    """`{{label}}` is its value."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: labels.get(found[1], ""), form)
