"""The figures of `product.replenish_due` in report.json: counted again from the log and the triggers, and no leak."""

import json
from collections import defaultdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from agents.fit.histories import Sold
from agents.rulebook.rules import ProductReplenishDue
from tables.events import OrderCompleted
from tables.orders import DAY
from tests.support.core import day, time_of
from tests.support.logfiles import HEADER
from tests.support.pantry import Pantry, orders
from tests.support.reports import report_of

NAME = ProductReplenishDue.NAME
EXPIRES = 14 * DAY
Bought = dict[tuple[str, str], list[int]]


def write(path: Path, bought: list[OrderCompleted]) -> Path:
    rows = [
        f"{one.customer_id},{time_of(one)},purchase,{one.order_id},{i.product_id},{i.category},{i.quantity},20,EUR\n"
        for one in bought
        for i in one.items
    ]
    path.write_text(HEADER + "".join(rows))
    return path


@pytest.fixture(scope="module")
def shop() -> list[OrderCompleted]:
    return orders(Pantry(), 60, 3)


def ms(instant: str) -> int:
    return round(datetime.fromisoformat(instant).timestamp() * 1000)


def days_of(bought: list[OrderCompleted]) -> Bought:
    """When each customer bought each product, the purchases of a day once."""
    found: Bought = defaultdict(list)
    for one in bought:
        for item in one.items:
            times = found[one.customer_id, item.product_id]
            if not times or times[-1] // DAY != time_of(one) // DAY:
                times.append(time_of(one))
    return found


def test_the_figures_are_those_of_the_log(shop: list[OrderCompleted], tmp_path: Path) -> None:
    out = tmp_path / "triggers.jsonl"
    found = report_of(write(tmp_path / "log.csv", shop), tmp_path / "report", "--triggers", out)
    figures, since, end = found["triggers"][NAME], ms(found["train_until"]), ms(found["end"])
    times, told = days_of(shop), defaultdict(list)
    judged, errors, delays, fired = [], [], [], 0
    for line in map(json.loads, out.read_text().splitlines()):
        if line["ce_type"] == NAME and line["topic"] != "triggers.suppressed" and ms(line["fired_at"]) >= since:
            at, fired = ms(line["fired_at"]), fired + 1
            for one in (line["evidence"], *line["evidence"]["also_due"]):
                pair = line["customer_id"], one["product_id"]
                told[pair].append(at)
                delays.append((at - max(when for when in times[pair] if when <= at)) / DAY)
                after = min((when for when in times[pair] if when > at), default=None)
                if after is not None:
                    errors.append(abs(after - ms(one["expected_at"])) / DAY)
                if at <= end - EXPIRES:
                    judged.append(after is not None and after <= at + EXPIRES)
    assert (figures["fired"], figures["judged"]) == (fired, len(judged))
    assert figures["precision"] == pytest.approx(np.mean(judged), abs=1e-4)
    assert figures["precision"] > 0.8
    assert figures["median_delay_days"] == pytest.approx(median(delays), abs=1e-3)
    assert figures["median_error_days"] == pytest.approx(median(errors), abs=0.06)
    could = [
        any(max(before, at - EXPIRES) < one <= at for one in told[pair])
        for pair, bought in times.items()
        for number, (before, at) in enumerate(pairwise(bought), 1)
        if number >= 3 and at >= since
    ]
    assert len(could) > 300
    assert figures["recall"] == pytest.approx(np.mean(could), abs=0.003)
    assert found["parameters"]["version"].startswith("fit-")
    assert "products: no order says what was bought" not in found["not_told"]
    assert any(story["type"] == NAME for story in found["stories"])
    assert "Needed again" in (tmp_path / "report" / "report.html").read_text()


def leaks(shop: list[OrderCompleted], folder: Path) -> bool:
    """Whether what is bought in the second half changes what was learned from the first."""
    folder.mkdir()
    versions = set()
    for name, faster in (("a", False), ("b", True)):
        late = [one for one in shop if not faster or time_of(one) < day(360) or time_of(one) % 2]
        log = write(folder / f"{name}.csv", late)
        versions.add(report_of(log, folder / name, "--train-until", "2024-12-20")["parameters"]["version"])
    return len(versions) > 1


def test_nothing_is_learned_of_products_from_what_is_scored(
    shop: list[OrderCompleted], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not leaks(shop, tmp_path / "as it is")
    monkeypatch.setattr(Sold, "before", lambda sold, _moment: sold)
    assert leaks(shop, tmp_path / "with a leak"), "a fit that sees the other half would be caught"
