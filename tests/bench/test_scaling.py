"""What a second worker brings: the table, and who runs where."""

import os
import subprocess
import sys

import pytest

from tests.bench.scaling import WAYS, Pace, confined, lines_of


def test_the_table_compares_round_by_round() -> None:
    one, beside, two = WAYS
    found = {
        one: [Pace(50_000, 14.0), Pace(40_000, 15.0)],
        beside: [Pace(80_000, 13.0), Pace(60_000, 13.5)],
        two: [Pace(100_000, 14.0), Pace(90_000, 16.0)],
    }
    head, *rows, doubled, added = lines_of(found)
    assert head.split() == ["events/s", "CPU", "s", "per", "1M", "events"]
    assert rows[0].split("  ")[0] == "1 worker, 1 processor"
    assert "90,000 / 95,000 / 100,000" in rows[2]
    assert doubled == "2 workers, 2 processors over 1 worker, 1 processor: 2.00 / 2.12 / 2.25 times"
    assert added == "2 workers, 2 processors over 1 worker, 2 processors: 1.25 / 1.38 / 1.50 times"


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="needs two processors")
def test_a_process_and_what_starts_meanwhile_are_confined() -> None:
    before = os.sched_getaffinity(0)
    one = min(before)
    ask = "import os; print(sorted(os.sched_getaffinity(0)))"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with confined(child.pid, [one]):
            assert os.sched_getaffinity(child.pid) == {one}
            told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True).stdout
            assert told.strip() == str([one])
        assert os.sched_getaffinity(child.pid) == os.sched_getaffinity(0) == before
        child.communicate(b"\n")
