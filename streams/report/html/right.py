"""Whether what was sent was right, beside simple rules at their usual setting and at the same reach."""

from typing import Any, NamedTuple

from markupsafe import Markup

from streams.report.html.axes import Frame, Scale, percent_ticks
from streams.report.html.svg import hint, path, picture, tag, text
from streams.report.html.words import CLASSES, days, percent, said

_WIDTH, _ROW = 860, 40
_LEFT = 236
OURS = "Offbeat"
_REMINDER = "repurchase.due"
"""Does not say that anybody stays away, so it can be neither right nor wrong about it."""


def right(figures: dict[str, Any]) -> dict[str, Any]:
    """The rules of absence beside simple ones, the same by class of customer, and each type by itself."""
    ours, *simple = figures["compared"]
    rules = [_Rule(OURS, ours, OURS, ours), *map(_simple, simple)]
    told = ours["precision"] is not None
    return {
        "ours": ours,
        "rules": rules,
        "plot": _plot([rule for rule in rules if rule.usual["precision"] is not None]) if told else None,
        "classes": CLASSES,
        "types": [
            {"said": said(name), **one}
            for name, one in figures["triggers"].items()
            if one["fired"] and one["precision"] is not None and name != _REMINDER
        ],
        "best": _best(rules[1:]),
    }


class _Rule(NamedTuple):
    """A rule as it is usually set, and set to find as many as ours; None: it cannot be, or nobody knows how many."""

    name: str
    usual: dict[str, Any]
    equal_name: str
    equal: dict[str, Any] | None


_SET_TO = {
    "fixed days": "{:.0f} days without an order",
    "mean + k sd": "own mean gap + {:.1f} sd",
    "k x mean": "{:.1f} x own mean gap",
    "P(alive) < p": "P(alive) below {:.2f}",
}


def _simple(row: dict[str, Any]) -> _Rule:
    equal = row.get("at_equal_recall")
    return _Rule(_set_to(row["rule"], row), row, _set_to(row["rule"], equal) if equal else "", equal)


def _set_to(rule: str, score: dict[str, Any]) -> str:
    """A simple rule at the setting of a score; a rule without words stands for itself."""
    return _SET_TO[rule].format(score["setting"]) if rule in _SET_TO else f"{rule}: {score['setting']:g}"


def _best(simple: list[_Rule]) -> _Rule | None:
    """The simple rule that is right most often when it is set to find as many as ours."""
    known = [(rule.equal["precision"], rule) for rule in simple if rule.equal and rule.equal["precision"] is not None]
    return max(known, key=lambda one: one[0])[1] if known else None


def _plot(rules: list[_Rule]) -> Markup:
    """A row per rule: how often it is right as usually set (ring), and set to find as many as ours (disc)."""
    found = [
        score["precision"]
        for rule in rules
        for score in (rule.usual, rule.equal)
        if score and score["precision"] is not None
    ]
    low = min(int(min(found) * 5) / 5, 0.8)
    bottom = 14 + _ROW * len(rules)
    frame = Frame(Scale(low, 1.0, _LEFT, _WIDTH - 24), Scale(0, 1, bottom, 14))
    ticks = [(share, label) for share, label in percent_ticks(low, 0.1 if low >= 0.4 else 0.2)]
    parts = frame.grid(ticks, [], "of the customers it flags stay away for 90 days")
    line = frame.x(rules[0].usual["precision"])
    parts.append(path([(line, 14), (line, bottom)], class_="ours-line"))
    for number, rule in enumerate(rules):
        parts += _marks(frame, rule, 14 + _ROW * (number + 0.5))
    return picture(_WIDTH, bottom + 46, "How often each rule is right, as usually set and set to find as many", *parts)


def _marks(frame: Frame, rule: _Rule, y: float) -> list[Markup]:
    usual, equal = rule.usual, rule.equal
    name = text(_LEFT - 16, y + 4, rule.name, anchor="end", class_="name ours" if rule.name == OURS else "name")
    parts = [path([(_LEFT, y), (_WIDTH - 24, y)], class_="grid"), name]
    if rule.name == OURS:
        return [*parts, _mark(frame, y, usual, "ours-dot", "")]
    if equal and equal["precision"] is not None:
        x, other = frame.x(usual["precision"]), frame.x(equal["precision"])
        parts += [path([(x, y), (other, y)], class_="leader"), _mark(frame, y, equal, "dot", "set to find as many, ")]
    return [*parts, _mark(frame, y, usual, "ring", "as usually set, ")]


def _mark(frame: Frame, y: float, score: dict[str, Any], tone: str, how: str) -> Markup:
    told = (
        f"{how}right {percent(score['precision'], 1)}, finds {percent(score['recall'])}, "
        f"after {days(score['median_delay_days'])}"
    )
    return tag("circle", hint(told), cx=frame.x(score["precision"]), cy=y, r=7, class_=tone)
