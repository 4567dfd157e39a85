"""The report in a few figures, each with the sentence that it stands for."""

from typing import Any, NamedTuple

from streams.report.html.words import count, day, days, percent, rate

CANNOT = "cannot be told"


class Card(NamedTuple):
    figure: str
    means: str


def brief(sent: dict[str, Any], right: dict[str, Any], timing: dict[str, Any]) -> list[Card]:
    """Four cards; what a log cannot tell says so."""
    return [_volume(sent), _precision(right["ours"]), _recall(right["ours"]), _coverage(timing)]


def _volume(sent: dict[str, Any]) -> Card:
    if not sent["busiest"]:
        return Card("0", f"messages in {days(sent['days'])}: nothing would have been sent.")
    date, most = sent["busiest"]
    means = (
        f"messages a day: {count(sent['total'])} in {days(sent['days'])}, {count(most)} on the busiest, {day(date)}."
    )
    return Card(rate(sent["a_day"]), means)


def _precision(ours: dict[str, Any]) -> Card:
    if ours["precision"] is None:
        return Card(
            CANNOT,
            "how often it is right that somebody stays away: nobody was told of in time to be watched for 90 days.",
        )
    means = f"of the {count(ours['judged'])} whose absence was reported did stay away: no order within 90 days."
    return Card(percent(ours["precision"]), means)


def _recall(ours: dict[str, Any]) -> Card:
    if ours["recall"] is None:
        return Card(
            CANNOT, "how many of those who leave are found: that takes customers whose last order is 180 days old."
        )
    delay = ours["median_delay_days"]
    when = f"; half of the messages go out within {days(delay)} of the last order" if delay is not None else ""
    return Card(percent(ours["recall"]), f"of the customers who left are found{when}.")


def _coverage(timing: dict[str, Any]) -> Card:
    held = timing["rows"][0]["levels"].get("0.8")
    if held is None:
        return Card(CANNOT, "whether forecasts of the next order hold: no order came in time to be compared.")
    return Card(percent(held), "of the next orders came within the window that was to hold 80 % of them.")
