"""What a soak is judged by: the load, the ledger, lags, memory, and what is said of them."""

import itertools
import json
from collections.abc import Iterator

import pytest

from agents.rulebook.rules import Rules
from tables.customerform import pack
from tables.orders import DAY
from tests.chaos.slot import OddEnd
from tests.soak.judge import Verdict
from tests.soak.lag import Lags
from tests.soak.ledger import Ledger
from tests.soak.memory import Sample, Stretch, stretches
from tests.soak.report import as_json, failures, table
from tests.soak.restarts import Restart
from tests.soak.run import Outcome, Plan
from tests.soak.shop import BEGIN, TURN_DAYS, Shop
from tests.support.oracle import Written, follow

TURN = 6000
SHOP = Shop(seed=3, customers=60, turn=TURN)


def message(text: str) -> Written:
    return "t", b"c1", text.encode(), ()


# -- the load


def test_the_same_seed_has_the_same_lines_in_order_of_effective_time() -> None:
    lines, again, other = (
        list(itertools.islice(shop.lines(), 500)) for shop in (SHOP, SHOP, Shop(seed=4, customers=60, turn=TURN))
    )
    assert lines == again != other
    assert all(one.effective <= two.effective for one, two in itertools.pairwise(lines))
    assert any(line.at < line.effective for line in lines)
    assert len(set(lines)) < len(lines)


def test_a_turn_takes_as_many_lines_as_told_and_brings_everybody_for_a_season() -> None:
    lines = list(itertools.islice(SHOP.lines(), TURN))
    assert lines[-1].effective == pytest.approx(BEGIN + TURN_DAYS * DAY, abs=30 * DAY)
    assert {line.key for line in lines} >= {b"c%d" % number for number in range(60)}
    days = sorted((line.at - BEGIN) / DAY for line in lines if line.key == b"c40")
    assert max(after - before for before, after in itertools.pairwise(days)) < 60
    assert days[-1] - days[0] < 200


def test_what_is_remembered_reaches_a_plateau_after_a_turn() -> None:
    shop, sizes = Shop(seed=3, customers=100, turn=3000), []
    for turns in (1, 3):
        tally, customers = follow(itertools.islice(shop.lines(), turns * shop.turn), Rules(), lambda _: None)
        assert tally.events == turns * shop.turn
        assert not tally.dead.count
        sizes.append(sum(len(pack(customer, 0)) for customer in customers.values()))
    assert sizes[1] == pytest.approx(sizes[0], rel=0.15)


# -- what came of it


def test_a_ledger_is_even_in_any_order_and_knows_what_is_open() -> None:
    ledger = Ledger()
    ledger.owe(message("a"))
    ledger.pay(message("b"))
    ledger.pay(message("a"))
    ledger.owe(message("b"))
    assert (ledger.missing, ledger.extra, ledger.paid) == ({}, {}, 2)
    ledger.owe(message("c"))
    ledger.pay(message("a"))
    assert (ledger.missing, ledger.extra) == ({message("c"): 1}, {message("a"): 1})


def test_a_lag_is_the_age_of_the_oldest_that_is_not_taken() -> None:
    lags = Lags()
    lags.due({("a", 0): 5, ("b", 1): 3}, 10.0)
    lags.due({("a", 0): 9}, 12.0)
    assert (lags.seconds(13.0), lags.behind) == (3.0, [0, 1])
    lags.taken(("a", 0), 5)
    lags.taken(("b", 1), 3)
    assert (lags.seconds(13.0), lags.behind) == (1.0, [0])
    lags.taken(("a", 0), 9)
    lags.due({("a", 0): 9}, 14.0)  # its mark came before its acknowledgement
    assert (lags.seconds(15.0), lags.behind) == (0.0, [])


def samples(pid: int, slope: float, *, seconds: int = 100, worker: int = 0) -> Iterator[Sample]:
    """100 MiB that grow by so many MiB in a second, with noise and a jump."""
    for second in range(seconds):
        mib = 100 + slope * second + 0.5 * (second % 3) + (40 if second == 50 else 0)
        yield Sample(1000.0 + second, worker, pid, round(mib * (1 << 20)))


def test_memory_that_leaks_is_told_from_memory_that_is_flat() -> None:
    found = stretches([*samples(7, 0.0), *samples(8, 0.2, worker=1)], 1000.0, 1100.0)
    assert [one.worker for one in found] == [0, 1]
    assert abs(found[0].growth) < 0.005
    assert found[1].growth == pytest.approx(0.18, abs=0.02)
    assert found[1].slope == pytest.approx(720, rel=0.02)


def test_memory_is_judged_only_of_who_was_there_most_of_the_time() -> None:
    assert stretches(list(samples(7, 1.0, seconds=30)), 1000.0, 1100.0) == []
    assert [one.seconds for one in stretches(list(samples(7, 0.0)), 1020.0, 1060.0)] == [40.0]


# -- what is said of it


def outcome() -> Outcome:
    """One that is as it should be."""
    return Outcome(
        Plan(300, 500, 2000, redis="redis://u:secret@127.0.0.1:1/0"),
        seconds=300.0,
        lines=150_000,
        restarts=[Restart("worker 0, SIGKILL", 8.0, 7.5)],
        calm_lag=0.5,
        stretches=[Stretch(0, 60.0, 120.0, 6.0)],
        verdict=Verdict(150_000, 1900, 100_000),
    )


def test_nothing_is_said_of_a_soak_that_went_well() -> None:
    assert failures(outcome()) == []
    shown = table(outcome())
    assert ["worker 0, SIGKILL", "back after 8.0 s, lag 7.5 s", "60 s"] in [
        [cell.strip() for cell in line.strip("|").split("|")] for line in shown
    ]
    assert len({len(line) for line in shown}) == 1


def test_each_thing_that_is_not_so_is_told_in_a_line() -> None:
    bad = outcome()
    bad.restarts.append(Restart("broker 2, SIGTERM", None, 70.0))
    bad.calm_lag = 4.0
    bad.stretches.append(Stretch(1, 360.0, 100.0, 60.0))
    bad.stuck = [3]
    bad.odd_ends = [OddEnd(1, 1, "it said so")]
    bad.verdict = Verdict(missing=1, extra=2, wrong_states=3, dead_letters=4, dead_letters_due=9)
    assert failures(bad) == [
        "broker 2, SIGTERM: the lag was not below 3 s within 60 s",
        "while nothing was restarted an event waited for 4.0 s: give a lower --rate",
        "worker 1 grew by 6.0% in 360 s",
        "partition 3 was not worked off at the end",
        "worker 1 ended with 1: it said so",
        "1 messages are missing",
        "2 messages are wrong or repeated",
        "3 states are wrong",
        "5 dead letters differ",
    ]
    bad.stretches.clear()
    assert "no worker ran for long enough to say anything about its memory: give more --minutes" in failures(bad)


def test_all_of_it_is_in_the_json_but_a_password() -> None:
    text = json.dumps(as_json(outcome(), 833.3))
    told = json.loads(text)
    assert "secret" not in text
    assert told["views"] is True
    assert (told["capacity"], told["lines"], told["failures"]) == (833.3, 150_000, [])
    assert told["stretches"][0]["growth"] == pytest.approx(6 / 60 / 120)
    assert told["restarts"] == [{"what": "worker 0, SIGKILL", "back": 8.0, "lag": 7.5}]


@pytest.mark.parametrize(("hours", "cycles"), [(1 / 12, 1), (1, 1), (8, 8), (24, 24)])
def test_everything_is_restarted_hourly_and_event_time_stays_in_the_past(hours: float, cycles: int) -> None:
    plan = Plan(hours * 3600, 100, 2000)
    assert (plan.cycles, plan.cycle) == (cycles, hours * 3600 / cycles)
    assert BEGIN + plan.seconds / plan.turn * TURN_DAYS * DAY < 1_735_689_600_000  # 2025
    assert plan.turn <= plan.seconds / 3
