"""A broker of three that is gone: what has other copies lacks one, what has none has no leader."""

import time
from collections.abc import Iterator

import pytest

from streams.doctor.check import Check
from streams.doctor.run import LED
from tests.streams.doctor.finding import failed, finds
from tests.streams.doctor.test_reach import of_command
from tests.support.brokers import ApacheKafka
from tests.support.workers import deploy

pytestmark = pytest.mark.usefixtures("own_directory")
_NOTICED_SECONDS = 120.0
"""So long brokers may take to notice that one of them is gone."""


@pytest.fixture
def three(java: None) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    with ApacheKafka(nodes=3, heap="300m") as kafka:
        yield kafka


def found_at_last(environ: dict[str, str], *which: str) -> dict[str, Check]:
    """What `doctor` finds as soon as these checks fail and no other does: brokers take a moment to notice."""
    deadline = time.monotonic() + _NOTICED_SECONDS
    while failed(told := of_command(environ)) != set(which):
        assert time.monotonic() < deadline, "\n".join(f"{c.name}: {c.detail}" for c in told.values() if not c.ok)
    return told


@finds("Copies that are away", "replicas")
@finds("OffbeatFrozen", "replicas")
def test_a_broker_that_is_gone_is_missed_by_its_copies(three: ApacheKafka) -> None:
    copied, single = (deploy(three, replication=copies, partitions="6") for copies in ("3", "1"))
    assert found_at_last(copied.environ)["replicas"].mark == "ok"
    three.nodes[2].kill()

    found = found_at_last(copied.environ, "broker", "replicas")["replicas"]
    assert "(2 of 3)" in found.detail
    assert found.detail.endswith("has copies that are away or lag: another broker lost would stop it")
    assert found.advice == "start the brokers that are away; read their logs, look at their disks"

    told = found_at_last(single.environ, "broker", "replicas")
    assert told["replicas"].detail.startswith(single.settings.prefix)
    assert told["replicas"].detail.endswith("has no leader: nothing can be read or written")
    assert told["replicas"].advice == found.advice
    assert {told[name].detail for name in LED} == {"not looked at: a partition without a leader comes first"}

    three.nodes[2].start()
    found_at_last(copied.environ)
