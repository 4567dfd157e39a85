"""A short round of the simulation: nothing is lost, nothing comes twice, and what is broken on purpose is found."""

import logging
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sim.load import DELIVERIES
from tests.sim.planted import PLANTED
from tests.sim.run import EVERY, first_caught, run, run_all, unseen

COMING_AND_GOING = 1_000
"""Times that workers join and leave, under load, in those runs."""
CAUGHT_WITHIN = 300
"""Seeds; README.md tells how many each bug takes."""


@pytest.fixture(autouse=True)
def _hushed() -> Iterator[None]:
    """Workers say what happens to them, and here that is a lot."""
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("delivery", DELIVERIES)
def test_whatever_happens_the_committed_output_is_that_of_an_undisturbed_run(delivery: str) -> None:
    seen: Counter[str] = Counter()
    for result in run_all(range(EVERY), delivery=delivery):
        again = f"python -m tests.sim --delivery {delivery} --seed {result.seed} --trace"
        assert not result.wrong, "\n".join([again, *result.wrong])
        seen.update(result.seen)
    assert unseen(seen, EVERY, delivery) == []
    assert seen["a worker more"] + seen["a worker less"] > COMING_AND_GOING


@pytest.mark.parametrize("bug", PLANTED)
def test_a_planted_bug_is_caught(bug: str) -> None:
    caught = first_caught(bug, CAUGHT_WITHIN)
    assert caught is not None
    assert not run(caught.seed, delivery=PLANTED[bug].delivery).wrong


def test_the_page_lists_the_planted_bugs() -> None:
    page = Path(__file__).with_name("README.md").read_text()
    assert re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE) == list(PLANTED)


@pytest.mark.parametrize("seed", [3, 17])
def test_a_seed_gives_the_same_run_in_every_process(seed: int) -> None:
    here = run(seed, keep=True)
    assert here.lines
    assert run(seed).checksum == here.checksum
    told = subprocess.run(
        [sys.executable, "-m", "tests.sim", "--seed", str(seed), "--trace"],
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    ).stdout.splitlines()
    assert told == [*here.lines, f"seed {seed}, trace {here.checksum:08x}: right"]


def test_other_seeds_give_other_runs() -> None:
    assert len({run(seed).checksum for seed in range(5)}) == 5


def test_a_wrong_run_says_how_to_repeat_it() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tests.sim", "--seeds", "1", "--jobs", "1", "--bug", "mark-not-written"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert found.returncode == 1
    assert "again: .venv/bin/python -m tests.sim --seed 0 --trace --bug mark-not-written" in found.stdout
