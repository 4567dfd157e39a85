"""What `customers` prints for people: a line for each thing, its dates in UTC."""

from collections.abc import Iterator
from typing import Any

from streams.commands.output import show_rows

Facts = dict[str, Any]
Line = tuple[str, str]
_MOST = 10
"""Products on one line."""
_OTHERS = (
    "timers were set by other rules or parameters than these settings name: give the workers' own; or a change is on "
    "its way, and this customer's turn has not come"
)


def show_customer(found: Facts) -> None:
    """`found`: as `streams.customers.look.shown` gives it, and `messages`."""
    show_rows(("", ""), [*_lines(found), *_note(found)])


def show_grounds(found: Facts) -> None:
    """`found`: as `streams.customers.look.explained` gives it, and `rules`."""
    rows = [(rule["state"].replace("_", " "), rule["rule"], rule["why"]) for rule in found["rules"]]
    show_rows(("", "rule", "why"), [*rows, *((name, "", text) for name, text in _note(found))])


def _lines(found: Facts) -> Iterator[Line]:
    yield "customer", f"{found['customer_id']} in partition {found['partition']}, as of {_minute(found['as_of'])}"
    yield from _orders(found)
    for basket in found["baskets"]:
        yield "baskets", _basket(basket)
    yield from _browsing(found)
    for one in found["products"]["regulars"]:
        due = f", due {_day(one['due_at'])}{' (told)' if one['told'] else ''}" if one["due_at"] else ""
        bought = f"bought on {one['days']} days, last {one['quantity']:g} on {_day(one['last_bought_at'])}"
        yield "product", f"{one['product_id']}: {bought}{due}"
    if (profile := found["profile"]) is not None:
        yield "profile", _profile(profile)
    for timer in sorted(found["open_timers"], key=lambda timer: str(timer["due_at"])):
        yield "waits", f"{timer['rule']} on {_minute(timer['due_at'])}, unless the customer does something before"
    for sent in found["open_triggers"]:
        told = f"told {_minute(sent['fired_at'])}, of use until {_minute(sent['expires_at'])}"
        yield "stands", f"{sent['type']}, {told} ({sent['trigger_id']})"
    for sent in found["messages"]:
        held = f" (held back: {sent['suppressed_by']})" if sent["suppressed_by"] else ""
        yield "message", f"{_minute(sent['at'])} {sent['type']}{held}: {sent['reason']}"


def _orders(found: Facts) -> Iterator[Line]:
    last = found["last_order"]
    if last is None:
        yield "orders", "none"
        return
    every = found["average_interval_days"]
    rhythm = f", every {every:.1f} days on average" if every is not None else ""
    back = f", {last['returned']:,.2f} of it returned" if last["returned"] else ""
    yield "orders", f"{found['orders']}{rhythm}; the last: {last['order_id']} on {_minute(last['at'])}{back}"
    if found["expected_next_order_at"] is not None:
        alive = f"the chance that another one comes at all is {100 * found['p_alive']:.0f} %"
        yield "next order", f"expected on {_day(found['expected_next_order_at'])}; {alive}"
    if (value := found["value"]) is not None:
        much = f"{value['expected']:,.2f} {found['currency']} ({value['low']:,.2f} to {value['high']:,.2f})"
        best = "; may become one of the best customers" if found["vip_candidate"] else ""
        yield "worth", f"{much} in the next twelve months{best}"


def _basket(basket: Facts) -> str:
    if not basket["orders"]:
        return f"{basket['currency']}: none with an amount"
    mean = f"{basket['average']:,.2f} on average"
    return f"{basket['currency']}: {basket['orders']}, {mean}, {basket['revenue']:,.2f} in all"


def _browsing(found: Facts) -> Iterator[Line]:
    if (cart := found["cart"]) is not None:
        worth = f" worth {cart['total']:,.2f}" if "total" in cart else ""
        things = [f"{item['quantity']:g} {item['product_id']}" for item in cart["items"]]
        told = "; told of" if cart["told"] else ""
        yield "cart", f"{_some(things)}{worth}; touched {_minute(cart['touched_at'])}{told}"
    if (checkout := found["checkout"]) is not None:
        yield "checkout", f"started {_minute(checkout['started_at'])}"
    if found["viewed"]:
        yield "looked at", _some([f"{seen['product_id']} ({seen['times']})" for seen in found["viewed"]])


def _profile(profile: Facts) -> str:
    words = {True: "yes", False: "no", None: "unknown"}
    consent = ", ".join(f"{channel} {words[given]}" for channel, given in profile["consent"].items())
    return "; ".join(["consent: " + consent, *(profile[name] for name in ("timezone", "country") if profile[name])])


def _note(found: Facts) -> Iterator[Line]:
    if not found["planned_alike"]:
        yield "note", _OTHERS


def _some(things: list[str]) -> str:
    more = len(things) - _MOST
    return ", ".join(things[:_MOST]) + (f" and {more} more" if more > 0 else "")


def _day(at: str) -> str:
    return at[:10]


def _minute(at: str) -> str:
    return at[:16].replace("T", " ")
