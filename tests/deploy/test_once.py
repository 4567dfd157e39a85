"""What makes a message go out once: over Redis and over a table, with crashes anywhere and two senders at once."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from once import DAY, SENT, NotSentError, Once, RedisStore, SqlStore, Store, Verdict
from tests.support.redis_server import RedisServer
from tests.support.senders import Message, World

Order = Literal["at_least_once", "at_most_once"]
ORDERS: tuple[Order, ...] = ("at_least_once", "at_most_once")


@dataclass
class Place:
    """Somewhere to keep ids, empty; `connect` gives one more connection to it."""

    connect: Callable[[], Store]
    pass_time: Callable[[float], None]


def in_redis(server: RedisServer) -> Place:
    """Time passes by taking it off what the keys have left."""
    prefix = f"test:{uuid4().hex}:"
    client: Any = Redis.from_url(server.url)

    def pass_time(seconds: float) -> None:
        for key in client.scan_iter(f"{prefix}*"):
            left = client.pttl(key) - round(seconds * 1000)
            client.pexpire(key, max(0, left))

    return Place(lambda: RedisStore(Redis.from_url(server.url), prefix), pass_time)


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now

    def pass_time(self, seconds: float) -> None:
        self.now += seconds


def in_table(path: Path) -> Place:
    clock = Clock()

    def connect() -> SqlStore:
        connection = sqlite3.connect(path, check_same_thread=False)
        connection.execute("PRAGMA synchronous = OFF")  # it need not outlive the machine
        return SqlStore(connection, clock=clock)

    return Place(connect, clock.pass_time)


@pytest.fixture(params=["redis", "table"])
def new_place(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], Place]:
    """Makes places that nobody else has."""
    if request.param == "table":
        return lambda: in_table(tmp_path / f"{uuid4().hex}.db")
    server: RedisServer = request.getfixturevalue("redis_server")
    return lambda: in_redis(server)


@pytest.fixture
def place(new_place: Callable[[], Place]) -> Place:
    return new_place()


# --- any order of things ---------------------------------------------------------------------------------------------

ids = st.sampled_from(["t1", "t2", "t3"])
logs = st.lists(st.tuples(st.sampled_from(["trigger", "trigger", "trigger", "cancelled"]), ids), min_size=1, max_size=6)
moves = st.text("aaaaaaaabbbbbbbbABt", max_size=60)
many = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("order", ORDERS)
@many
@given(first=logs, second=st.none() | logs, told=moves)
def test_repeats_crashes_and_two_senders(
    new_place: Callable[[], Place], order: Order, first: list[Message], second: list[Message] | None, told: str
) -> None:
    """Nothing is lost and nothing goes out twice, but for the one risk that was chosen."""
    place = new_place()
    world = World((first, first if second is None else second), order).start(place.connect(), place.connect())
    world.play(told, place.pass_time)
    world.judge()


class Careless(Once):
    """Notes nothing while it sends."""

    def deliver(self, trigger_id: str, send: Callable[[], None]) -> Verdict:
        if self.store.get(trigger_id) == SENT:
            return Verdict.BEFORE
        send()
        self.store.take(trigger_id, SENT, self.keep)
        return Verdict.SENT


class Deaf(Once):
    """Looks for a cancellation before it claims the id alone."""

    def deliver(self, trigger_id: str, send: Callable[[], None]) -> Verdict:
        if self.store.get(f"{trigger_id}:cancelled"):
            return Verdict.CANCELLED
        found = self.store.take(trigger_id, "claimed", self.lease)
        if found is not None:
            return Verdict.BEFORE if found == SENT else Verdict.BUSY
        send()
        self.store.replace(trigger_id, "claimed", SENT, self.keep)
        return Verdict.SENT


TRIGGER, CANCELLED = ("trigger", "t1"), ("cancelled", "t1")


@pytest.mark.parametrize(
    ("make", "logs", "told"),
    [
        (Careless, ([TRIGGER], [TRIGGER]), "aaaabbbbbb"),
        (Deaf, ([TRIGGER], [CANCELLED]), "aaabbbbbb"),
    ],
)
def test_wrong_ways_to_do_it_are_seen(
    tmp_path: Path, make: type[Once], logs: tuple[list[Message], list[Message]], told: str
) -> None:
    place = in_table(tmp_path / "ids.db")
    world = World(logs, "at_least_once", make=make).start(place.connect(), place.connect())
    world.play(told, place.pass_time)
    with pytest.raises(AssertionError, match="went out"):
        world.judge()


def test_of_many_at_the_same_time_one_sends(place: Place) -> None:
    """Threads in earnest, each with its own connection."""
    count = 8
    out: list[str] = []
    start = threading.Barrier(count)
    stores = [place.connect() for _ in range(count)]

    def work(store: Store) -> None:
        start.wait()
        once = Once(store)
        for number in range(30):
            trigger_id = f"t{number}"
            while once.deliver(trigger_id, partial(out.append, trigger_id)) is Verdict.BUSY:
                pass

    threads = [threading.Thread(target=work, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(out) == sorted(f"t{number}" for number in range(30))


# --- one by one ------------------------------------------------------------------------------------------------------


class Sends:
    """Counts, and fails when it is told to."""

    def __init__(self) -> None:
        self.count = 0
        self.error: BaseException | None = None

    def __call__(self) -> None:
        if self.error is not None:
            raise self.error
        self.count += 1


@pytest.fixture
def sends() -> Sends:
    return Sends()


@pytest.mark.parametrize("order", ORDERS)
def test_the_second_time_nothing_goes_out(place: Place, sends: Sends, order: Order) -> None:
    for verdict in (Verdict.SENT, Verdict.BEFORE, Verdict.BEFORE):
        assert Once(place.connect(), order=order).deliver("t", sends) is verdict
    assert sends.count == 1


@pytest.mark.parametrize("order", ORDERS)
def test_what_is_noted_lasts_as_long_as_the_topics_keep_it(place: Place, sends: Sends, order: Order) -> None:
    once = Once(place.connect(), keep=7 * DAY, order=order)
    once.deliver("t", sends)
    once.cancel("u")
    place.pass_time(7 * DAY - 60)
    assert [once.deliver(trigger_id, sends) for trigger_id in "tu"] == [Verdict.BEFORE, Verdict.CANCELLED]
    place.pass_time(120)
    assert [once.deliver(trigger_id, sends) for trigger_id in "tu"] == [Verdict.SENT, Verdict.SENT]


def test_a_crash_while_sending_is_waited_out(place: Place, sends: Sends) -> None:
    """Whether it went out nobody knows: at least once sends it again, at most once does not."""
    sends.error = KeyboardInterrupt()
    for order in ORDERS:
        with pytest.raises(KeyboardInterrupt):
            Once(place.connect(), order=order).deliver(order, sends)
    sends.error = None
    once = Once(place.connect())
    assert [once.deliver(order, sends) for order in ORDERS] == [Verdict.BUSY, Verdict.BEFORE]
    place.pass_time(61)
    assert [once.deliver(order, sends) for order in ORDERS] == [Verdict.SENT, Verdict.BEFORE]
    assert sends.count == 1


@pytest.mark.parametrize("order", ORDERS)
def test_what_certainly_did_not_go_out_may_go_out_at_once(place: Place, sends: Sends, order: Order) -> None:
    once = Once(place.connect(), order=order)
    sends.error = NotSentError("no connection")
    with pytest.raises(NotSentError):
        once.deliver("t", sends)
    sends.error = None
    assert once.deliver("t", sends) is Verdict.SENT


@pytest.mark.parametrize("order", ORDERS)
def test_a_cancellation_that_overtakes(place: Place, sends: Sends, order: Order) -> None:
    once = Once(place.connect(), order=order)
    assert [once.cancel("t"), once.deliver("t", sends), once.cancel("t")] == [Verdict.CANCELLED] * 3
    assert sends.count == 0


def test_a_cancellation_that_is_late_or_in_between(place: Place) -> None:
    once, other = Once(place.connect()), Once(place.connect())
    said: list[Verdict] = []
    assert once.deliver("t", lambda: said.append(other.cancel("t"))) is Verdict.SENT
    assert [*said, other.cancel("t")] == [Verdict.BUSY, Verdict.BEFORE]
    assert once.deliver("t", said.clear) is Verdict.BEFORE
    assert said


def test_a_cancellation_stands_when_the_one_who_sent_has_crashed(place: Place, sends: Sends) -> None:
    once = Once(place.connect())
    sends.error = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        once.deliver("t", sends)
    assert once.cancel("t") is Verdict.BUSY
    place.pass_time(61)
    sends.error = None
    assert [once.cancel("t"), once.deliver("t", sends)] == [Verdict.CANCELLED] * 2


def test_a_lease_that_is_too_short_is_said(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    once = Once(place.connect())
    assert once.deliver("t", lambda: place.pass_time(61)) is Verdict.SENT
    assert "t took longer than its lease" in caplog.text
    assert once.deliver("t", lambda: None) is Verdict.BEFORE


def test_at_most_once_does_not_send_when_its_lease_ran_out_before(new_place: Callable[[], Place], sends: Sends) -> None:
    place = new_place()
    store = place.connect()
    once = Once(store, order="at_most_once")
    get = store.get

    def slow(key: str) -> str | None:
        place.pass_time(61)
        return get(key)

    with patch.object(store, "get", slow):
        assert once.deliver("t", sends) is Verdict.BUSY
    assert sends.count == 0


# --- the stores ------------------------------------------------------------------------------------------------------


def test_a_store(place: Place) -> None:
    one, other = place.connect(), place.connect()
    assert one.get("k") is None
    assert one.take("k", "a", 10) is None
    assert (other.take("k", "b", 10), other.get("k"), other.get("other")) == ("a", "a", None)
    assert not other.replace("k", "b", "c", 10)
    assert one.replace("k", "a", "c", 20)
    place.pass_time(15)
    assert one.get("k") == "c"
    assert one.replace("k", "c", None, 0)
    assert (one.get("k"), other.take("k", "d", 10)) == (None, None)
    place.pass_time(11)
    assert one.get("k") is None
    assert not one.replace("k", "d", "e", 10)
    assert one.take("k", "f", 10) is None


def test_a_table_forgets_what_is_over(tmp_path: Path) -> None:
    place = in_table(tmp_path / "ids.db")
    store = place.connect()
    assert isinstance(store, SqlStore)
    store.take("short", "v", 10)
    store.take("long", "v", 100)
    place.pass_time(50)
    assert (store.forget(), store.get("long"), store.forget()) == (1, "v", 0)


def test_a_failed_statement_leaves_no_transaction_open(tmp_path: Path) -> None:
    path = tmp_path / "ids.db"
    with closing(sqlite3.connect(path, timeout=0)) as connection, closing(sqlite3.connect(path)) as other:
        store = SqlStore(connection)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            store.take("k", "v", 10)
        other.rollback()
        assert store.take("k", "v", 10) is None


def test_another_way_of_marking_values(tmp_path: Path) -> None:
    """As drivers of PostgreSQL want them."""

    class Cursor(sqlite3.Cursor):
        def execute(self, statement: str, values: Any = ()) -> "Cursor":
            assert "?" not in statement
            super().execute(statement.replace("%s", "?"), values)
            return self

    class Connection(sqlite3.Connection):
        def cursor(self, _factory: Any = None) -> Cursor:  # type: ignore[override]
            return Cursor(self)

    with closing(sqlite3.connect(tmp_path / "ids.db", factory=Connection)) as connection:
        store = SqlStore(connection, mark="%s")
        assert [store.take("k", "v", 10), store.take("k", "w", 10)] == [None, "v"]


@pytest.fixture
def redis_store(redis_server: RedisServer) -> Iterator[RedisStore]:
    with Redis.from_url(redis_server.url, decode_responses=True) as client:
        yield RedisStore(client, f"test:{uuid4().hex}:")


def test_a_command_that_the_client_repeats_is_one(redis_store: RedisStore) -> None:
    """Its answer was lost: what is found is our own."""
    assert [redis_store.take("k", "claimed by me", 10) for _ in range(2)] == [None, None]
    assert redis_store.take("k", "claimed by you", 10) == "claimed by me"


def test_texts_or_bytes_are_the_same(redis_store: RedisStore, redis_server: RedisServer) -> None:
    redis_store.take("k", "v", 10)
    with Redis.from_url(redis_server.url) as client:
        assert RedisStore(client, redis_store._prefix).get("k") == redis_store.get("k") == "v"
