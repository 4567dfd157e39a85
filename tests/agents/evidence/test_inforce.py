"""Scores where parameters change on the way: each gap and each date by those that were in force then."""

import msgspec
import numpy as np

from agents.evidence.inforce import gaps_in_force, silence_in_force
from agents.evidence.scoring import Trial, foretold_gaps, foretold_silence
from tables.orders import DAY
from tables.parameters import BUILTIN
from tests.support.population import log_of

LOG = log_of("steady", 9, customers=600)
TRIAL = Trial(LOG.orders, LOG.middle, LOG.end)
OTHER = msgspec.structs.replace(BUILTIN, timing=msgspec.structs.replace(BUILTIN.timing, mu0=1.5))
CHANGE = LOG.middle + 60 * DAY


def test_what_is_in_force_all_along_scores_as_it_does() -> None:
    past = [(0, BUILTIN)]
    found, plain = gaps_in_force(TRIAL, past), foretold_gaps(TRIAL, BUILTIN.timing)
    assert len(found.window) > 100
    np.testing.assert_allclose(found.window, plain.window, rtol=1e-9)
    np.testing.assert_allclose(found.forecast, plain.forecast, rtol=1e-9)
    assert found.earlier.tolist() == plain.earlier.tolist()
    silent, known = silence_in_force(TRIAL, past), foretold_silence(TRIAL, BUILTIN.timing)
    np.testing.assert_allclose(silent.p, known.p, rtol=1e-9)
    assert (silent.date.tolist(), silent.silent.tolist()) == (known.date.tolist(), known.silent.tolist())


def test_a_window_is_of_when_it_closed_and_a_forecast_of_when_it_began() -> None:
    changed = gaps_in_force(TRIAL, [(0, BUILTIN), (CHANGE, OTHER)])
    one, other = (gaps_in_force(TRIAL, [(0, given)]) for given in (BUILTIN, OTHER))
    later = {name: getattr(changed, name) == getattr(other, name) for name in ("window", "forecast")}
    before = {name: getattr(changed, name) == getattr(one, name) for name in ("window", "forecast")}
    assert all((later[name] | before[name]).all() for name in later)
    # whoever began after the change has closed after it, too; some began before it and closed after it
    assert later["window"][later["forecast"]].all()
    assert 0 < later["forecast"].sum() < later["window"].sum() < len(changed.window)


def test_silence_is_foretold_by_what_was_known_on_the_date() -> None:
    changed = silence_in_force(TRIAL, [(0, BUILTIN), (CHANGE, OTHER)])
    one, other = (silence_in_force(TRIAL, [(0, given)]) for given in (BUILTIN, OTHER))
    early = changed.date < 3  # every 28 days
    assert early.any()
    assert (~early).any()
    assert changed.p[early].tolist() == one.p[early].tolist()
    assert changed.p[~early].tolist() == other.p[~early].tolist()


def test_a_log_that_is_too_short_has_no_scores() -> None:
    short = Trial(LOG.orders.before(LOG.middle), LOG.middle, LOG.middle)
    assert gaps_in_force(short, [(0, BUILTIN)]).window.size == 0
    assert silence_in_force(short, [(0, BUILTIN)]).p.size == 0
