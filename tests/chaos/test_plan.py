"""The same seed gives the same faults, of every kind, for everybody."""

from collections import Counter

import pytest

from tests.chaos.plan import BROKER, KINDS, NETWORK, WORKER, Fault, plan


def planned(seed: int, count: int, brokers: int = 3) -> list[Fault]:
    return list(plan(seed, count, workers=3, brokers=brokers, session=3.0))


def test_the_same_seed_gives_the_same_faults() -> None:
    assert planned(7, 100) == planned(7, 100)
    assert planned(7, 100) != planned(8, 100)
    assert planned(7, 30) == planned(7, 100)[:30]


def test_every_kind_comes_equally_often() -> None:
    assert set(Counter(fault.kind for fault in planned(1, 50 * len(KINDS))).values()) == {50}
    assert set(KINDS) == {*WORKER, *BROKER, *NETWORK}


def test_everybody_is_hit() -> None:
    faults = planned(1, 1000)
    assert {fault.worker for fault in faults} == {0, 1, 2}
    assert {fault.broker for fault in faults} == {0, 1, 2, None}
    assert all(fault.broker is not None for fault in faults if fault.kind in BROKER)
    assert {fault.broker for fault in planned(1, 1000, brokers=1)} == {0, None}


def test_faults_come_alone_and_in_the_middle_of_others() -> None:
    pauses = [fault.pause for fault in planned(1, 1000)]
    assert pauses[0] is None
    assert 300 < sum(pause is not None for pause in pauses) < 500
    assert all(0 <= pause < 3 for pause in pauses if pause is not None)


def test_who_is_frozen_is_so_beyond_what_it_is_about() -> None:
    faults = planned(1, 500)
    assert all(3 < fault.seconds < 6 for fault in faults if fault.kind == "worker-freeze")
    assert all(15 < fault.seconds < 20 for fault in faults if fault.kind == "worker-freeze-long")


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("worker-kill", None, 2.0, 1, 0, 0.0), "worker-kill worker 1, 2.0 s, when all is well"),
        (Fault("broker-slow", 0.5, 2.0, 1, 2, 0.25), "broker-slow broker 2 by +0.25 s, 2.0 s, 0.5 s later"),
        (Fault("network-cut", 0.5, 2.0, 1, 2, 0), "network-cut worker 1 to broker 2, 2.0 s, 0.5 s later"),
        (Fault("network-cut", None, 2.0, 0, None, 0), "network-cut worker 0 to all brokers, 2.0 s, when all is well"),
    ],
)
def test_a_fault_tells_all_of_itself(fault: Fault, text: str) -> None:
    assert str(fault) == text
