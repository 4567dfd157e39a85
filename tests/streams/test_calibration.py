"""What `agents/CALIBRATION.md` says of real logs, from the files to the figures."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from agents.evidence.flags import Jury, Score
from agents.evidence.scoring import Trial
from agents.evidence.simplerules import Contest, SimpleRule, simple_rules
from agents.fit.fitting import fit
from agents.fit.histories import occasions_of
from streams.commands import offbeat
from streams.histories import gather
from streams.logs import read_log

GROCERY = Path(__file__).parents[3] / "shared" / "data" / "btydplus_grocery.csv.zst"
PAGE = Path(__file__).parents[2] / "agents" / "CALIBRATION.md"
WALL = 1 << 43


@pytest.fixture(scope="module")
def grocery() -> Path:
    if not GROCERY.exists():
        pytest.skip(f"{GROCERY.name} does not come with the project")
    return GROCERY


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, dict[str, Any]]:
    """Filled by `report_of`: a log is worked on once."""
    return {Path(): {"folder": tmp_path_factory.mktemp("reports")}}


def report_of(log: Path, reports: dict[Path, dict[str, Any]]) -> dict[str, Any]:
    if log not in reports:
        folder = reports[Path()]["folder"] / log.name
        assert CliRunner().invoke(offbeat, ["backtest", str(log), "--report", str(folder)]).exit_code == 0
        reports[log] = json.loads((folder / "report.json").read_text())
    return reports[log]


def levels(of: dict[str, float]) -> list[float]:
    return [of[level] for level in ("0.5", "0.8", "0.9")]


def as_in_the_page(name: str, found: dict[str, Any]) -> None:
    """The row of a log in the page's first table: coverage, AUC, Brier score, precision, recall."""
    (row,) = re.findall(rf"^\| {name} \|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    told = [float(number) for number in re.findall(r"\d*\.\d+", row)]
    silence, both = found["silence"], found["compared"][0]
    figures = [*levels(found["window_coverage"]), silence["auc"], silence["brier"], both["precision"], both["recall"]]
    assert told == pytest.approx(figures, abs=0.0006)


def worth_as_in_the_page(name: str, found: dict[str, Any]) -> None:
    """The row of a figure in the page's table of value."""
    (row,) = re.findall(rf"^\| {name} \|(.*)\|$", PAGE.read_text(), re.MULTILINE)
    told = [float(number) for number in re.findall(r"\d*\.\d+", row)]
    held = found["interval"]
    ranked = [found[key] for key in ("gini", "spearman", "top10_caught", "top10_possible")]
    assert told[0] == pytest.approx(found["foretold"] / found["came"], abs=0.006)
    assert told[1:] == pytest.approx([*ranked, held["below"], held["inside"], held["above"]], abs=0.0011)


def misses(of: dict[str, float]) -> list[float]:
    """How far windows are from holding what they promise, at each level."""
    return [abs(share - level) for share, level in zip(levels(of), (0.5, 0.8, 0.9), strict=True)]


def test_cdnow(cdnow: Path, reports: dict[Path, dict[str, Any]]) -> None:
    found = report_of(cdnow, reports)
    as_in_the_page("CDNOW", found)
    assert found["train_until"] == "1997-09-30T12:00:00.000Z"
    assert found["coverage_gaps"] == {"all": 7130, "1": 0, "2-3": 1239, "4-6": 2141, "7+": 3750}
    assert max(misses(found["window_coverage"])) < 0.02
    assert max(misses(found["forecast_coverage"])) < 0.02
    for name in ("2-3", "4-6", "7+"):
        assert max(misses(found["coverage_by_class"][name])) < 0.05, name
    assert found["silence"]["auc"] > 0.805
    assert found["silence"]["brier"] < 0.1052
    worth_as_in_the_page("CDNOW, orders", found["value"]["orders"])
    worth_as_in_the_page("CDNOW, money", found["value"]["value"])
    at_risk = found["triggers"]["loyal.at_risk"]
    page = PAGE.read_text()
    for figure in (f"{at_risk['fired']} fired", f"{at_risk['precision']:.3f}", f"{at_risk['recall']:.3f}"):
        assert figure.removeprefix("0") in page


def test_grocery(grocery: Path, reports: dict[Path, dict[str, Any]]) -> None:
    """Whole days only, so that half a day moves the median by four points."""
    found = report_of(grocery, reports)
    as_in_the_page("grocery", found)
    median, *others = misses(found["window_coverage"])
    assert median < 0.04
    assert max(others) < 0.02
    assert max(misses(found["coverage_by_class"]["7+"])) < 0.05
    assert found["silence"]["auc"] > 0.934
    assert found["silence"]["brier"] < 0.076
    assert "baskets: no order has an amount" in found["not_told"]
    worth_as_in_the_page("grocery, orders", found["value"]["orders"])
    assert found["value"]["value"] is None


RULES = {
    # precision, recall, median delay, false alarms
    "cdnow": {
        "ours": (0.912, 0.842, 304, 0.066),
        "fixed days": (0.807, 1.00, 90, 0.26),
        "mean + k sd": (0.804, 0.92, 148, 0.21),
        "k x mean": (0.718, 0.92, 68, 0.36),
        "P(alive) < p": (0.787, 0.91, 47, 0.27),
    },
    "grocery": {
        "ours": (0.815, 0.884, 71, 0.053),
        "fixed days": (0.762, 1.00, 90, 0.08),
        "mean + k sd": (0.600, 0.93, 104, 0.14),
        "k x mean": (0.470, 0.94, 46, 0.235),
        "P(alive) < p": (0.700, 0.90, 30, 0.09),
    },
}


@pytest.mark.parametrize("name", RULES)
def test_rules_over_the_whole_log(name: str, request: pytest.FixtureRequest) -> None:
    """Learned on the first half, judged on all of it: what studies of these logs do."""
    log = read_log(request.getfixturevalue(name), wall=WALL)
    assert log.span is not None
    begin, end = log.span
    middle = (begin + end) // 2
    orders = gather(log.lines(), wall=WALL).orders
    prior = fit(orders.before(middle), middle).parameters.timing
    occasions = occasions_of(orders)
    whole = Trial(orders, begin, end)
    contest = Contest(whole, occasions, Jury(whole, occasions))
    overdue = occasions.rhythm(prior).overdue(0.8, 90, 0.8)
    ours = SimpleRule("ours", 0.8, (0.0, 1.0), lambda _known, _setting: overdue)
    for rule in (ours, *simple_rules(Trial(orders, middle, end))):
        found = contest.score(rule, rule.setting)
        assert close(found, *RULES[name][rule.name]), (rule.name, found)


def close(found: Score, precision: float, recall: float, delay: float, alarms: float) -> bool:
    figures = found.precision, found.recall, found.false_alarms
    near = figures == pytest.approx((precision, recall, alarms), abs=0.015)
    return near and found.median_delay_days == pytest.approx(delay, rel=0.05)
