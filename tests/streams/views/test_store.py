"""Keys and commands on a real server, and what becomes of it when that is in trouble."""

import os
import signal
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from streams.brokers.embedded import free_port
from streams.settings import Settings
from streams.settings import Views as Lasting
from streams.views import connecting as module
from streams.views.mark import ViewMark
from streams.views.render import Row
from streams.views.store import MOST_SENT, ViewStore
from streams.views.trouble import ViewError
from tests.support.redis_server import RedisServer

HOUR = 3_600_000
IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@pytest.fixture
def store(redis_server: RedisServer, client: Any) -> Iterator[ViewStore]:
    """Empty at the start; it shares the server with others."""
    for key in client.scan_iter(match="store.*"):
        client.delete(key)
    found = ViewStore(Settings(redis=redis_server.url, prefix="store."))
    yield found
    found.close()


def row(key: bytes = b"ann", value: bytes | None = b"{}", *, wiped: bool = False, **sent: int) -> Row:
    return Row(key, wiped, value, {name.encode(): at for name, at in sent.items()})


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ids=st.lists(IDS, unique=True, max_size=5))
def test_ids_are_harmless_and_each_has_keys_of_its_own(store: ViewStore, client: Any, ids: list[str]) -> None:
    store.write([row(name.encode(), b"view of " + name.encode(), a=1) for name in ids])
    expected = {f"store.offbeat:{family}:{name}".encode() for name in ids for family in ("customer", "sent")}
    assert set(client.scan_iter(match="store.*", count=1000)) == expected
    for name in ids:
        assert store.customer(name.encode()) == (b"view of " + name.encode(), [(b"a", 1)])
    assert store.sweep(lambda key: key.decode() in ids) == 0
    assert store.write([row(name.encode(), None, wiped=True) for name in ids]) == (0, 0, len(ids))
    assert [*client.scan_iter(match="store.*", count=1000)] == []


def test_views_expire(redis_server: RedisServer, client: Any) -> None:
    lasting = Lasting(ttl=2 * HOUR, sent_ttl=3 * HOUR, refresh=HOUR)
    store = ViewStore(Settings(redis=redis_server.url, prefix="store.", views=lasting))
    store.write([row(a=1)])
    left = [client.pttl(f"store.offbeat:{family}:ann") / HOUR for family in ("customer", "sent")]
    assert [round(hours, 1) for hours in left] == [2.0, 3.0]


def test_the_list_of_what_was_sent_is_bounded_and_has_each_once(store: ViewStore) -> None:
    for _ in range(2):
        store.write([Row(b"ann", False, None, {b"t%d" % number: number}) for number in range(MOST_SENT + 10)])
    _, sent = store.customer(b"ann")
    assert sent == [(b"t%d" % number, number) for number in range(MOST_SENT + 9, 9, -1)]


def test_a_row_without_a_view_leaves_it(store: ViewStore) -> None:
    store.write([row(value=b"old", a=1)])
    store.write([row(value=None, b=2)])
    assert store.customer(b"ann") == (b"old", [(b"b", 2), (b"a", 1)])
    store.write([row(value=b"new", wiped=True, c=3)])
    assert store.customer(b"ann") == (b"new", [(b"c", 3)])


def test_marks_are_swapped(store: ViewStore, client: Any) -> None:
    assert store.marks([0, 1]) == [None, None]
    mine = ViewMark(owner="me")
    assert store.swap(1, mine) is None
    assert store.swap(1, ViewMark(offsets={"carts": 3})) == mine
    client.set("store.offbeat:view:0", b"{what")
    assert store.marks([0, 1]) == [None, ViewMark(offsets={"carts": 3})]


def test_only_views_of_this_prefix_and_of_the_unknown_are_swept(store: ViewStore, client: Any) -> None:
    store.write([row(b"ann", a=1), row(b"bob", a=1)])
    others = ["store.offbeat:view:0", "other.store.offbeat:customer:bob", "store.offbeat:basket:bob"]
    for name in others:
        client.set(name, "")
    assert store.sweep(lambda key: key == b"ann") == 2
    assert store.customer(b"bob") == (None, [])
    assert store.customer(b"ann") == (b"{}", [(b"a", 1)])
    assert client.exists(*others) == len(others)
    client.delete(*others)


def trouble(store: ViewStore) -> tuple[str, str]:
    with pytest.raises(ViewError) as caught:
        store.write([row(b"big", b"x" * 1000, a=1)])
    return caught.value.reason, str(caught.value)


def test_each_trouble_has_its_reason_and_passes(own_redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
    store = ViewStore(Settings(redis=own_redis.url))
    with Redis.from_url(own_redis.url) as client:
        store.write([row(b"gone")])
        client.config_set("maxmemory", "1")
        assert trouble(store) == ("full", "has no memory left")
        with pytest.raises(ViewError):
            store.write([row(b"new"), row(b"gone", None, wiped=True)])
        client.config_set("maxmemory", "0")
        assert store.customer(b"gone") == (None, []), "whoever is erased is deleted from a full one too"
        client.replicaof("127.0.0.1", 9)
        assert trouble(store) == ("read_only", "is a replica, or may not be written to")
        client.replicaof("NO", "ONE")
        client.acl_setuser("default", enabled=True, nopass=True, keys="*", commands=["-@all", "+ping", "+info", "+acl"])
        assert trouble(store)[0] == "refused"
        client.acl_setuser("default", enabled=True, nopass=True, keys="*", commands=["+@all"])
        os.kill(own_redis.pid, signal.SIGSTOP)
        assert trouble(store) == ("slow", "does not answer in time")
        os.kill(own_redis.pid, signal.SIGCONT)
        store.write([row(b"big")])
        assert store.customer(b"big")[0] == b"{}"


def test_a_wrong_password_is_told_without_it(own_redis: RedisServer) -> None:
    with Redis.from_url(own_redis.url) as client:
        client.config_set("requirepass", "right")
    found = trouble(ViewStore(Settings(redis=own_redis.url.replace("redis://", "redis://:s3cret@"))))
    assert found == ("refused", "refuses user or password")


def test_nobody_there_is_told_without_the_url() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert trouble(ViewStore(Settings(redis=f"redis://:s3cret@127.0.0.1:{port}/0"))) == ("away", "cannot be reached")


def test_these_rights_are_enough(own_redis: RedisServer) -> None:
    """Those of OPERATING.md."""
    rights = ["+get", "+set", "+getset", "+del", "+zadd", "+zremrangebyrank", "+pexpire", "+info", "+ping", "+scan"]
    with Redis.from_url(own_redis.url) as client:
        client.acl_setuser("views", enabled=True, nopass=True, keys=["p.offbeat:*"], commands=["-@all", *rights])
    store = ViewStore(Settings(redis=own_redis.url.replace("redis://", "redis://views:x@"), prefix="p."))
    store.write([row(a=1), row(b"bob", None, wiped=True)])
    store.swap(0, ViewMark(owner="me"))
    assert store.marks([0]) == [ViewMark(owner="me")]
    assert store.sweep(lambda _key: False) == 2
    assert store.try_out() == "one server"
    store.close()


def test_in_a_cluster_keys_are_where_they_belong() -> None:
    with RedisServer("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as one:
        with Redis.from_url(one.url) as client:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
            while b"cluster_state:ok" not in client.execute_command("CLUSTER", "INFO"):
                pass
        store = ViewStore(Settings(redis=one.url))
        names = [b"c%d" % number for number in range(50)]
        store.write([row(name, name, a=1) for name in names])
        assert [store.customer(name) for name in names] == [(name, [(b"a", 1)]) for name in names]
        store.swap(0, ViewMark(owner="me"))
        assert store.marks([0, 1]) == [ViewMark(owner="me"), None]
        assert store.sweep(lambda key: key == b"c7") == 98
        assert store.try_out() == "a cluster"
        store.close()
