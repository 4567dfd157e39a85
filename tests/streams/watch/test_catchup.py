"""The time until a partition number has caught up, for loads of which it is known."""

import pytest

from streams.watch.catchup import CatchUp


def after(seconds: float, *, taken: float, coming: float, lag: float, every: float = 0.1) -> CatchUp:
    """So many records a second are taken, and come, from a lag on."""
    progress = CatchUp()
    done, at = 0.0, 0.0
    while at <= seconds:
        progress.note(at, max(0, round(lag + (coming - taken) * at)), round(done))
        at += every
        done += taken * every
    return progress


@pytest.mark.parametrize("every", [0.1, 1.0, 3.7])
def test_what_comes_meanwhile_counts(every: float) -> None:
    progress = after(60, taken=5_000, coming=4_000, lag=1_000_000, every=every)
    assert progress.lag is not None
    assert progress.seconds_left == pytest.approx(progress.lag / 1_000, rel=0.01)
    assert progress.seconds_left == pytest.approx(940, rel=0.01)


def test_who_takes_less_than_comes_never_catches_up() -> None:
    assert after(60, taken=4_000, coming=5_000, lag=100_000).seconds_left is None
    assert after(60, taken=5_000, coming=5_000, lag=100_000).seconds_left is None
    assert after(60, taken=0, coming=0, lag=10).seconds_left is None


def test_nobody_knows_at_the_beginning() -> None:
    progress = CatchUp()
    assert (progress.lag, progress.seconds_left) == (None, None)
    progress.note(0.0, 500, 0)
    assert (progress.lag, progress.seconds_left) == (500, None)
    progress.note(0.5, 400, 100)
    assert progress.seconds_left is None
    progress.note(1.0, 300, 200)
    assert progress.seconds_left == pytest.approx(1.5)


def test_nothing_left_is_no_time() -> None:
    progress = CatchUp()
    progress.note(0.0, 0, 7)
    assert progress.seconds_left == 0.0


def test_less_than_a_seconds_work_is_not_behind_although_it_never_gets_less() -> None:
    left = after(60, taken=5_000, coming=5_000, lag=500).seconds_left
    assert left == pytest.approx(0.1, rel=0.05)


def test_it_is_smooth() -> None:
    """Every other second nothing is taken."""
    progress = CatchUp()
    lag, taken = 1_000_000, 0
    found = []
    for second in range(200):
        if second % 2:
            lag, taken = lag - 2_000, taken + 2_000
        progress.note(float(second), lag, taken)
        if second > 100 and progress.seconds_left is not None:
            found.append(progress.seconds_left / (lag / 1_000))
    assert len(found) == 99
    assert 0.9 < min(found) <= max(found) < 1.1


def test_a_new_speed_is_known_within_a_minute() -> None:
    progress = after(60, taken=5_000, coming=4_000, lag=1_000_000)
    lag, taken = progress.lag or 0, 5_000 * 60
    for second in range(61, 130):
        lag, taken = lag - 500, taken + 500
        progress.note(float(second), lag, taken)
    assert progress.seconds_left == pytest.approx(lag / 500, rel=0.05)


def test_a_clock_that_stands_still_measures_nothing() -> None:
    progress = CatchUp()
    for number in range(10):
        progress.note(0.0, 100 - number, number)
    assert progress.seconds_left is None
