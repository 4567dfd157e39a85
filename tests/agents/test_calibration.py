"""Windows against gaps as they close: what is counted live is the model's compensator, and the backtest's coverage."""

from collections.abc import Iterable
from datetime import date
from itertools import pairwise
from math import exp, log

import msgspec
import numpy as np
import pytest
from scipy.integrate import quad

from agents import calibration
from agents.calibration import RULES, Calibration, Gaps, Windows, coverage, together
from agents.core import Core
from agents.evidence import scoring
from agents.evidence.scoring import Trial, foretold_gaps
from agents.fit.histories import Orders
from agents.models.timing import Rhythm
from agents.rulebook.rules import Rules
from tables.events import SOURCES, AnyEvent
from tables.orders import DAY
from tables.parameters import BUILTIN, Parameters, TimingPrior
from tests.support.core import day, erased, order, source_of, time_of
from tests.support.population import BEGIN, invented

PRIOR = TimingPrior(1.6, 0.5, 0.5, 3.0, (0.1, 0.3, 0.3, 0.2, 0.1))
PARAMETERS = Parameters("test-1", PRIOR, BUILTIN.basket)


class Live:
    """A core that counts, and what it has counted; restarts at will."""

    def __init__(self, parameters: Parameters = PARAMETERS) -> None:
        self._parameters = parameters
        self._durable: dict[bytes, bytes] = {}
        self._reached = 0
        self.seen, self.expected = np.zeros(4), np.zeros(4)
        self.taken: dict[Windows, Gaps] = {}
        self.core = self._open()

    def _open(self) -> Core:
        core = Core(Rules(), self._parameters, calibrate=True)
        core.states.restore(self._durable)
        core.states.ready()
        core.goes_on_from(self._reached)
        return core

    def restart(self) -> None:
        """Another worker goes on, which takes a batch to see who is in the sample."""
        self.core = self._open()
        self.settle()

    def send(self, *events: AnyEvent) -> None:
        for event in events:
            at = time_of(event)
            self.pass_to(max(at, self._reached))
            self.core.take(SOURCES.index(source_of(event)), 0, event.customer_id.encode(), event, at)

    def pass_to(self, at: int) -> None:
        self.core.advance(at, 1 << 62)
        self.core.emitter.now = self._reached = at

    def settle(self, at: int = 0) -> Gaps:
        """The batch is durable; what it counted."""
        if at:
            self.pass_to(at)
        for key, value in self.core.settle().changes.items():
            if value is None:
                self._durable.pop(key, None)
            else:
                self._durable[key] = value
        self.core.adopt()
        assert self.core.calibration is not None
        self.taken = self.core.calibration.take()
        gaps = together(self.taken.values())
        self.seen += gaps.seen
        self.expected += gaps.expected
        return gaps


def live_of(orders: Orders, parameters: Parameters, since: int, end: int, batch: int = 400) -> Live:
    """All orders, of which those before `since` are not counted."""
    live = Live(parameters)
    for number, row in enumerate(np.argsort(orders.at, kind="stable").tolist()):
        at, who = int(orders.at[row]), f"c{orders.customer[row]}"
        if at >= since and live._reached < since:
            live.settle(since)
            live.seen[:] = live.expected[:] = 0
        live.send(order(at, customer=who, order_id=f"o{number}", event_id=f"e{number}"))
        if number % batch == 0:
            live.settle()
    live.settle(end)
    return live


def share_of(gaps: Iterable[float], expected: Iterable[float]) -> list[float]:
    return [value for value in coverage(list(gaps), list(expected)).values() if value is not None]


# --- what is counted -------------------------------------------------------------------------------------------------


def test_what_should_have_closed_is_the_integral_of_the_models_hazard() -> None:
    live = Live()
    times = [day(0), day(20), day(31)]
    live.send(*(order(at) for at in times))
    gaps = live.settle(day(31) + 9 * DAY)

    def hazard(age: float, known: list[int]) -> float:
        y = [log((b - a) / DAY / 7) for a, b in pairwise(known)]
        rhythm = Rhythm(PRIOR, [len(y)], [sum(y)], [sum(v * v for v in y)])
        q = float(rhythm.odds[0] / (1 + rhythm.odds[0]))
        density = float(rhythm.survival(age - 1e-4)[0] - rhythm.survival(age + 1e-4)[0]) / 2e-4
        return (1 - q) * density / (q + (1 - q) * float(rhythm.survival(age)[0]))

    looked = max(at for at in range(0, day(40) + 1, DAY) if at // DAY % 7 == live.core.calibration._watched[b"ann"])  # type: ignore[union-attr]
    wanted = (
        quad(hazard, 1e-3, 20, args=(times[:1],), limit=200)[0]
        + quad(hazard, 1e-3, 11, args=(times[:2],), limit=200)[0]
        + (quad(hazard, 1e-3, (looked - times[2]) / DAY, args=(times,), limit=200)[0] if looked > times[2] else 0.0)
    )
    assert sum(gaps.expected) == pytest.approx(wanted, rel=1e-3)
    assert sum(gaps.seen) == 2


def test_a_gap_is_counted_in_the_part_of_the_window_in_which_it_closed() -> None:
    rhythm = Rhythm(PRIOR, [0], [0.0], [0.0])
    edges = [0.0, *(float(rhythm.window(p)[0]) for p in (0.5, 0.8, 0.9)), 3000.0]
    for part, (low, high) in enumerate(pairwise(edges)):
        live = Live()
        live.send(order(day(0)), order(day(0) + round((0.9 * low + 0.1 * high) * DAY) + DAY))
        gaps = live.settle()
        assert [int(n) for n in gaps.seen] == [int(number == part) for number in range(4)]
        assert all((value > 0) is (number <= part) for number, value in enumerate(gaps.expected))


def test_a_gap_belongs_to_the_rule_whose_window_it_is() -> None:
    live = Live()
    live.send(order(day(0)), order(day(20)), order(day(31)), order(day(50)))
    live.settle()
    first, later = (live.taken[Windows(rule, PARAMETERS.rhythm)] for rule in RULES)
    assert (sum(first.seen), sum(later.seen)) == (1, 2)
    alone = Live()
    alone.send(order(day(0)), order(day(20)))
    assert sum(first.expected) == pytest.approx(sum(alone.settle().expected))


def test_windows_of_a_refit_are_counted_by_themselves() -> None:
    longer = msgspec.structs.replace(
        PARAMETERS, version="test-2", timing=msgspec.structs.replace(PRIOR, mu0=PRIOR.mu0 + 1)
    )
    later = msgspec.structs.replace(longer, version="test-3", clock=((date(2030, 1, 1), 1.0),))
    live = Live()
    live.send(order(day(0)), order(day(20)))
    live.core.settle()
    live.core.adopt_parameters(longer)
    live.send(order(day(40)))
    live.settle()
    seen = {windows.rhythm: sum(gaps.seen) for windows, gaps in live.taken.items() if windows.rule == RULES[1]}
    assert seen == {PARAMETERS.rhythm: 0, longer.rhythm: 1}
    assert sum(live.taken[Windows(RULES[0], PARAMETERS.rhythm)].seen) == 1
    assert live.settle() == together([])
    assert not live.taken, "nothing is made of a batch that counts nothing"
    live.core.adopt_parameters(later)
    live.send(order(day(60)))
    live.settle()
    assert {windows.rhythm for windows in live.taken} == {longer.rhythm}, "a clock that goes on changes no window"


def test_coverage_of_the_counts() -> None:
    assert coverage((10, 6, 2, 1), (10.0, 6.0, 2.0, 1.0)) == pytest.approx({0.5: 0.5, 0.8: 0.8, 0.9: 0.9})
    half = coverage((5, 6, 2, 1), (10.0, 6.0, 2.0, 1.0))
    assert half[0.5] == pytest.approx(1 - exp(-0.5 * log(2)))
    assert coverage((0, 0, 0, 0), (0.0, 0.0, 0.0, 0.0)) == {0.5: None, 0.8: None, 0.9: None}
    assert coverage((1, 0, 0, 0), (1.0, 0.0, 0.0, 0.0)) == {0.5: 0.5, 0.8: None, 0.9: None}


def test_imports_repeated_late_and_further_orders_of_a_day_close_no_gap() -> None:
    live = Live()
    live.send(order(day(0), backfill=True), order(day(20)))  # how it began was an import
    live.send(order(day(20, 5)), order(day(40), order_id="o"), order(day(60), order_id="o"), order(day(30)))
    live.send(order(day(80), backfill=True))
    gaps = live.settle()
    assert sum(gaps.seen) == 1
    live.settle(day(400))
    assert live.seen.sum() == 1
    quiet = Live()
    quiet.send(order(day(20)), order(day(20, 5)), order(day(40)))
    quiet.settle()
    looked = live.expected.sum() - quiet.expected.sum()
    assert 0 <= looked < 0.75  # the gap open from day 40 to day 80, for the weeks that were over


def test_who_is_erased_is_not_looked_at_any_more() -> None:
    live = Live()
    live.send(order(day(0)), erased(day(1)))
    live.settle()
    live.settle(day(300))
    assert live.expected.sum() == 0
    live.send(order(day(300)), order(day(320)))
    live.settle()
    assert live.seen.sum() == 1


# --- however it is cut -----------------------------------------------------------------------------------------------


def invented_live(batch: int, restart: bool) -> Live:
    orders, end = invented(PRIOR, BUILTIN.basket, customers=40, days=400, seed=3)
    live = Live()
    for number, row in enumerate(np.argsort(orders.at, kind="stable").tolist()):
        live.send(order(int(orders.at[row]), customer=f"c{orders.customer[row]}", order_id=f"{row}", event_id=f"{row}"))
        if number % batch == 0:
            live.settle()
            if restart:
                live.restart()
    live.settle(end)
    return live


def test_counts_depend_neither_on_batches_nor_on_restarts() -> None:
    whole = invented_live(1 << 30, restart=False)
    assert whole.seen.sum() > 50
    for batch, restart in ((1, False), (7, True), (50, True)):
        cut = invented_live(batch, restart)
        assert cut.seen.tolist() == whole.seen.tolist()
        np.testing.assert_allclose(cut.expected, whole.expected, rtol=1e-9)


def test_what_was_not_durable_is_counted_once_it_comes_again() -> None:
    plain, crashed = Live(), Live()
    for live in (plain, crashed):
        live.send(order(day(0)), order(day(21)))
        live.settle(day(22))
    crashed.send(order(day(50)))
    crashed.pass_to(day(75))
    crashed._reached = day(22)
    crashed.restart()
    for live in (plain, crashed):
        live.send(order(day(50)))
        live.settle(day(75))
    np.testing.assert_allclose(crashed.expected, plain.expected)
    assert crashed.seen.tolist() == plain.seen.tolist()


def test_the_sample_is_bounded_and_goes_by_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calibration, "MOST", 64)
    monkeypatch.setattr(calibration, "_SCAN", 10)
    live = Live()
    live.send(*(order(day(0), customer=f"c{n}") for n in range(1000)))
    live.settle()

    def watched() -> set[bytes]:
        assert isinstance(live.core.calibration, Calibration)
        return set(live.core.calibration._watched)

    first = watched()
    assert 20 <= len(first) <= 64
    live.restart()
    for _ in range(101):
        live.settle()
    assert watched() == first


# --- against the backtest --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slower", [1.0, 1.6])
def test_coverage_counted_live_is_the_backtests_also_when_the_shop_drifts(slower: float) -> None:
    """A shop of the model's own kind; from the middle on every gap may be longer than it was."""
    orders, end = invented(PRIOR, BUILTIN.basket, customers=900, days=800, seed=5)
    middle = BEGIN + 400 * DAY
    late = np.maximum(orders.at - middle, 0)
    orders = Orders(
        orders.customer, orders.at + np.rint((slower - 1) * late).astype(np.int64), orders.total, orders.currency
    )
    orders = orders.before(end)
    told = scoring.coverage(foretold_gaps(Trial(orders, middle, end), PRIOR).window)
    live = live_of(orders, PARAMETERS, middle, end)
    found = coverage(live.seen.tolist(), live.expected.tolist())
    for level in (0.5, 0.8, 0.9):
        counted, scored = found[level], told[level]
        assert counted is not None
        assert scored is not None
        assert counted == pytest.approx(scored, abs=0.035), level
        assert (abs(counted - level) < 0.03) is (slower == 1.0), level


def test_a_closed_cohort_counts_as_right_where_the_gaps_that_close_alone_would_not() -> None:
    """All come in one month: at first only short gaps can close."""
    orders, end = invented(PRIOR, BUILTIN.basket, customers=1000, days=700, seed=8)
    first = np.full(int(orders.customer.max()) + 1, end)
    np.minimum.at(first, orders.customer, orders.at)
    shifted = orders.at - (first[orders.customer] - BEGIN) + orders.customer % 30 * DAY
    orders = Orders(orders.customer, shifted, orders.total, orders.currency).before(BEGIN + 120 * DAY)
    live = live_of(orders, PARAMETERS, BEGIN, BEGIN + 120 * DAY)
    assert share_of(live.seen, live.expected) == pytest.approx([0.5, 0.8, 0.9], abs=0.03)
    assert live.seen[0] / live.seen.sum() > 0.58, "the share of short gaps alone would say that windows are too wide"
