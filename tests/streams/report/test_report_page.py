"""report.html: one file, harmless whatever the log holds, readable with or without a picture, true to report.json."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from agents.evidence.scoring import CLASSES
from agents.fit.histories import Orders
from agents.rulebook.rules import NAMES
from streams.report.html import page, words
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.logfiles import HEADER
from tests.support.pages import Page
from tests.support.population import BEGIN, invented
from tests.support.reports import report_of, write_orders

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "</title></style></svg><h1>mine",
    "{{ 7 * 7 }}{% raw %}",
    "'; DROP TABLE customers; --",
    "\u202egnp.exe",
    "&lt;b&gt; & co",
    "x" * 500,
)


def page_of(log: Path, folder: Path, *arguments: str) -> tuple[Page, dict[str, Any]]:
    figures = report_of(log, folder, *arguments)
    return Page((folder / "report.html").read_text()), figures


@pytest.fixture(scope="module")
def orders() -> Orders:
    return invented(BUILTIN.timing, BUILTIN.basket, customers=500, days=700)[0]


@pytest.fixture(scope="module")
def shop(orders: Orders, tmp_path_factory: pytest.TempPathFactory) -> tuple[Page, dict[str, Any]]:
    """A shop with enough of everything, and a few carts."""
    folder = tmp_path_factory.mktemp("shop")
    log = write_orders(folder / "log.csv", orders)
    carts = "".join(f"c{i},{BEGIN + (400 + i) * DAY},add_to_cart,,p,,1,,\n" for i in range(200))
    rows = [*log.read_text().splitlines(keepends=True)[1:], *carts.splitlines(keepends=True)]
    log.write_text(HEADER + "".join(sorted(rows, key=lambda row: int(row.split(",")[1]))))
    return page_of(log, folder / "report")


def test_it_needs_nothing_but_itself(shop: tuple[Page, dict[str, Any]]) -> None:
    found, _ = shop
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in found.tags}
    for tag, attributes in found.tags:
        assert not {"src", "srcset", "action", "style"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")], tag
        assert (attributes.get("href") or "#").startswith("#")
    assert "//" not in re.sub(r"<!DOCTYPE[^>]*>", "", found.written)
    assert not re.search(r"url\(|@import|expression", found.written)
    (policy,) = [meta for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"


def test_who_cannot_see_it_is_told_what_it_shows(shop: tuple[Page, dict[str, Any]]) -> None:
    found, _ = shop
    assert found.all("html") == [{"lang": "en"}]
    for picture in found.all("svg"):
        assert picture.get("class") == "key" or (picture["role"] == "img" and picture["aria-label"])
    for cell in found.all("th"):
        assert cell["scope"] in ("col", "row", "rowgroup")
    for box in found.all("div"):
        assert box.get("class") != "scroll" or (box["tabindex"] == "0" and box["aria-label"])
    ids = [attributes["id"] for _, attributes in found.tags if "id" in attributes]
    assert len(set(ids)) == len(ids)
    named = [link["href"] for link in found.all("a")]
    named += [f"#{attributes['aria-labelledby']}" for _, attributes in found.tags if "aria-labelledby" in attributes]
    assert {str(name)[1:] for name in named} <= set(ids)
    assert [tag for tag, _ in found.tags if tag == "h1"] == ["h1"]


def test_every_part_is_there(shop: tuple[Page, dict[str, Any]]) -> None:
    found, figures = shop
    parts = [section["id"] for section in found.all("section")]
    assert parts == ["brief", "sent", "stories", "back", "right", "timing", "value", "returning", "notes"]
    plots = [svg["aria-label"] for svg in found.all("svg") if svg.get("class") == "plot"]
    assert len(plots) == 6
    assert len(found.all("article")) == len(figures["stories"]) == 10


def test_it_says_what_the_figures_say(shop: tuple[Page, dict[str, Any]]) -> None:
    found, figures = shop
    ours, *simple = figures["compared"]
    expected = [
        f"{100 * ours['precision']:.0f}\u00a0% of the {ours['judged']:,} whose absence was reported did stay away",
        f"{100 * ours['recall']:.0f}\u00a0% of the customers who left are found",
        f"{100 * figures['window_coverage']['0.8']:.0f}\u00a0% of the next orders came within the window",
        f"{sum(one['fired'] for one in figures['triggers'].values()):,} in all",
        *(f"{100 * row['at_equal_recall']['precision']:.1f}\u00a0%" for row in simple),
    ]
    text = "".join(found.texts)
    plain = re.sub(r"[ \n]+", " ", text)
    for one in expected:
        assert one in plain, one
    for trigger in figures["triggers"].values():
        for row in trigger["came_back"]["within"]:
            if row["days"] in (7, 30, 90, 180):
                assert f"{row['back']:,} of {row['of']:,}" in plain
    for story in figures["stories"]:
        assert f"customer {story['customer_id']}" in plain
        assert story["reason"].replace(" %", "\u00a0%") in plain


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_any_kind_are_shown_and_do_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    lines: list[dict[str, Any]] = [
        {"type": "cart.item_added", "event_id": f"{name[:400]}{i}", "customer_id": name, "occurred_at": BEGIN + i * DAY,
         "product_id": name, "quantity": 1, "price": 5, "category": name}
        for i in range(9)
    ]  # fmt: skip
    lines += [
        {"type": "order.completed", "event_id": f"o{i}", "customer_id": name, "occurred_at": BEGIN + (i * 9 + 1) * DAY,
         "order_id": f"{name[:400]}{i}", "total": 9.5, "currency": name[:8], "items": []}
        for i in range(20)
    ]  # fmt: skip
    lines.append({"type": "product.viewed", "event_id": "v", "customer_id": "z", "occurred_at": BEGIN + 400 * DAY,
                  "product_id": name})  # fmt: skip
    lines.sort(key=lambda line: line["occurred_at"])
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found, figures = page_of(path, tmp_path / "report", "--train-until", "2020-09-14")
    assert figures["stories"]
    harmless = {tag for tag, _ in page_with_plain_names(figures).tags}
    assert {tag for tag, _ in found.tags} <= harmless
    assert {key for _, attributes in found.tags for key in attributes} <= KNOWN_ATTRIBUTES
    shown = name.replace("\u202e", "\ufffd")
    assert (shown if len(shown) <= 80 else f"{shown[:79]}…") in "".join(found.texts)
    assert "\u202e" not in found.written


KNOWN_ATTRIBUTES = {
    "aria-hidden", "aria-label", "aria-labelledby", "charset", "class", "colspan", "content", "cx", "cy", "d", "height",
    "href", "http-equiv", "id", "lang", "name", "r", "role", "scope", "tabindex", "text-anchor", "viewbox", "width",
    "x", "y",
}  # fmt: skip


def page_with_plain_names(figures: dict[str, Any]) -> Page:
    """The page of the same figures about people and products called p."""
    stories = [
        {**story, "customer_id": "p", "reason": "p", "evidence": {"p": "p"}}
        | ({"cart": cart} if "cart" in story else {})
        for story in figures["stories"]
        for cart in [{"items": [{"product_id": "p", "quantity": 1} for _ in story.get("cart", {}).get("items", [])]}]
    ]
    return Page(page({**figures, "stories": stories}))


def test_a_bare_log_says_what_it_cannot_tell(orders: Orders, tmp_path: Path) -> None:
    few = orders.take(orders.at < BEGIN + 100 * DAY)
    found, figures = page_of(write_orders(tmp_path / "log.csv", few, amounts=False), tmp_path / "report")
    day = words.day(figures["train_until"])
    for what in ("baskets: no order has an amount", "carts: the log holds none", f"fewer than 90 days after {day}"):
        assert what in found.text
    assert found.text.count("cannot be told") == 2
    assert "This log does not tell: nobody who was reported absent could be watched for 90 days" in found.text


@pytest.mark.parametrize("rows", ["add_to_cart", "purchase"])
def test_a_single_event(rows: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER + f"c,{BEGIN},{rows},,p,,1,5,EUR\n")
    found, _ = page_of(path, tmp_path / "report")
    for empty in ("Nothing, in 1 day.", "None to tell: nothing was sent.", "so there is nobody to follow"):
        assert empty in found.text
    assert "nan" not in found.text.lower().split()
    assert "None" not in found.text.replace("None to tell", "")


def test_all_types_and_classes_have_words() -> None:
    assert tuple(words.TYPES) == NAMES
    assert tuple(words.CLASSES) == tuple(CLASSES)
    assert len({said.name for said in words.TYPES.values()}) == len(NAMES)


def test_what_was_learned_on_the_way_is_told_where_anything_was(shop: tuple[Page, dict[str, Any]]) -> None:
    before, figures = shop
    assert "learned on the way" not in before.text
    refits = [
        {"at": "2024-03-04T00:00:00Z", "adopted": True, "why": "the rhythm is new", "version": "live-1"},
        {"at": "2024-04-01T00:00:00Z", "adopted": False, "why": HOSTILE[0], "version": None},
    ]
    found = Page(page(figures | {"learned": {"weeks": 9, "adopted": 1, "refits": refits}}))
    assert "the clock of the shop in 9 weeks, the rest by 2 refits, of which 1 " in " ".join(found.text.split())
    assert "4 Mar 2024" in found.text.replace(words.NBSP, " ")
    assert "the rhythm is new" in found.text
    assert "script" not in {tag for tag, _ in found.tags}
    assert "learned on the way" not in Page(page(figures | {"learned": {"weeks": 0, "adopted": 0, "refits": []}})).text
