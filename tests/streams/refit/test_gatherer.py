"""The event loop's side: between two batches, a moment at a time, and the same samples however it is cut."""

from collections.abc import Iterator
from itertools import count

import msgspec
import pytest

from agents.learning.sample import decode_sample
from agents.learning.sampling import take_sample
from streams.refit import gatherer as gathering
from streams.refit import records
from streams.refit.board import Board
from streams.refit.gatherer import SLICE_SECONDS, Gatherer
from streams.refit.records import sample_key
from streams.refit.schedule import most_of, round_at
from tables.parameters import BUILTIN, Parameters
from tests.support.pipes import QUICK, Run
from tests.support.published import named, published

DAY = 86_400_000
T0 = 1_600_041_600_000
EVERYBODY = 60


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small ones, so that there are many."""
    monkeypatch.setattr(gathering, "STEP", 20)


def ticking(seconds: float) -> Iterator[float]:
    return (number * seconds for number in count())


def shop(customers: int = EVERYBODY, *, wall: bool = False) -> Run:
    """A partition number whose customers have ordered once each, and whose feeds have got to a day later."""
    run = Run(wall=wall, now=T0 + DAY + 5, parameters=QUICK)
    for number in range(customers):
        order = {
            "type": "order.completed", "event_id": f"e{number}", "customer_id": f"c{number}", "order_id": f"o{number}",
            "occurred_at": T0 + number, "total": 10.0, "currency": "EUR", "items": [],
        }  # fmt: skip
        run.write("purchases", (f"c{number}".encode(), msgspec.json.encode(order)))
    mark = msgspec.json.encode({"type": "time.mark", "occurred_at": T0 + DAY + 5})
    for source in ("customers", "purchases", "carts"):
        run.write(source, (None, mark))
    take(run)
    return run


def take(run: Run) -> None:
    for source in range(3):
        run.fetch(source)
    run.hear_ends()
    run.work_all()


def gatherer(board: Board | None = None, *, start: Parameters = QUICK, slice_: float = 1.0) -> Gatherer:
    """`slice_`: how much of SLICE_SECONDS goes by from one look at the clock to the next."""
    clock = ticking(slice_ * SLICE_SECONDS)
    return Gatherer(board or Board(), start, 2, lambda: next(clock))


def idle(found: Gatherer, run: Run, most: int = 1000) -> int:
    """Between batches, until a sample is there; how often."""
    for times in range(1, most + 1):
        found.idle(0, run.pipeline)
        if found.outgoing:
            return times
    return most


@pytest.mark.usefixtures("steps")
@pytest.mark.parametrize("slice_", [0.01, 0.4, 1.0])
def test_a_sample_is_the_same_however_it_is_cut(slice_: float) -> None:
    run = shop()
    found = gatherer(slice_=slice_)
    assert (idle(found, run) == 1) == (slice_ == 0.01), "it takes no more than its time between two batches"
    ((number, taking),) = found.outgoing
    record = taking.record()
    assert (number, record.until, record.partitions, record.orders) == (0, T0 + DAY, 2, EVERYBODY)
    assert record.sample == take_sample(run.pipeline.core.states, T0 + DAY, most_of(2)).encode()
    assert len(decode_sample(record.sample)) == EVERYBODY


def test_one_sample_of_each_day_and_none_again_after_a_restart() -> None:
    run, board = shop(), Board()
    first = gatherer(board)
    idle(first, run)
    (_, taking), record = first.outgoing[0], first.outgoing[0][1].record()
    assert taking.until == round_at(T0 + DAY + 5)
    assert idle(first, run, 5) == 1, "nothing more is drawn"
    assert len(first.outgoing) == 1
    board.take(sample_key(0), records.sample_of.encode(record))
    again = gatherer(board)
    assert idle(again, run, 5) == 5
    run.now = T0 + 3 * DAY
    mark = msgspec.json.encode({"type": "time.mark", "occurred_at": run.now})
    for source in ("customers", "purchases", "carts"):
        run.write(source, (None, mark))
    take(run)
    idle(again, run)
    assert again.outgoing[0][1].until == T0 + 3 * DAY


def test_nothing_is_drawn_before_all_feeds_have_got_there() -> None:
    run = shop()
    run.restart()
    run.pipeline.merge.feeds[0].frontier = 0
    assert idle(gatherer(), run, 5) == 5
    wall = Run(wall=True, now=T0 + DAY + 5)
    assert idle(gatherer(), wall, 5) == 5, "nobody has said yet where the sources end"
    wall.hear_ends()
    assert idle(gatherer(), wall, 5) < 5


@pytest.mark.usefixtures("steps")
def test_a_sample_of_states_that_were_thrown_away_is_begun_anew() -> None:
    run = shop()
    found = gatherer()
    found.idle(0, run.pipeline)
    assert not found.outgoing
    run.restart()
    idle(found, run)
    assert found.outgoing[0][1].core is run.pipeline.core
    assert len(decode_sample(found.outgoing[0][1].record().sample)) == EVERYBODY


@pytest.mark.usefixtures("steps")
def test_who_gives_a_partition_number_up_draws_no_more_of_it() -> None:
    run = shop()
    found = gatherer()
    found.idle(0, run.pipeline)
    assert found.held == {0}
    found.end(0)
    assert (found.held, found.outgoing) == (set(), type(found.outgoing)())
    found.end(0)
    idle(found, run)
    assert len(decode_sample(found.outgoing[0][1].record().sample)) == EVERYBODY


def test_who_fits_nothing_draws_nothing() -> None:
    run = shop()
    found = Gatherer(Board(), QUICK, 0)
    assert idle(found, run, 5) == 5


def test_what_is_published_is_adopted_between_batches() -> None:
    run, board = shop(), Board()
    found = gatherer(board)
    assert found.parameters is QUICK
    found.prepare(run.pipeline)
    assert run.pipeline.core.parameters is QUICK
    board.take(published(1).key, records.published.encode(published(1)))
    core = run.pipeline.core
    assert core.parameters is QUICK
    found.prepare(run.pipeline)
    assert (run.pipeline.core, core.parameters) == (core, named("v1"))
    assert core.parameters.timing == BUILTIN.timing
