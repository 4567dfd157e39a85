"""The likelihood of gaps against the model that foretells them, and its gradient against differences."""

import msgspec
import numpy as np
import pytest

from agents.fit.gapfit import FINE, fit_gaps, sample_of
from agents.fit.gaplikelihood import ALL, OMEGA, SKIP, GapLikelihood, Sample
from agents.fit.histories import Floats, Occasions, occasions_of
from agents.fit.timinglikelihood import FREE, free
from agents.models.timing import Rhythm
from tables.clock import CALENDAR
from tables.orders import DAY
from tables.parameters import SIGMAS, TimingPrior
from tests.support.population import clockwork, log_of

PRIOR = TimingPrior(1.4, 0.6, 0.5, 2.0, (0.2, 0.3, 0.2, 0.2, 0.1), 0.4, (0.1, 0.2, 0.1, -0.1))


SKIPPING = TimingPrior(
    1.45, 0.002, 1.0, 15.0, (0.4, 0.1, 0.4, 0.05, 0.05), shift=(0.01, 0.02, -0.01, 0.03), sigmas=FINE, skip=0.09
)


def theta_of(prior: TimingPrior) -> Floats:
    return np.concatenate([free(prior), [prior.omega], prior.shift, [prior.skip]])


@pytest.fixture(scope="module")
def gaps() -> Occasions:
    return occasions_of(log_of("drifting", customers=300).orders)


@pytest.fixture(scope="module")
def sample(gaps: Occasions) -> Sample:
    return sample_of(gaps, CALENDAR, log_of("drifting", customers=300).middle)


@pytest.fixture(scope="module")
def subscribers() -> Sample:
    log = log_of("subscription", customers=300)
    return sample_of(occasions_of(log.orders), CALENDAR, log.middle)


@pytest.mark.parametrize("prior", [PRIOR, SKIPPING])
def test_it_is_what_the_model_foretells(sample: Sample, prior: TimingPrior) -> None:
    """A closed gap: the fall of the chance of being open, over a small step; an open one: that chance."""
    value, _ = GapLikelihood(sample, prior.sigmas)(theta_of(prior))
    rhythm = Rhythm(prior, sample.x, sample.s1, sample.s2, sample.e1, sample.e2)
    days, step = 7 * sample.weeks, 1e-5
    later, sooner = (np.exp(rhythm.ln_open(days * (1 + sign * step))) for sign in (1, -1))
    each = np.where(sample.closed, np.log((sooner - later) / (2 * step * sample.weeks)), rhythm.ln_open(days))
    assert value == pytest.approx(float(each.sum()), rel=1e-6)


@pytest.mark.parametrize("sigmas", [SIGMAS, FINE])
def test_its_gradient_is_its_slope(sample: Sample, sigmas: tuple[float, ...]) -> None:
    likelihood, theta = GapLikelihood(sample, sigmas), theta_of(PRIOR)
    _, gradient = likelihood(theta)
    for place in range(SKIP):
        assert gradient[place] == pytest.approx(_slope(likelihood, theta, place), rel=1e-4, abs=1e-3), place


def test_its_gradient_is_its_slope_with_skips_too(subscribers: Sample) -> None:
    likelihood, theta = GapLikelihood(subscribers, FINE), theta_of(SKIPPING)
    _, gradient = likelihood(theta)
    assert gradient[OMEGA] == 0
    for place in (*range(OMEGA), *range(OMEGA + 1, ALL)):
        assert gradient[place] == pytest.approx(_slope(likelihood, theta, place), rel=1e-4, abs=1e-3), place


def _slope(likelihood: GapLikelihood, theta: Floats, place: int) -> float:
    step = np.zeros(ALL)
    step[place] = 1e-5
    return (likelihood(theta + step)[0] - likelihood(theta - step)[0]) / 2e-5


def test_customers_who_slow_down_have_a_shift(sample: Sample) -> None:
    found, value = fit_gaps(sample, msgspec.structs.replace(PRIOR, omega=0.0, shift=(0.0, 0.0, 0.0, 0.0)))
    assert 0 < found.shift[1] < found.shift[2] < 0.7  # 0.05 with every order
    assert found.sigmas == SIGMAS
    moved, _ = GapLikelihood(sample, SIGMAS)(theta_of(found))
    assert moved == pytest.approx(value)


def test_subscribers_have_classes_of_their_own_and_skip(subscribers: Sample) -> None:
    found, _ = fit_gaps(subscribers, PRIOR)
    assert found.sigmas == FINE
    assert found.weights[0] + found.weights[1] > 0.85
    assert found.skip == pytest.approx(0.087, abs=0.03)  # 0.08 of all gaps are two in one
    assert (found.omega, found.shift) == (0.0, (0.0, 0.0, 0.0, 0.0))


def test_half_who_skip_often_are_found_though_nobody_looks_regular() -> None:
    rng = np.random.default_rng(2)
    gaps = np.exp(rng.normal(np.log(30), 0.08, (400, 8))) * rng.geometric(0.65, (400, 8))
    orders = clockwork(gaps.tolist())
    found, _ = fit_gaps(sample_of(occasions_of(orders), CALENDAR, int(orders.at.max()) + DAY), PRIOR)
    assert found.skip == pytest.approx(0.35, abs=0.06)


@pytest.mark.parametrize("name", ["steady", "weekdays", "drifting"])
def test_where_nobody_skips_none_is_seen_to(name: str) -> None:
    log = log_of(name, customers=600)
    found, _ = fit_gaps(sample_of(occasions_of(log.orders), CALENDAR, log.middle), PRIOR)
    assert (found.sigmas, found.skip) == (SIGMAS, 0.0)


def test_subscribers_who_never_skip_are_not_seen_to() -> None:
    rng = np.random.default_rng(2)
    orders = clockwork(np.exp(rng.normal(np.log(30), 0.05, (400, 8))).tolist())
    found, _ = fit_gaps(sample_of(occasions_of(orders), CALENDAR, int(orders.at.max()) + DAY), PRIOR)
    assert (found.sigmas, found.skip) == (FINE, 0.0)


def test_what_was_known_is_all_that_counts(gaps: Occasions) -> None:
    log = log_of("drifting", customers=300)
    early = sample_of(occasions_of(log.orders.before(log.middle)), CALENDAR, log.middle)
    late = sample_of(gaps, CALENDAR, log.middle)
    for name in Sample.__dataclass_fields__:
        np.testing.assert_allclose(getattr(early, name), getattr(late, name))
    assert FREE < OMEGA + 1 <= ALL
