"""The page tells what the arithmetic says, and the arithmetic keeps what it promises."""

import re
from math import inf
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.assignment import NUMBERS, WORKERS
from tests.bench.fleet import (
    EVENTS,
    GB,
    LOAD,
    MONTH,
    RESIDENT,
    RESTORED,
    START,
    Fleet,
    Shop,
    binding,
    exceeded,
    fleet_for,
)
from tests.bench.sizing import SIZES, figures_table, sizes_table, sizing

PAGE = (Path(__file__).parents[2] / "streams" / "SIZING.md").read_text()

_SHOPS = st.builds(
    Shop,
    customers=st.floats(1, 3e9),
    events=st.floats(0, 300),
    peak=st.floats(1, 20),
    triggers=st.floats(0, 1),
    memory=st.floats(8 * GB, 256 * GB),
)


def test_the_page_has_the_figures_and_sizes() -> None:
    assert "\n".join(figures_table()) in PAGE
    assert "\n".join(sizes_table([Shop(count) for count in SIZES])) in PAGE


def test_what_is_said_of_a_hundred_millions() -> None:
    fleet = fleet_for(Shop(1e8))
    assert binding(fleet) == "time to start"
    assert f"reads back its states first, for {fleet.customers_of_number / RESTORED:.0f} seconds here" in PAGE
    assert 40e6 < fleet.shop.memory / RESIDENT < 44e6


def test_what_is_said_of_the_largest_size() -> None:
    fleet = fleet_for(Shop(SIZES[-1]))
    assert f": {fleet.partitions} of them at 10^9 customers" in PAGE
    assert f" {fleet.brokers:.0f} processors of\n  the brokers" in PAGE
    assert binding(fleet) == "time to start"
    assert fleet.workers <= WORKERS, "the group that is simulated is as large"
    assert fleet.partitions <= NUMBERS


@given(_SHOPS)
def test_the_smallest_fleet_that_keeps_within_all_limits(shop: Shop) -> None:
    fleet = fleet_for(shop)
    assert fleet.memory <= shop.memory
    assert fleet.load <= LOAD
    assert fleet.start <= START
    if fleet.workers > 2:
        assert exceeded(Fleet(shop, fleet.workers - 1))
        assert binding(fleet)


@given(_SHOPS, st.floats(1, 10))
def test_a_larger_shop_never_needs_less(shop: Shop, factor: float) -> None:
    larger = Shop(shop.customers * factor, shop.events, shop.peak, shop.triggers, shop.memory)
    one, other = fleet_for(shop), fleet_for(larger)
    assert one.workers <= other.workers
    assert one.disk <= other.disk
    assert one.network <= other.network


def test_events_alone_can_be_what_is_too_much() -> None:
    shop = Shop(1e6, events=EVENTS * MONTH / 1e6, peak=1, memory=inf)
    assert shop.customers * shop.events / MONTH == pytest.approx(EVENTS)
    fleet = fleet_for(shop)
    assert fleet.workers == 3  # at half of what they can, and what transactions cost besides
    assert binding(fleet) == "events a second"
    assert fleet.catch_up == pytest.approx(3600 / 2)


def test_what_a_missing_worker_had_fits_in() -> None:
    """Two workers: one of them has all of it then."""
    assert fleet_for(Shop(1e6)).memory == pytest.approx(1e6 * RESIDENT)


def test_a_killed_worker_is_taken_over_by_several() -> None:
    four = Fleet(Shop(1e8), 5)
    assert four.takeover == pytest.approx(10 + 1e8 / 20 / RESTORED)


def test_the_command() -> None:
    done = CliRunner().invoke(sizing, ["--customers", "1e8", "--memory", "16"])
    assert done.exit_code == 0
    (workers,) = re.findall(r"\*\*workers\*\*.*\*\*(\d+)\*\*", done.output)
    assert int(workers) == fleet_for(Shop(1e8, memory=16 * GB)).workers > fleet_for(Shop(1e8)).workers
    assert CliRunner().invoke(sizing, []).output.strip() == "\n".join(sizes_table([Shop(count) for count in SIZES]))
