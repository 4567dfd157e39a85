"""What a sample tells of a shop's past is what the log tells, as far as it is remembered."""

from dataclasses import replace
from datetime import date

import msgspec
import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from agents.fit.histories import Occasions, occasions_of
from agents.learning.remembered import before, occasions_in
from agents.learning.sample import decode_sample
from agents.learning.sampling import take_sample
from tables.clock import CALENDAR, Clock
from tables.orders import DAY, REMEMBERED
from tables.parameters import BUILTIN
from tests.support.core import Shop, day, order
from tests.support.population import log_of
from tests.support.sampled import sample_of

PACED = Clock(((date(2020, 9, 14), 0.7), (date(2021, 1, 4), 1.8), (date(2021, 6, 7), 1.1)))
LOG = log_of("weekdays", 3, customers=300)


@pytest.mark.parametrize("clock", [CALENDAR, PACED])
def test_what_is_remembered_is_right_and_the_rest_is_in_the_sums(clock: Clock) -> None:
    whole = occasions_of(LOG.orders.before(LOG.middle), clock)
    sample = decode_sample(sample_of(LOG.orders, LOG.middle, clock).encode())
    found = occasions_in(sample, clock)
    assert len(found) < 0.9 * len(whole)
    names = {xxh3_64_intdigest(b"c%d" % name): name for name in np.unique(whole.customer).tolist()}
    for row, hashed in enumerate(sample.of.hash.tolist()):
        part = found.take(found.customer == row)
        known = whole.take(whole.customer == names[hashed]).take(slice(-len(part), None))
        assert part.x.tolist() == known.x.tolist()
        for name in ("s1", "s2", "e1", "e2", "gap"):
            np.testing.assert_allclose(getattr(part, name), getattr(known, name), rtol=2e-4, atol=2e-4)


def test_gaps_before_it_are_known_as_sums() -> None:
    whole = occasions_of(LOG.orders.before(LOG.middle))
    found = occasions_in(sample_of(LOG.orders, LOG.middle), CALENDAR)
    earlier = before(found)
    closed = int(np.isfinite(whole.gap).sum())
    assert earlier.gaps + int(np.isfinite(found.gap).sum()) == closed
    assert earlier.x.min() >= 1
    assert np.all(earlier.s2 * earlier.x >= np.square(earlier.s1) * (1 - 1e-9))


def test_what_came_after_the_instant_is_not_known() -> None:
    until = LOG.middle - 100 * DAY
    late = sample_of(LOG.orders, LOG.middle, remembered=10_000)
    early = sample_of(LOG.orders, until, remembered=10_000)
    found, known = (occasions_in(s, CALENDAR) for s in (replace(late, until=until), early))
    assert len(found) == len(known)
    for name in ("first_at", "last_at", "x", "s1", "gap"):
        np.testing.assert_allclose(getattr(found, name), getattr(known, name), rtol=1e-9)


def test_a_worker_s_own_states_give_the_same() -> None:
    shop = Shop(parameters=msgspec.structs.replace(BUILTIN, clock=((date(2024, 1, 8), 1.5), (date(2024, 3, 4), 0.8))))
    clock = Clock(shop.parameters.clock)
    for number in range(40):
        shop.send(order(day(2 * number, number % 9), customer="often"))
    shop.send(order(day(80), customer="once"))
    shop.settle()
    found = occasions_in(take_sample(shop.core.states, day(81)), clock)
    gaps = [round(float(gap), 3) for gap in found.gap if np.isfinite(gap)]
    assert len(found) == REMEMBERED + 1
    assert len(gaps) == REMEMBERED - 1
    assert found.x.max() == 39
    orders = shop.orders("often")
    newest: Occasions = found.take(found.x == 39)
    assert newest.s1[0] == pytest.approx(orders.s1)
    assert newest.e2[0] == pytest.approx(orders.fast[1])
    assert before(found).x.tolist() == [39 - REMEMBERED + 1]
