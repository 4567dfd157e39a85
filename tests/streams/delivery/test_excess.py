"""What reaches a bound is counted, and named in the log, without a flood."""

import logging

import pytest
from prometheus_client import CollectorRegistry

from agents.notices import Notice, Notices
from streams.delivery.excess import AGAIN_SECONDS, LINES, Excess
from streams.watch.logformat import pseudonym
from streams.watch.metrics import Metrics


class Told:
    """A report under a clock of the test's own, and what it has said."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING)
        self.registry = CollectorRegistry()
        self.now = 0.0
        self.excess = Excess(3, Metrics(self.registry).bounds, lambda: self.now)
        self._caplog = caplog

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self._caplog.records]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return Told(caplog)


def test_each_is_counted_and_a_customer_is_named_once_an_hour(told: Told) -> None:
    for _ in range(5):
        told.excess.tell({"cart": Notice(7, "ann")})
    (line,) = told.lines
    assert line.startswith(f"partition 3: customer {pseudonym('ann')}: a cart of 100 products or more: ")
    assert told.registry.get_sample_value("offbeat_bounds_reached_total", {"bound": "cart"}) == 35
    told.now = AGAIN_SECONDS
    told.excess.tell({"cart": Notice(7, "ann")})
    assert len(told.lines) == 2


def test_many_customers_do_not_flood_the_log(told: Told) -> None:
    for number in range(1_000):
        told.excess.tell({"message": Notice(1, f"c{number}"), "cart": Notice(1, f"c{number}")})
    assert len(told.lines) == 2 * LINES
    assert len(told.excess._said) == 2 * LINES
    told.now = AGAIN_SECONDS
    told.excess.tell({"customer": Notice(1, "\n" * 500)})
    assert len(told.lines[-1]) < 300
    assert "\n" not in told.lines[-1]


def test_notices_of_a_batch() -> None:
    notices = Notices()
    notices.add("cart", "ann")
    notices.add("cart", "bob", 3)
    notices.add("message", "ann")
    assert notices.take() == {"cart": Notice(4, "bob"), "message": Notice(1, "ann")}
    assert notices.take() == {}
