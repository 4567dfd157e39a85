"""A broker of three that is gone: what has other copies lacks one, what has none has no leader."""

import time
from collections.abc import Iterator

import pytest

from streams.doctor.check import Check
from streams.doctor.run import LED
from streams.settings import Settings
from tests.streams.doctor.finding import checks, failed, finds
from tests.streams.doctor.test_topics import local
from tests.support.brokers import ApacheKafka
from tests.support.workers import deploy

pytestmark = pytest.mark.usefixtures("own_directory")
_NOTICED_SECONDS = 120.0
"""So long brokers may take to notice that one of them is gone."""


@pytest.fixture
def three(java: None) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    with ApacheKafka(nodes=3, heap="300m") as kafka:
        yield kafka


def found_at_last(settings: Settings, what: str) -> dict[str, Check]:
    """What `doctor` finds as soon as `replicas` says so."""
    deadline = time.monotonic() + _NOTICED_SECONDS
    while what not in (told := checks(settings))["replicas"].detail:
        assert time.monotonic() < deadline, told["replicas"]
    return told


@finds("Copies that are away", "replicas")
@finds("OffbeatFrozen", "replicas")
def test_a_broker_that_is_gone_is_missed_by_its_copies(three: ApacheKafka) -> None:
    copied, single = (local(deploy(three, replication=copies, partitions="6")) for copies in ("3", "1"))
    assert checks(copied)["replicas"].mark == "ok"
    three.nodes[2].kill()

    told = found_at_last(copied, "has copies that are away or lag")
    assert failed(told) == {"broker", "replicas"}
    assert "(2 of 3)" in told["replicas"].detail
    assert told["replicas"].advice == "start the brokers that are away; read their logs, look at their disks"

    told = found_at_last(single, "has no leader: nothing can be read or written")
    assert not told["replicas"].ok
    assert told["replicas"].detail.startswith(single.prefix)
    assert told["replicas"].advice == "start the brokers that are away; read their logs, look at their disks"
    assert {told[name].detail for name in LED} == {"not looked at: a partition without a leader comes first"}

    three.nodes[2].start()
    deadline = time.monotonic() + _NOTICED_SECONDS
    while failed(told := checks(copied)):
        assert time.monotonic() < deadline, told
