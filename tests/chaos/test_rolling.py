"""Every worker is replaced in turn while events flow: what comes out is that of an undisturbed run."""

from pathlib import Path

import pytest

from tests.chaos.plan import Fault
from tests.chaos.report import details, summary
from tests.chaos.rolling import Flow, roll, table
from tests.chaos.round import Done
from tests.chaos.watch import Pause
from tests.chaos.world import make_world

pytestmark = pytest.mark.xdist_group("chaos")


def test_a_rolling_restart_under_load(java: None, tmp_path: Path) -> None:  # noqa: ARG001 - it may skip
    with make_world(tmp_path, brokers=1) as world:
        outcome, _ = roll(world, flow=Flow(1000, 30, 100), folder=tmp_path)
    assert outcome.right, summary(1, outcome) + "\n" + details(outcome)
    assert [done.fault.worker for done in outcome.done] == [0, 1, 2]
    assert outcome.starts == 6
    assert outcome.messages > 1000
    during = [pause for pause in outcome.pauses if pause.began > outcome.done[0].began]
    assert {pause.partition for pause in during} == set(range(6))  # events flowed everywhere


def test_the_table_has_the_longest_pause_of_each_partition_by_the_worker_replaced() -> None:
    began = {10.0: 0, 20.0: 1, 30.0: 0}
    done = [Done(Fault("worker-replaced", None, 0.0, worker, None, 0.0), at) for at, worker in began.items()]
    pauses = [Pause(0, 1.0, 7.0), Pause(0, 8.5, 8.7), Pause(1, 9.9, 11.0), Pause(1, 12.0, 12.5), Pause(0, 19.0, 22.0)]
    pauses += [Pause(1, 30.5, 32.5)]
    assert table(pauses, done, 2) == [
        "| replaced | partition 0 | partition 1 | longest |",
        "|---|---|---|---|",
        "| none | 0.2 s | 0.0 s | 0.2 s |",
        "| worker 0 | 0.0 s | 2.0 s | 2.0 s |",
        "| worker 1 | 3.0 s | 0.0 s | 3.0 s |",
    ]
