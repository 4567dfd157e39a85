"""What plots are made of: scales, ticks, labels that keep apart, bars that add up, markup that is safe."""

from datetime import date
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.report.html.axes import Scale, apart, count_ticks, percent_ticks
from streams.report.html.curves import Curve, curves
from streams.report.html.sent import Calendar, sent
from streams.report.html.svg import picture, tag, text
from streams.report.html.words import count, day, days, money, percent, rate, short
from tests.support.pages import Page


@given(st.floats(0, 1e9))
def test_ticks_begin_at_zero_and_reach_the_most(most: float) -> None:
    ticks = [value for value, _ in count_ticks(most)]
    assert ticks[0] == 0
    assert ticks[-1] >= most
    assert 2 <= len(ticks) <= 5
    assert all(value == int(value) for value in ticks)


def test_ticks_of_shares() -> None:
    assert [label for _, label in percent_ticks(0.5, 0.1)][::5] == ["50\u00a0%", "100\u00a0%"]
    assert [label for _, label in percent_ticks(0.3, 0.2)] == [f"{share}\u00a0%" for share in (30, 50, 70, 90)]


def test_a_scale_bent_and_not() -> None:
    assert [Scale(0, 10, 100, 0)(value) for value in (0, 5, 10)] == [100, 50, 0]
    assert Scale(0, 100, 0, 10, lambda value: value**0.5)(25) == pytest.approx(5)
    assert Scale(3, 3, 7, 9)(3) == 7  # one value alone has a place too


@given(st.lists(st.floats(0, 300), max_size=9))
def test_labels_keep_apart_and_in_order(places: list[float]) -> None:
    moved = apart(places, 17, 0, 300)
    assert all(-1e-9 <= place <= 300 + 1e-9 for place in moved)
    order = sorted(range(len(places)), key=lambda i: places[i])
    steps = [moved[b] - moved[a] for a, b in pairwise(order)]
    assert all(step >= 17 - 1e-9 for step in steps)


def test_labels_that_are_apart_stay_where_they_are() -> None:
    assert apart([100, 20, 60], 17, 0, 300) == [100, 20, 60]


def test_whatever_goes_into_an_element_is_escaped() -> None:
    evil = "\"'><script>&"
    drawn = picture(10, 10, evil, text(1, 2, evil, class_=evil), tag("g", evil, data_name=evil))
    found = Page(str(drawn))
    assert [name for name, _ in found.tags] == ["svg", "text", "g"]
    assert found.texts == [evil, evil]
    assert [attributes.get("aria-label") or attributes.get("class") for _, attributes in found.tags[:2]] == [evil, evil]
    assert found.tags[2][1] == {"data-name": evil}


@pytest.mark.parametrize(
    ("length", "step", "unit"),
    [(1, 1, "day"), (400, 1, "day"), (401, 7, "week"), (2801, 28, "four weeks"), (11201, 364, "52 weeks")],
)
def test_bars_add_up_to_what_was_sent(length: int, step: int, unit: str) -> None:
    first = date(2020, 1, 1)
    last = date.fromordinal(first.toordinal() + length - 1)
    per_day = {date.fromordinal(first.toordinal() + i).isoformat(): i % 7 for i in range(0, length, 3)}
    one = {"fired": sum(per_day.values()) or 1, "per_day": per_day}
    found = sent({"triggers": {"cart.abandoned": one}, "train_until": f"{first}T12:00:00Z", "end": f"{last}T11:00:00Z"})
    calendar = Calendar(first, length, step)
    assert found["unit"] == unit == calendar.unit
    assert sum(calendar.bars(per_day)) == sum(per_day.values()) == found["total"]
    assert sum(sum(row) for _, row in found["table"]) == found["total"]
    assert len(calendar.bars({})) == -(-length // step)
    assert calendar.begins(len(calendar.bars({})) - 1) <= last


def test_curves_without_a_point_are_no_plot() -> None:
    assert curves([Curve("a", [], "tone0")], "says") is None
    drawn = curves([Curve("a", [], "tone0"), Curve("b", [(7, 0.2), (365, 0.4)], "tone1")], "says")
    assert drawn is not None
    assert len([name for name, _ in Page(str(drawn)).tags if name == "circle"]) == 2


def test_figures_as_people_read_them() -> None:
    assert [count(None), count(1234567.0), percent(None), percent(0.0049, 1)] == ["–", "1,234,567", "–", "0.5\u00a0%"]
    assert [rate(value) for value in (0.0, 0.01, 0.1, 9.94, 12345.6)] == ["0.0", "< 0.1", "0.1", "9.9", "12,346"]
    assert [days(value) for value in (None, 0.04, 1, 1.26, 12.4, 1234)] == [
        "–", "0 days", "1 day", "1.3 days", "12 days", "1,234 days",
    ]  # fmt: skip
    assert [day(None), day("2024-02-01"), day("2024-01-31T23:30:00-02:00")] == ["–", "1 Feb 2024", "1 Feb 2024"]
    assert [money(None, None), money(1234.5, "EUR"), money(3, None), money(3, "XXX")] == [
        "",
        "1,234.50 EUR",
        "3.00",
        "3.00",
    ]
    assert short("a\u202eb\nc") == "a\ufffdb\ufffdc"
    assert len(short("x" * 500)) == 80
