"""The rules that ours is compared with: what they know, when they flag, and how they are set to find as many."""

import importlib.metadata
import math
from pathlib import Path

import numpy as np
import pytest

from agents.evidence.flags import Jury
from agents.evidence.mbg import Mbg, fit_mbg, ln_likelihood, silent_until
from agents.evidence.scoring import Trial
from agents.evidence.simplerules import Contest, known_of, simple_rules
from agents.fit.histories import occasions_of
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.population import BEGIN, clockwork, invented


@pytest.fixture(scope="module")
def trial() -> Trial:
    orders, end = invented(BUILTIN.timing, BUILTIN.basket, customers=3000, days=700)
    return Trial(orders, BEGIN + 350 * DAY, end)


def test_what_is_known_after_each_occasion() -> None:
    known = known_of(occasions_of(clockwork([[10.0, 20.0, 60.0], [], [5.0]])))
    nan = math.nan
    np.testing.assert_array_equal(known.x, [0, 1, 2, 3, 0, 0, 1])
    np.testing.assert_allclose(known.since_first, [0, 10, 30, 90, 0, 0, 5])
    np.testing.assert_allclose(known.mean, np.array([nan, 10, 15, 30, nan, nan, 5]))
    wanted = np.array([nan, nan, 50**0.5, 700**0.5, nan, nan, nan])
    np.testing.assert_allclose(known.deviation, wanted, atol=1e-6)


def test_their_waits(trial: Trial) -> None:
    fixed, scattered, stretched, alive = simple_rules(trial)
    assert [rule.name for rule in (fixed, scattered, stretched, alive)] == [
        "fixed days",
        "mean + k sd",
        "k x mean",
        "P(alive) < p",
    ]
    known = known_of(occasions_of(clockwork([[10.0, 20.0]])))
    gaps = occasions_of(trial.orders.before(trial.train_until)).gap
    gaps = gaps[np.isfinite(gaps)]
    assert fixed.wait(known, 90.0).tolist() == [90.0] * 3
    everybody = gaps.mean() + 2 * gaps.std(ddof=1)
    own = 15 + 2 * np.std([10, 20], ddof=1)
    np.testing.assert_allclose(scattered.wait(known, 2.0), [everybody, everybody, own])
    np.testing.assert_allclose(stretched.wait(known, 1.5), [1.5 * gaps.mean(), 15, 22.5])
    waits = [alive.wait(known, p) for p in (0.9, 0.5, 0.1)]
    assert (waits[0] <= waits[1]).all()
    assert (waits[1] < waits[2]).all()


def test_each_rule_can_be_set_to_find_as_many(trial: Trial) -> None:
    occasions = occasions_of(trial.orders)
    contest = Contest(trial, occasions, Jury(trial, occasions))
    for rule in simple_rules(trial):
        for recall in (0.5, 0.8):
            found = contest.score(rule, contest.setting(rule, recall)).recall
            assert found is not None
            assert recall <= found < recall + 0.06, rule.name


def test_with_hardly_an_order_there_is_the_fixed_rule() -> None:
    young = Trial(clockwork([[300.0, 10.0]]), BEGIN + 200 * DAY, BEGIN + 400 * DAY)
    assert [rule.name for rule in simple_rules(young)] == ["fixed days"]


def test_mbg_is_the_published_fit() -> None:
    """Of the CDNOW sample, 39 weeks: Batislam et al. 2007, table of parameters."""
    files = importlib.metadata.files("lifetimes") or []
    (path,) = [Path(str(file.locate())) for file in files if file.name == "cdnow_customers_summary.csv"]
    rows = np.loadtxt(path, delimiter=",", skiprows=1)
    x, last, now = rows[:, 1], rows[:, 2], rows[:, 3]
    found = fit_mbg(x, last, now)
    assert found == pytest.approx((0.525, 6.182, 0.892, 1.615), rel=0.003)


def test_alive_falls_to_p_when_it_says() -> None:
    model = Mbg(0.5, 6.0, 0.9, 1.6)
    x, last = np.array([0.0, 3.0, 40.0]), np.array([0.0, 12.0, 30.0])
    for p in (0.2, 0.5):
        wait = silent_until(model, x, last, p)
        odds = model.a / (model.b + x) * ((model.alpha + last + wait) / (model.alpha + last)) ** (model.r + x)
        np.testing.assert_allclose(1 / (1 + odds), p, rtol=1e-9)
    assert silent_until(model, x, last, 0.99)[0] == 0.0


def test_mbg_s_likelihood_is_that_of_the_formula() -> None:
    r, alpha, a, b = 0.6, 5.0, 0.8, 2.0
    x, last, now = 2.0, 10.0, 14.0

    def beta(p: float, q: float) -> float:
        return math.gamma(p) * math.gamma(q) / math.gamma(p + q)

    stays = beta(a, b + x + 1) * (alpha + now) ** -(r + x)
    left = beta(a + 1, b + x) * (alpha + last) ** -(r + x)
    wanted = math.log(math.gamma(r + x) / math.gamma(r) * alpha**r * (stays + left) / beta(a, b))
    found = ln_likelihood(Mbg(r, alpha, a, b), np.array([[x], [last], [now]]), np.array([3.0]))
    assert found == pytest.approx(3 * wanted)
