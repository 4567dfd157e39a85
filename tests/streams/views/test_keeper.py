"""The views become what is durable, whatever happens to the worker, to Redis, and between them."""

import json
import random
from typing import Any

import pytest

from streams.views.keeper import CHECK_SECONDS, LEAVE_SECONDS, RECLAIM_SECONDS
from streams.views.mark import ViewMark
from streams.views.part import SLICE
from streams.views.trouble import ViewError
from tests.support.core import added, erased, order
from tests.support.pipes import Run, live, write
from tests.support.redis_server import RedisServer
from tests.support.shown import DAY_MS, ViewsOf, shown_in

NOW = 1 << 40
HOUR = 3_600_000


@pytest.fixture
def run() -> Run:
    return live(NOW)


@pytest.fixture
def views(redis_server: RedisServer, run: Run) -> ViewsOf:
    found = ViewsOf(redis_server.url, run)
    found.begin()
    return found


def again(views: ViewsOf, *gone: bytes) -> ViewsOf:
    """Another worker takes over, from what is durable; the changelog has tombstones of those who are `gone`."""
    views.run.restart()
    states = views.run.pipeline.core.states
    states.restore(dict.fromkeys(gone, b""))
    states.restore(dict.fromkeys(gone))
    found = ViewsOf(views.settings.redis, views.run, prefix=views.prefix)
    found.begin()
    return found


def happen(run: Run, *names: str, at: int = NOW - HOUR) -> None:
    write(run, *(order(at, customer=name) for name in names))


def spoil(client: Any, views: ViewsOf, name: str) -> None:
    client.set(f"{views.prefix}offbeat:customer:{name}", "{}")


def mark_of(client: Any, views: ViewsOf) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.get(f"{views.prefix}offbeat:view:0"))
    return found


def test_a_round_shows_what_is_durable(views: ViewsOf, client: Any) -> None:
    happen(views.run, "ann", "bob")
    views.work()
    views.settle()
    assert views.there(client) == views.due() != {}
    happen(views.run, "ann", at=NOW)
    views.work()
    views.settle()
    assert views.there(client) == views.due()


def test_whatever_happens_views_are_what_is_durable_in_the_end(views: ViewsOf, client: Any) -> None:
    rng = random.Random(7)
    names = [f"c{number}" for number in range(30)]
    for _ in range(150):
        views.run.now += HOUR
        name = rng.choice(names)
        write(views.run, rng.choice((order, added, erased))(views.run.now, customer=name))
        match rng.random():
            case x if x < 0.6:
                views.work()
            case x if x < 0.7:
                views.keeper.round()
            case x if x < 0.8:
                views = again(views)  # killed: what waited is lost
            case x if x < 0.9:
                views.end()
                views.keeper.round()
                views = again(views)
            case _:
                spoil(client, views, name)
                client.delete(f"{views.prefix}offbeat:view:0")
                views.seconds += CHECK_SECONDS
    views.work()
    views.settle()
    extra = views.there(client).keys() - views.due().keys()
    assert {key: views.there(client)[key] for key in views.due()} == views.due()
    # what was spoiled of who is gone is nobody's to find out but by its age, and by `views rebuild`
    assert all(client.get(f"{views.prefix}offbeat:customer:{key.decode()}") == b"{}" for key in extra)


def test_who_is_erased_has_no_keys(views: ViewsOf, client: Any) -> None:
    write(views.run, added(NOW - 5 * HOUR, customer="ann"))
    views.work()
    views.settle()
    assert set(shown_in(client, views.prefix, "sent")) == {b"ann"}
    write(views.run, erased(NOW, customer="ann"))
    views.work()
    views.settle()
    assert shown_in(client, views.prefix, "sent") == views.there(client) == {}


def test_what_was_sent_before_an_erasure_does_not_come_back(views: ViewsOf, client: Any) -> None:
    write(views.run, added(NOW - 10 * HOUR, customer="ann"), erased(NOW - 5 * HOUR, customer="ann"))
    write(views.run, added(NOW - 9 * HOUR // 2, customer="ann"))
    views.work()
    views.settle()
    assert views.run.types == ["cart.abandoned", "cart.abandoned.cancelled", "cart.abandoned"]
    ((sent,),) = shown_in(client, views.prefix, "sent").values()
    assert sent["trigger_id"] == views.run.decisions[-1].trigger_id


def test_cancellations_follow_their_triggers(views: ViewsOf, client: Any) -> None:
    write(views.run, added(NOW - 5 * HOUR, customer="ann"))
    views.work()
    views.run.now += HOUR
    happen(views.run, "ann", at=views.run.now)
    views.work()
    views.settle()
    fired, cancelled = views.run.decisions
    assert shown_in(client, views.prefix, "sent") == {
        b"ann": [
            {"trigger_id": fired.trigger_id, "type": "cart.abandoned", "due_at": fired.due_at},
            {"trigger_id": fired.trigger_id, "type": "cart.abandoned.cancelled", "due_at": cancelled.due_at},
        ]
    }


def test_a_worker_that_has_shown_everything_leaves_nothing_to_mend(views: ViewsOf, client: Any) -> None:
    happen(views.run, "ann")
    views.work()
    views.settle()
    views.end()
    views.keeper.round()
    assert mark_of(client, views)["offsets"] == {"customers": 0, "purchases": 1, "carts": 0}
    spoil(client, views, "ann")
    later = again(views)
    later.settle()
    assert later.there(client)[b"ann"] == {}
    assert mark_of(client, views)["owner"]


def test_what_comes_in_the_middle_of_the_last_round_is_shown(
    views: ViewsOf, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    views.settle()
    happen(views.run, "ann")
    views.work()
    write_them = views.store.write

    def write_and_end(rows: Any) -> Any:
        patch.undo()
        happen(views.run, "bob")
        views.work()
        views.end()
        return write_them(rows)

    with monkeypatch.context() as patch:
        patch.setattr(views.store, "write", write_and_end)
        views.keeper.round()
    views.keeper.round()
    assert views.there(client).keys() == {b"ann", b"bob"}
    assert not mark_of(client, views).get("owner")


@pytest.mark.parametrize("how", ["killed", "batch broken off", "out of time", "others took events"])
def test_whoever_follows_one_that_has_not_shown_everything_mends_it(views: ViewsOf, client: Any, how: str) -> None:
    happen(views.run, *(f"c{number}" for number in range(2 * SLICE + 1)))
    views.work()
    views.settle()
    spoil(client, views, "c7")
    write(views.run, erased(NOW, customer="c8"))
    if how == "others took events":
        views.end()
        views.keeper.round()
        views.run.catch_up()
    else:
        views.work()
    if how in ("batch broken off", "out of time"):
        views.end(settled=how == "out of time")
        views.seconds += LEAVE_SECONDS + 1 if how == "out of time" else 0
        views.keeper.round()
    later = again(views, b"c8")
    later.settle()
    assert later.there(client) == later.due()


def test_an_emptied_redis_is_filled_again(views: ViewsOf, client: Any) -> None:
    write(views.run, *(added(NOW - 5 * HOUR, customer=name) for name in ("ann", "bob")))
    views.work()
    views.settle()
    sent = shown_in(client, views.prefix, "sent")
    client.delete(*client.keys(f"{views.prefix}*"))
    views.keeper.round()
    assert views.there(client) == {}
    views.seconds += CHECK_SECONDS
    views.settle()
    assert views.there(client) == views.due() != {}
    assert shown_in(client, views.prefix, "sent") == sent


def test_views_are_written_again_once_in_a_while(views: ViewsOf, client: Any) -> None:
    happen(views.run, "ann")
    views.work()
    views.settle()
    spoil(client, views, "ann")
    for days, healed in ((0.9, False), (1.0, True)):
        views.run.now = NOW + round(days * DAY_MS)
        views.work()
        views.seconds += CHECK_SECONDS
        views.settle()
        assert (views.there(client) == views.due()) == healed


def test_another_owner_is_left_alone_until_it_is_silent_for_long(views: ViewsOf, client: Any) -> None:
    views.settle()
    other = ViewMark(owner="other")
    views.store.swap(0, other)
    happen(views.run, "ann")
    views.work()
    for _ in range(3):
        views.seconds += RECLAIM_SECONDS - 1
        views.keeper.round()
        assert views.there(client) == {}
        other = ViewMark(owner="other", refreshed_at=other.refreshed_at + 1)
        views.store.swap(0, other)
    views.keeper.round()
    views.seconds += RECLAIM_SECONDS
    views.settle()
    assert views.there(client) == views.due() != {}


def test_a_former_owner_writes_nothing_over_its_successor(views: ViewsOf, client: Any) -> None:
    happen(views.run, "ann")
    views.work()
    views.keeper.round()
    happen(views.run, "ann", at=NOW)
    views.work()
    views.end()
    later = again(views)
    later.settle()
    spoil(client, views, "ann")
    views.keeper.round()
    assert later.there(client) == {b"ann": {}}
    assert views.outbox.parts() == []


def test_too_many_that_wait_are_written_anew_later(redis_server: RedisServer, run: Run, client: Any) -> None:
    views = ViewsOf(redis_server.url, run, most=10)
    views.begin()
    views.settle()
    write(run, erased(NOW, customer="x"), *(order(NOW, customer=f"c{number}") for number in range(25)))
    client.set(f"{views.prefix}offbeat:customer:c0", "{}")
    views.outbox.flowing = False
    views.work()
    assert views.metrics.registry.get_sample_value("offbeat_views_dropped_total") == 25
    assert views.outbox.waiting == 1
    views.settle()
    assert views.there(client) == views.due()


def test_what_failed_waits_on(views: ViewsOf, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    views.settle()
    happen(views.run, "ann")
    views.work()

    def fail(_rows: object) -> None:
        happen(views.run, "ann", at=views.run.now)  # while it is tried
        views.work()
        views.run.now += 1
        raise ViewError("away", "is away")

    with monkeypatch.context() as patch:
        patch.setattr(views.store, "write", fail)
        with pytest.raises(ViewError):
            views.keeper.round()
        happen(views.run, "bob")
        views.work()
        views.seconds += 100
        with pytest.raises(ViewError):
            views.keeper.round()
        assert views.metrics.registry.get_sample_value("offbeat_views_behind_seconds") == 100
        assert views.metrics.registry.get_sample_value("offbeat_views_waiting") == 2
    views.settle()
    assert views.there(client) == views.due()
    assert views.due().keys() == {b"ann", b"bob"}
    assert views.metrics.registry.get_sample_value("offbeat_views_behind_seconds") == 0
