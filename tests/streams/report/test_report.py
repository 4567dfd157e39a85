"""`backtest --report`: report.json as the contract has it, from any log, and nothing in it that was not known."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agents.fit.fitting import fit
from agents.fit.histories import Orders
from agents.rulebook.currencies import Currencies
from agents.rulebook.rules import NAMES
from streams.histories import Histories, gather
from streams.logs import LogLine
from streams.report import write_report
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.commands import refused
from tests.support.logfiles import HEADER
from tests.support.population import BEGIN, invented
from tests.support.reports import backtest, report_of, write_orders

END_DAY = 600
LEVELS = {"0.5", "0.8", "0.9"}


@pytest.fixture(scope="module")
def orders() -> Orders:
    return invented(BUILTIN.timing, BUILTIN.basket, customers=400, days=END_DAY)[0]


@pytest.fixture(scope="module")
def log(orders: Orders, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_orders(tmp_path_factory.mktemp("shop") / "log.csv", orders)


def test_it_holds_what_the_contract_says(log: Path, orders: Orders, tmp_path: Path) -> None:
    found = report_of(log, tmp_path / "new" / "folder")
    assert (found["orders"], found["customers"]) == (len(orders), 400)
    middle = (int(orders.at.min()) + int(orders.at.max())) // 2
    assert found["train_until"][:10] == datetime.fromtimestamp(middle / 1000, UTC).date().isoformat()
    assert set(found["window_coverage"]) == set(found["forecast_coverage"]) == LEVELS
    assert list(found["coverage_by_class"]) == ["1", "2-3", "4-6", "7+"]
    assert all(set(levels) == LEVELS for levels in found["coverage_by_class"].values())
    assert list(found["triggers"]) == list(NAMES)
    for name, trigger in found["triggers"].items():
        assert {"fired", "precision", "recall", "median_delay_days"} <= set(trigger), name
        assert sum(trigger["per_day"].values()) == trigger["fired"]
        assert all(day >= found["train_until"][:10] for day in trigger["per_day"])
    for name in ("repurchase.overdue", "first_purchase.lapsed"):
        assert 0.6 < found["triggers"][name]["precision"] <= 1
        assert 0 < found["triggers"][name]["recall"] <= 1
        assert found["triggers"][name]["median_delay_days"] > 30
    assert found["silence"]["auc"] > 0.6
    assert found["parameters"]["fitted"]
    assert found["parameters"]["version"].startswith("fit-")
    ours, *simple = found["compared"]
    assert ours["rule"] == "repurchase.overdue + first_purchase.lapsed"
    assert [row["rule"] for row in simple] == ["fixed days", "mean + k sd", "k x mean", "P(alive) < p"]
    assert all(row["at_equal_recall"]["recall"] >= ours["recall"] for row in simple)
    worth = found["value"]
    assert {"spearman", "gini", "top10_caught", "top10_possible", "interval"} <= set(worth["orders"])
    assert 0 < worth["value"]["top10_caught"] <= worth["value"]["top10_possible"] < 1
    assert 0.7 < worth["value"]["interval"]["inside"] <= 1
    assert sum(row["customers"] for row in worth["tenths"]) == worth["customers"] < 400
    assert sum(row["value"] for row in worth["tenths"]) == pytest.approx(worth["value"]["came"], abs=0.1)
    assert found["triggers"]["loyal.at_risk"]["fired"] > 0
    curve = list(found["returning"]["after_the_first_order"].values())
    assert curve == sorted(curve)


def test_what_came_back_is_counted_from_the_orders(log: Path, orders: Orders, tmp_path: Path) -> None:
    out = tmp_path / "triggers.jsonl"
    found = report_of(log, tmp_path / "report", "--triggers", out, "--train-until", "2021-06-01")
    end, since, back, of = int(orders.at.max()), moment("2021-06-01"), 0, 0
    for line in map(json.loads, out.read_text().splitlines()):
        at = round(datetime.fromisoformat(line["fired_at"]).timestamp() * 1000)
        if line["ce_type"] == "repurchase.due" and line["topic"] != "triggers.suppressed" and at >= since:
            times = orders.at[orders.customer == int(line["customer_id"][1:])]
            if at <= end - 30 * DAY:
                of += 1
                back += bool(((times > at) & (times <= at + 30 * DAY)).any())
    rows = {row["days"]: row for row in found["triggers"]["repurchase.due"]["came_back"]["within"]}
    assert of > 20
    assert (rows[30]["of"], rows[30]["back"]) == (of, back)


def moment(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_the_same_log_gives_the_same_report(log: Path, tmp_path: Path) -> None:
    assert report_of(log, tmp_path / "one") == report_of(log, tmp_path / "two")
    assert (tmp_path / "one" / "report.html").read_bytes() == (tmp_path / "two" / "report.html").read_bytes()


def test_given_parameters_are_not_fitted(log: Path, tmp_path: Path) -> None:
    builtin = report_of(log, tmp_path / "builtin", "--parameters", "builtin")
    assert builtin["parameters"] == {"version": "builtin-1", "fitted": False, "notes": []}
    assert builtin["window_coverage"] != report_of(log, tmp_path / "own")["window_coverage"]


# --- no leak ----------------------------------------------------------------------------------------------------------


def leaks(orders: Orders, folder: Path) -> bool:
    """Whether a backtest learned anything from what lies after the date."""
    until = BEGIN + END_DAY // 2 * DAY
    day = datetime.fromtimestamp(until / 1000, UTC).date().isoformat()
    other = orders.take((orders.at < until) | (orders.customer % 3 > 0))
    told = []
    for name, given in (("one", orders), ("other", other)):
        log, out = write_orders(folder / f"{name}.csv", given), folder / f"{name}.jsonl"
        version = report_of(log, folder / name, "--train-until", day, "--triggers", out)["parameters"]["version"]
        fired = [line for line in out.read_text().splitlines() if json.loads(line)["fired_at"] < day]
        told.append((version, [line for line in fired if "cancelled_at" not in line]))
    return told[0] != told[1]


def test_what_comes_after_the_date_teaches_nothing(orders: Orders, tmp_path: Path) -> None:
    assert not leaks(orders, tmp_path)


def test_a_fit_that_sees_the_test_half_would_be_caught(
    orders: Orders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[Orders] = []

    def remembered(lines: Iterable[LogLine], *, wall: int, rates: Currencies) -> Histories:
        found = gather(lines, wall=wall, rates=rates)
        whole.append(found.orders)
        return found

    monkeypatch.setattr("streams.commands.learn.gather", remembered)
    seeing = lambda *_, **named: fit(whole[-1], int(whole[-1].at.max()), **named)  # noqa: E731
    monkeypatch.setattr("streams.commands.learn.fit", seeing)
    assert leaks(orders, tmp_path)


# --- logs that lack something -----------------------------------------------------------------------------------------


def test_without_carts_and_amounts_it_says_what_it_could_not_tell(orders: Orders, tmp_path: Path) -> None:
    log = write_orders(tmp_path / "bare.csv", orders, amounts=False)
    result = backtest(log, "--report", tmp_path / "report")
    found = json.loads((tmp_path / "report" / "report.json").read_text())
    assert found["not_told"] == [
        "carts: the log holds none",
        "products: no order says what was bought",
        "baskets: no order has an amount",
    ]
    for what in found["not_told"]:
        assert f"offbeat: this log does not tell: {what}" in result.stderr.splitlines()
    assert found["triggers"]["cart.abandoned"]["precision"] is None
    assert found["triggers"]["basket.shrunk"]["fired"] == found["triggers"]["loyal.at_risk"]["fired"] == 0
    assert found["value"]["value"] is None
    assert found["value"]["orders"]["gini"] > 0.3
    assert "What customers are worth" in (tmp_path / "report" / "report.html").read_text()


def test_carts_without_orders(tmp_path: Path) -> None:
    rows = [f"c{i},{BEGIN + i * DAY},add_to_cart,,p,,1,,\n" for i in range(20)]
    path = tmp_path / "log.csv"
    path.write_text(HEADER + "".join(rows))
    found = report_of(path, tmp_path / "report")
    assert (found["orders"], found["customers"], found["customers_with_orders"]) == (0, 20, 0)
    assert found["begin"] is None
    abandoned = found["triggers"]["cart.abandoned"]
    assert (abandoned["fired"], abandoned["precision"], abandoned["recall"]) == (9, 1.0, None)
    assert found["window_coverage"] == dict.fromkeys(LEVELS)
    assert found["parameters"]["version"] == "builtin-1"


def test_carts_that_are_bought_and_carts_that_are_not(tmp_path: Path) -> None:
    rows = []
    for i in range(30):
        rows += [f"c{i},{BEGIN + i * DAY},add_to_cart,,p,,1,,\n"]
        if i % 2:
            rows += [f"c{i},{BEGIN + i * DAY + DAY // 2},purchase,,p,,1,,\n"]
    path = tmp_path / "log.csv"
    path.write_text(HEADER + "".join(rows))
    date = datetime.fromtimestamp(BEGIN / 1000 + 10 * 86400, UTC).date().isoformat()
    abandoned = report_of(path, tmp_path / "report", "--train-until", date)["triggers"]["cart.abandoned"]
    assert abandoned["fired"] == 20
    assert abandoned["precision"] == pytest.approx(9 / 17, abs=1e-4)  # of days 10 to 26, watched for 72 h


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_a_handful_of_rows(rows: int, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(HEADER + "".join(f"c,{BEGIN + i * 40 * DAY},purchase,,p,,1,5,EUR\n" for i in range(rows)))
    found = report_of(path, tmp_path / "report")
    assert found["orders"] == rows
    assert found["parameters"]["version"] == "builtin-1"


# --- usage ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("date", "says"),
    [
        ("1999-01-01", "--train-until: 1999-01-01 lies outside of "),
        ("2031-01-01", "--train-until: 2031-01-01 lies outside of "),
        ("soon", "'soon' is no date; give one like 2024-06-30"),
    ],
)
def test_a_wrong_date_is_one_line(
    log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], date: str, says: str
) -> None:
    status, told = refused(capsys, "backtest", str(log), "--report", str(tmp_path / "r"), "--train-until", date)
    assert status == 2
    assert says in told
    assert not (tmp_path / "r").exists()


def test_a_report_that_cannot_be_written_is_one_line(log: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = backtest(log, "--report", tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert "the report cannot be written: Not a directory" in result.stderr


def test_an_older_report_is_replaced_and_what_is_no_number_never_written(log: Path, tmp_path: Path) -> None:
    figures = report_of(log, tmp_path)
    write_report(tmp_path, {**figures, "orders": 1})
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_report(tmp_path, {**figures, "orders": float("nan")})
    assert json.loads((tmp_path / "report.json").read_text())["orders"] == 1
    assert "1 order since" in (tmp_path / "report.html").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json"]
