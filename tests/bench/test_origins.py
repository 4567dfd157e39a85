"""Rolling origins look neither beyond the training part nor, to fit, beyond an origin; and what they score is right."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from agents.evidence.scoring import Trial
from agents.fit import gapfit
from agents.fit.fitting import fit
from agents.fit.histories import Orders, orders_of
from agents.models.timing import Rhythm
from tables.clock import CALENDAR
from tables.orders import DAY
from tables.parameters import BUILTIN, KNOTS
from tests.bench import origins
from tests.bench.origins import ORIGINS, PARTS, Stretch, compared, fitted, ln_chances, scores, stretches
from tests.support.population import BEGIN, clockwork, log_of

LOG = log_of("seasonal", 5, customers=500)
TRIAL = Trial(LOG.orders, LOG.middle, LOG.end)


def with_order(orders: Orders, at: int) -> Orders:
    """One more, of a customer who is there."""
    columns = (orders.customer, orders.at, orders.total, orders.currency)
    return orders_of(*(np.append(column, value) for column, value in zip(columns, (0, at, 1.0, 0), strict=True)))


def test_stretches_lie_inside_the_training_part() -> None:
    found = list(stretches(TRIAL))
    assert len(found) == ORIGINS
    assert found[-1].end == LOG.middle
    for stretch in found:
        assert stretch.known.at.max() < stretch.begin < stretch.orders.at.max() < stretch.end
    planted = with_order(LOG.orders, LOG.middle)
    for stretch, other in zip(found, stretches(replace(TRIAL, orders=planted)), strict=True):
        assert other.orders.at.tolist() == stretch.orders.at.tolist()


def test_no_order_after_an_origin_reaches_the_fit() -> None:
    stretch = list(stretches(TRIAL))[1]
    planted = replace(stretch, orders=with_order(stretch.orders, stretch.begin + DAY))
    assert fitted(planted) == fitted(stretch)
    with pytest.raises(ValueError, match="lies after the origin"):
        fitted(replace(stretch, known=with_order(stretch.known, stretch.begin)))
    with pytest.raises(ValueError, match="lies after"):
        fit(stretch.orders, stretch.begin)


def test_what_comes_after_a_stretch_changes_no_score() -> None:
    stretch = list(stretches(TRIAL))[-1]
    timing = fitted(stretch)
    longer = replace(TRIAL, orders=with_order(LOG.orders.before(LOG.middle), LOG.middle + DAY))
    found, plain = scores(list(stretches(longer))[-1], timing), scores(stretch, timing)
    assert (found.ln_chance, found.brier) == (plain.ln_chance, plain.brier)
    assert np.array_equal([*found.window, *found.forecast], [*plain.window, *plain.forecast])


def test_chances_are_those_of_what_happened() -> None:
    """One customer, who closes one gap in the stretch and begins another."""
    orders = clockwork([(20.0, 21.0)])
    begin, end = BEGIN + 30 * DAY, BEGIN + 60 * DAY
    stretch = Stretch(orders.before(begin), orders.before(end), begin, end)
    prior = msgspec.structs.replace(BUILTIN.timing, bend=(0.2, 0.1, -0.1))
    first, second = np.exp(ln_chances(stretch, prior, CALENDAR)).tolist()
    weeks = np.log(np.array([20.0, 21.0]) / 7)

    def open_at(gaps: int, days: float) -> float:
        seen = weeks[:gaps]
        rhythm = Rhythm(prior, [gaps], [seen.sum()], [np.square(seen).sum()])
        return 1 - float(rhythm.share(days, np.inf)[0] / (1 + rhythm.odds[0]))

    assert first == pytest.approx((open_at(1, 20.5) - open_at(1, 21.5)) / open_at(1, 10.0))
    assert second == pytest.approx(open_at(2, 19.0))


@pytest.mark.parametrize(
    ("kind", "parts"), [("seasonal", ("clock", "clock: steps", "shift")), ("subscription", ("skips", "fine classes"))]
)
def test_a_part_is_left_out_and_comes_back(kind: str, parts: tuple[str, ...]) -> None:
    log = log_of(kind, 5, customers=500)
    stretch = list(stretches(Trial(log.orders, log.middle, log.end)))[-1]
    whole = fitted(stretch)
    for name in parts:
        part = PARTS[name]
        assert part.has(whole.prior), name
        with part.without():
            without = fitted(stretch)
        assert without != whole
        assert name == "clock: steps" or not part.has(without.prior)
    assert fitted(stretch) == whole


def test_a_part_that_is_not_there_costs_no_fit() -> None:
    stretch = next(stretches(TRIAL))
    found = compared(stretch, ["skips", "clock: last year"])
    assert not any(one.has for one in found.values())
    assert all(one.without is one.whole for one in found.values())


def test_free_numbers_that_are_held_are_those_they_are_called() -> None:
    for name, places in (("memory", slice(-2 - len(KNOTS), -1 - len(KNOTS))), ("shift", slice(-1 - len(KNOTS), -1))):
        before = gapfit._LIMITS
        with PARTS[name].without():
            now = gapfit._LIMITS
            assert set(now[places]) == {(0.0, 0.0)}
            assert [a for a, b in zip(before, now, strict=True) if a != b] == before[places]


def test_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(origins, "ORIGINS", 2)
    done = CliRunner().invoke(origins.command, ["--seeds", "1", "--probe", "fine classes", "month"])
    assert done.exit_code == 0
    assert done.output.count("\n") == 2, "a part that no fit has makes no line"
