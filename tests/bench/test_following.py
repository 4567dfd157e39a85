"""What the measurement of triggers that follow the clock rests on: they know nothing of what comes later."""

import numpy as np

from agents.evidence.scoring import HORIZON, Trial
from agents.fit.course import Course
from agents.fit.histories import occasions_of
from agents.models.planning import silent_after
from tables.clock import CALENDAR
from tables.orders import DAY, WEEK
from tables.parameters import BUILTIN
from tests.bench.following import follow, waits
from tests.bench.livepace import first_day
from tests.support.population import log_of

LOG = log_of("seasonal", 5, customers=500)
TRIAL = Trial(LOG.orders, LOG.middle, LOG.end)


def flags(trial: Trial, until: int) -> dict[tuple[int, int], float]:
    """Waits of the triggers before an instant, by customer and last order."""
    occasions, (wait, _) = occasions_of(trial.orders), follow(trial)
    at = occasions.last_at + wait * DAY
    rows = np.flatnonzero((at < until) & (wait < occasions.gap))
    return {(int(occasions.customer[row]), int(occasions.last_at[row])): round(float(wait[row]), 6) for row in rows}


def test_what_comes_later_changes_no_trigger() -> None:
    until = first_day(LOG.orders) + 80 * WEEK
    whole = flags(TRIAL, until)
    assert whole == flags(Trial(LOG.orders.before(until), LOG.middle, until), until)
    assert sum(last + wait * DAY > LOG.middle for (_, last), wait in whole.items()) > 50


def test_by_an_even_clock_they_go_off_as_planned() -> None:
    occasions, begin = occasions_of(LOG.orders), first_day(LOG.orders)
    weeks = np.ones(-(-(LOG.end - begin) // WEEK))
    ran = Course(begin + WEEK * np.arange(weeks.size, dtype=np.float64), weeks, weeks)
    found = waits(TRIAL, BUILTIN.timing, ran, occasions)
    last = occasions.last_at.astype(np.float64)
    planned = silent_after(occasions.rhythm(BUILTIN.timing), CALENDAR, last, 0.8, HORIZON, 0.8) / DAY
    fires = (last + planned * DAY < LOG.end) & (planned < occasions.gap)
    assert fires.sum() > 100
    np.testing.assert_allclose(found[fires], planned[fires], rtol=1e-5)


def test_a_partition_s_clock_knows_its_own_customers_alone() -> None:
    odd = LOG.orders.customer % 2 == 1
    fewer = Trial(LOG.orders.take(odd | (LOG.orders.at < LOG.middle)), LOG.middle, LOG.end)
    for partitions, same in ((2, True), (1, False)):
        whole, part = (
            follow(trial, partitions)[0][occasions_of(trial.orders).customer % 2 == 1] for trial in (TRIAL, fewer)
        )
        assert np.array_equal(whole, part) == same
