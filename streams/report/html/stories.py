"""Stories: a sentence of what came afterwards, and a strip of the customer's orders around the trigger."""

from datetime import UTC, datetime, timedelta
from typing import Any

from markupsafe import Markup

from agents.decisions import FAMILIES
from streams.report.html.axes import Scale
from streams.report.html.svg import hint, path, picture, tag, text
from streams.report.html.words import NBSP, count, day, days, money, said, short

_WIDTH, _HEIGHT = 720, 96
_GROUND, _TOP = 70, 24
_LEAST_DAYS, _MOST_DAYS = 2.0, 400.0
"""Of a strip, each side of the message: the least there is room for, and the most of silence."""
_PRODUCTS = 5


def stories(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """What the page shows of each story."""
    return [
        {
            "type": one["type"],
            "family": FAMILIES[one["type"]],
            "said": said(one["type"]),
            "customer": short(one["customer_id"]),
            "fired_at": one["fired_at"],
            "reason": short(one["reason"], 400).replace(" %", f"{NBSP}%"),
            "afterwards": _afterwards(one),
            "plot": _strip(one),
            "products": _products(one),
            "evidence": [(name.replace("_", " "), short(_shown(value))) for name, value in one["evidence"].items()],
        }
        for one in figures["stories"]
    ]


def _shown(value: object) -> str:
    return "" if value is None else str(value)


def _afterwards(one: dict[str, Any]) -> str:
    later, watched = one["after"], days(one["watched_days"])
    if not later:
        return f"No order came in the {watched} until the log ends."
    first = later[0]
    worth = money(first["total"], first["currency"])
    told = f"The next order{f' of {worth}' if worth else ''} came after {days(first['days'])}, on {day(first['at'])}"
    more = one["orders_after"] - 1
    if not more:
        return f"{told}; it is the only one in the {watched} until the log ends."
    return f"{told}; {count(more)} more followed until the log ends, {watched} after the message."


def _products(one: dict[str, Any]) -> list[str]:
    items = one.get("cart", {}).get("items", [])
    shown = [f"{item['quantity']:g} x {short(item['product_id'])}" for item in items[:_PRODUCTS]]
    return [*shown, f"and {len(items) - _PRODUCTS} more"] if len(items) > _PRODUCTS else shown


def _strip(one: dict[str, Any]) -> Markup:
    """Time goes to the right; each order is a stem, taller for a larger amount; the message is the line between."""
    orders = [*one["before"], *one["after"]]
    begin = min([-_LEAST_DAYS, *(order["days"] for order in orders)])
    end = max([_LEAST_DAYS, min(one["watched_days"], _MOST_DAYS), *(order["days"] for order in orders)])
    x = Scale(begin, end, 12, _WIDTH - 12)
    most = max((order["total"] or 0.0 for order in orders), default=0.0)
    y = Scale(0, most or 1.0, _GROUND, _TOP)
    sent = x(0)
    parts = [
        tag("rect", x=sent, y=8, width=x(min(end, one["watched_days"])) - sent, height=_GROUND - 8, class_="after"),
        path([(x.begin, _GROUND), (x.end, _GROUND)], class_="axis"),
    ]
    for order in orders:
        place, top = x(order["days"]), y(order["total"]) if order["total"] else _GROUND - 12
        told = " ".join(part for part in ("order", money(order["total"], order["currency"]), day(order["at"])) if part)
        stem = path([(place, _GROUND), (place, top)], class_="stem")
        parts.append(tag("g", hint(told), stem, tag("circle", cx=place, cy=top, r=4, class_="order")))
    parts += [
        path([(sent, 4), (sent, _GROUND + 6)], class_=f"sent {FAMILIES[one['type']]}"),
        text(sent + 6, 14, "message", class_="sent-label"),
        text(x.begin, _HEIGHT - 6, _date(one, begin), class_="small"),
        text(x.end, _HEIGHT - 6, _date(one, end), anchor="end", class_="small"),
    ]
    if 90 < sent < _WIDTH - 90:
        parts.append(text(sent, _HEIGHT - 6, _date(one, 0), anchor="middle", class_="small"))
    return picture(
        _WIDTH,
        _HEIGHT,
        f"Orders around the message: {len(one['before'])} before, {len(one['after'])} after",
        *parts,
        class_="strip",
    )


def _date(one: dict[str, Any], away: float) -> str:
    moment = datetime.fromisoformat(one["fired_at"]).astimezone(UTC) + timedelta(days=away)
    return day(moment.date().isoformat())
