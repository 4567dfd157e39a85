"""What tests of streams share."""

import os
import uuid
from pathlib import Path

import pytest

from streams.brokers.embedded import EmbeddedBroker
from streams.brokers.topics import create
from streams.settings import Settings
from tests.bench.cdnow import write_table
from tests.support.logfiles import Write
from tests.support.topics_io import Broker
from tests.support.workers import Deployment, deploy


@pytest.fixture(params=["embedded_broker", "apache_kafka"])
def broker(request: pytest.FixtureRequest) -> Broker:
    """At least once, and exactly once."""
    found: Broker = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def to(broker: Broker) -> Deployment:
    """Topics of one's own, at least once and exactly once."""
    return deploy(broker)


@pytest.fixture
def embedded(embedded_broker: EmbeddedBroker) -> Deployment:
    """Topics of one's own."""
    return deploy(embedded_broker)


@pytest.fixture
def own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the test."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("OFFBEAT_"):
            monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def cdnow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """69,659 real orders of 23,570 customers, as a table."""
    path = tmp_path_factory.mktemp("cdnow") / "cdnow.csv"
    write_table(path)
    return path


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file of this name and content."""

    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


@pytest.fixture
def shop(embedded_broker: EmbeddedBroker) -> Settings:
    """Settings with topics of their own, four partitions each."""
    here = Settings(
        brokers=embedded_broker.address,
        prefix=f"replay-{uuid.uuid4().hex[:8]}-",
        partitions=4,
        delivery="at_least_once",
    )
    create(here)
    return here
