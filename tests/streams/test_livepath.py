"""`offbeat backtest --live`: a log on which parameters are learned on the way, as workers do it."""

import json
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from agents.decisions import Decision
from agents.rulebook.rules import Rules
from streams.backtest import backtest
from streams.commands import offbeat
from streams.livepath import Renewal
from tables.orders import DAY, WEEK
from tables.parameters import BUILTIN
from tests.bench.livepath import lines_of
from tests.support.population import BEGIN, log_of

LOG = log_of("weekdays", 8, customers=250)
HALF = LOG.middle - 200 * DAY


def played(until: int, take: Callable[[Decision], None] = lambda _decision: None) -> list[Renewal]:
    renewals: list[Renewal] = []
    orders = LOG.orders.before(until)
    backtest(lines_of(orders), Rules(), BUILTIN, wall=LOG.end, emit=take, renewed=renewals.append)
    return renewals


@pytest.fixture(scope="module")
def whole() -> tuple[list[Renewal], list[bytes]]:
    decisions: list[bytes] = []
    return played(LOG.middle, lambda one: decisions.append(msgspec.json.encode(one))), decisions


def test_every_week_has_its_end(whole: tuple[list[Renewal], list[bytes]]) -> None:
    ends = [one.at for one in whole[0]]
    assert ends == list(range(ends[0], ends[-1] + 1, WEEK))
    assert BEGIN < ends[0] <= BEGIN + WEEK
    assert LOG.middle - 2 * WEEK < ends[-1] <= LOG.middle


def test_a_new_shop_comes_to_parameters_of_its_own(whole: tuple[list[Renewal], list[bytes]]) -> None:
    tried = [one for one in whole[0] if one.found.tried]
    assert len(tried) > 3
    assert tried[0].at > BEGIN + 2 * WEEK
    assert tried[0].found.parameters is not None
    last = [one.found.parameters for one in whole[0] if one.found.parameters][-1]
    assert last.timing.mu0 < BUILTIN.timing.mu0 - 0.5
    assert last.clock
    assert last.live is not None
    assert len(last.live.seen) > 10
    versions = {json.loads(one)["evidence"].get("parameters") for one in whole[1] if b'"evidence"' in one}
    assert {"builtin-1", last.version} <= versions
    assert len(versions) > 20


def test_nothing_is_learned_from_what_comes_later(whole: tuple[list[Renewal], list[bytes]]) -> None:
    decisions: list[bytes] = []
    part = played(HALF, lambda one: decisions.append(msgspec.json.encode(one)))
    assert len(part) > 10
    assert part == whole[0][: len(part)]
    # what is due after the last order of the shorter log is told of the longer one alone
    assert len(decisions) > 50
    assert decisions == whole[1][: len(decisions)]


def test_the_report_is_by_what_was_in_force(tmp_path: Path) -> None:
    log, folder = tmp_path / "log.csv", tmp_path / "report"
    rows = sorted(zip(LOG.orders.at.tolist(), LOG.orders.customer.tolist(), LOG.orders.total.tolist(), strict=True))
    log.write_text(
        "customer_id,event_time,event_type,order_id,quantity,amount,currency\n"
        + "".join(f"c{name},{at},purchase,o{n},1,{total},EUR\n" for n, (at, name, total) in enumerate(rows))
    )
    found = {}
    for options in ((), ("--live",)):
        done = CliRunner().invoke(offbeat, ["backtest", str(log), "--report", str(folder), *options])
        assert done.exit_code == 0, done.output
        found[options] = json.loads((folder / "report.json").read_text())
    plain, live = found[()], found[("--live",)]
    assert plain["learned"] == {"weeks": 0, "adopted": 0, "refits": []}
    assert live["learned"]["weeks"] > 40
    refits = live["learned"]["refits"]
    assert live["learned"]["adopted"] == sum(one["adopted"] for one in refits)
    assert refits[0]["at"] >= plain["train_until"][:10]
    assert refits[0]["why"].startswith("the rhythm ")
    assert live["window_coverage"] != plain["window_coverage"]
    assert live["coverage_gaps"] == plain["coverage_gaps"]
    assert abs(live["window_coverage"]["0.8"] - 0.8) < 0.06
