"""The likelihood of gaps against the model that foretells them, and its gradient against differences."""

import msgspec
import numpy as np
import pytest

from agents.gapfit import FINE, fit_gaps, sample_of
from agents.gaplikelihood import ALL, OMEGA, GapLikelihood, Sample
from agents.histories import Occasions, occasions_of
from agents.timing import Rhythm
from agents.timinglikelihood import FREE, free
from tables.clock import CALENDAR
from tables.parameters import SIGMAS, TimingPrior
from tests.support.population import log_of

PRIOR = TimingPrior(1.4, 0.6, 0.5, 2.0, (0.2, 0.3, 0.2, 0.2, 0.1), 0.4, (0.1, 0.2, 0.1, -0.1))


def theta_of(prior: TimingPrior) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.concatenate([free(prior), [prior.omega], prior.shift])


@pytest.fixture(scope="module")
def gaps() -> Occasions:
    return occasions_of(log_of("drifting", customers=300).orders)


@pytest.fixture(scope="module")
def sample(gaps: Occasions) -> Sample:
    return sample_of(gaps, CALENDAR, log_of("drifting", customers=300).middle)


def test_it_is_what_the_model_foretells(sample: Sample) -> None:
    """A closed gap: the fall of the chance of being open, over a small step; an open one: that chance."""
    value, _ = GapLikelihood(sample, SIGMAS)(theta_of(PRIOR))
    rhythm = Rhythm(PRIOR, sample.x, sample.s1, sample.s2, sample.e1, sample.e2)
    days, step = 7 * sample.weeks, 1e-5
    later, sooner = (np.exp(rhythm.ln_open(days * (1 + sign * step))) for sign in (1, -1))
    each = np.where(sample.closed, np.log((sooner - later) / (2 * step * sample.weeks)), rhythm.ln_open(days))
    assert value == pytest.approx(float(each.sum()), rel=1e-6)


@pytest.mark.parametrize("sigmas", [SIGMAS, FINE])
def test_its_gradient_is_its_slope(sample: Sample, sigmas: tuple[float, ...]) -> None:
    likelihood, theta = GapLikelihood(sample, sigmas), theta_of(PRIOR)
    _, gradient = likelihood(theta)
    for place in range(ALL):
        step = np.zeros(ALL)
        step[place] = 1e-5
        slope = (likelihood(theta + step)[0] - likelihood(theta - step)[0]) / 2e-5
        assert gradient[place] == pytest.approx(slope, rel=1e-4, abs=1e-3), place


def test_customers_who_slow_down_have_a_shift(sample: Sample) -> None:
    found, value = fit_gaps(sample, msgspec.structs.replace(PRIOR, omega=0.0, shift=(0.0, 0.0, 0.0, 0.0)))
    assert 0 < found.shift[1] < found.shift[2] < 0.7  # 0.05 with every order
    assert found.sigmas == SIGMAS
    moved, _ = GapLikelihood(sample, SIGMAS)(theta_of(found))
    assert moved == pytest.approx(value)


def test_subscribers_have_classes_of_their_own() -> None:
    log = log_of("subscription", customers=300)
    found, _ = fit_gaps(sample_of(occasions_of(log.orders), CALENDAR, log.middle), PRIOR)
    assert found.sigmas == FINE
    assert found.weights[0] + found.weights[1] > 0.5


def test_what_was_known_is_all_that_counts(gaps: Occasions) -> None:
    log = log_of("drifting", customers=300)
    early = sample_of(occasions_of(log.orders.before(log.middle)), CALENDAR, log.middle)
    late = sample_of(gaps, CALENDAR, log.middle)
    for name in Sample.__dataclass_fields__:
        np.testing.assert_allclose(getattr(early, name), getattr(late, name))
    assert FREE < OMEGA + 1 <= ALL
