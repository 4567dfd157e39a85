"""Logs as JSON lines: order, what is no event, moved times, progress."""

import io
import itertools
from collections import defaultdict
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streams.logs.chunks
from streams.flow.decode import EARLIEST
from streams.logs import LogError, LogLine, read_log
from tables.events import SOURCES
from tests.support.logfiles import DAY, T0, WALL, Write, check_valid, event, packed


def test_topics_are_merged_by_time_with_ties_in_the_order_of_the_sources(write: Write) -> None:
    lines = [
        event("product.viewed", "a", T0),
        event("product.viewed", "b", T0 + 2),
        event("order.cancelled", "a", T0),
        event("order.cancelled", "c", T0 + 1),
        event("customer.erased", "a", T0),
        event("customer.erased", "d", T0 + 3),
    ]
    log = read_log(write("log.jsonl", b"\n".join(lines)), wall=WALL)
    got = list(log.lines())
    assert [(line.source, line.key, line.at) for line in got] == [
        ("customers", b"a", T0),
        ("purchases", b"a", T0),
        ("carts", b"a", T0),
        ("purchases", b"c", T0 + 1),
        ("carts", b"b", T0 + 2),
        ("customers", b"d", T0 + 3),
    ]
    assert sorted(line.value for line in got) == sorted(lines)
    assert (log.total, log.span, log.progress) == (6, (T0, T0 + 3), 1.0)
    assert list(log.lines()) == got


def test_a_late_line_stays_late(write: Write) -> None:
    lines = [
        event("order.cancelled", "a", T0 + 10),
        event("order.cancelled", "b", T0 + 5),
        event("product.viewed", "v", T0 + 7),
        event("order.cancelled", "c", T0 + 12),
    ]
    got = list(read_log(write("log.ndjson", b"\n".join(lines) + b"\n"), wall=WALL).lines())
    assert [(line.key, line.at - T0, line.effective - T0) for line in got] == [
        (b"v", 7, 7),
        (b"a", 10, 10),
        (b"b", 5, 10),
        (b"c", 12, 12),
    ]


times = st.integers(0, 6).map(lambda step: T0 + step)
kinds = st.sampled_from(["order.cancelled", "product.viewed", "customer.erased"])


@settings(max_examples=150, deadline=None)
@given(
    events=st.lists(st.tuples(kinds, times), max_size=30),
    split=st.integers(20, 200),
    name=st.sampled_from(["log.jsonl", "log.json.gz", "log.ndjson.zst"]),
)
def test_the_merge_is_that_of_the_definition(
    events: list[tuple[str, int]], split: int, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Against a plain sort: running maximum per topic, then (effective, source), stable."""
    source_of = {"order.cancelled": "purchases", "product.viewed": "carts", "customer.erased": "customers"}
    content = b"".join(event(kind, str(i), at) + b"\n" for i, (kind, at) in enumerate(events))
    reached: dict[str, int] = defaultdict(int)
    expected: list[tuple[int, int, int]] = []
    for i, (kind, at) in enumerate(events):
        reached[kind] = max(reached[kind], at)
        expected.append((reached[kind], SOURCES.index(source_of[kind]), i))
    path = tmp_path_factory.mktemp("logs") / name
    path.write_bytes(packed(name, content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams.logs.chunks, "_SIZE", split)
        got = list(read_log(path, wall=WALL).lines())
    assert [(line.effective, SOURCES.index(line.source), int(line.key)) for line in got] == sorted(expected)
    assert all(line.value == event(*events[int(line.key)][:1], line.key.decode(), line.at) for line in got)


def test_bytes_are_passed_on_unchanged(write: Write) -> None:
    odd = b'{ "occurred_at":"2023-11-14T22:13:20.000+00:00","price": 1.10, "unknown":[1,{"x":null}],'
    odd += b'"product_id":"\\u00e4", "customer_id":"k\xc3\xb6ln",   "event_id":"e", "type":"product\\u002eviewed" }'
    log = read_log(write("log.jsonl", b"\xef\xbb\xbf" + odd + b"\r\n\r\n   \n"), wall=WALL)
    assert list(log.lines()) == [LogLine("carts", "köln".encode(), odd, T0, T0)]
    assert log.rejected.count == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"total": -1, "order_id": "o", "currency": "EUR", "items": []},
        {"order_id": "o", "total": 1e300, "currency": "EUR", "items": []},
        {"order_id": "o", "total": 1, "currency": "EUR", "items": [], "occurred_at": "yesterday"},
        {"order_id": "o", "total": 1, "currency": "EUR", "items": [], "occurred_at": WALL + 2 * 3_600_000},
        {"order_id": "o", "total": 1, "currency": "EUR", "items": [], "occurred_at": 1_700_000_000},
        {"order_id": "o", "total": 1, "currency": "EUR", "items": [], "occurred_at": None},
        {},
    ],
)
def test_a_wrong_event_goes_to_the_worker_at_its_place_and_moves_no_time(
    write: Write, fields: dict[str, object]
) -> None:
    wrong = event("order.completed", "w", T0 + 50, **fields)
    lines = [
        event("order.cancelled", "a", T0 + 10),
        wrong,
        event("order.cancelled", "b", T0 + 20),
        event("product.viewed", "v", T0 + 15),
    ]
    log = read_log(write("log.jsonl", b"\n".join(lines)), wall=WALL, backfill=True)
    got = list(log.lines())
    assert [(line.key, line.at - T0, line.effective - T0) for line in got] == [
        (b"a", 10, 10),
        (b"w", 10, 10),
        (b"v", 15, 15),
        (b"b", 20, 20),
    ]
    assert got[1].value == wrong
    assert (log.span, log.rejected.count) == ((T0 + 10, T0 + 20), 0)


def test_a_wrong_event_before_any_time_is_known(write: Write) -> None:
    content = event("order.cancelled", "w", "never") + b"\n" + event("product.viewed", "v", T0)
    got = list(read_log(write("log.jsonl", content), wall=WALL).lines())
    assert [(line.key, line.effective) for line in got] == [(b"w", EARLIEST), (b"v", T0)]


def test_what_is_no_event_is_counted_with_its_line(write: Write) -> None:
    bad = [
        b"nonsense",
        b"[1]",
        b'"text"',
        b"null",
        b'{"type":"order.shipped","customer_id":"a"}',
        b'{"customer_id":"a"}',
        b'{"type":7,"customer_id":"a"}',
        b'{"type":"order.completed"}',
        b'{"type":"order.completed","customer_id":17}',
        b'{"type":"order.completed","customer_id":""}',
        b'{"type":"order.completed","customer_id":"\\ud800"}',
        b'{"type":"order.completed","customer_id":"\xff"}',
        b'{"\xff":1}',
        b'{"type":"product.viewed","customer_id":"a","x":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"\x00\x01\x02",
        b'{"type":"order.completed","customer_id":"a"',
    ]
    good = event("product.viewed", "a", T0)
    mark = b'{"type":"time.mark","occurred_at":1700000000000}'
    broken_mark = b'{"type":"time.mark"}'
    content = b"\n".join(
        [good, mark, broken_mark, b"", *(line for pair in zip(bad, [good] * len(bad), strict=True) for line in pair)]
    )
    log = read_log(write("log.jsonl", content), wall=WALL)
    assert [line.value for line in log.lines()] == [good] * (1 + len(bad))
    assert log.rejected.count == len(bad)
    assert [reason.split(": ")[0] for reason in log.rejected.reasons] == [f"line {n}" for n in (5, 7, 9, 11, 13)]
    assert log.rejected.reasons[0].startswith("line 5: not JSON")
    assert log.rejected.reasons[1] == "line 7: not a JSON object"
    assert log.rejected.reasons[4] == "line 13: unknown type 'order.shipped'"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"type":7,"customer_id":"a"}', "no type"),
        (b'{"type":"order.completed"}', "no customer_id"),
        (b'{"\xff":1}', "not UTF-8"),
        (b'{"type":"product.viewed","x":' + b"[" * 10_000, "nested too deeply"),
    ],
)
def test_reasons(write: Write, line: bytes, reason: str) -> None:
    log = read_log(write("log.jsonl", line + b"\n" + event("product.viewed", "a", T0)), wall=WALL)
    assert log.rejected.reasons == [f"line 1: {reason}"]


def test_a_huge_line_is_refused_and_not_held(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.logs.chunks._SIZE", 100)
    monkeypatch.setattr("streams.logs.chunks.LONGEST", 1000)
    monkeypatch.setattr("streams.logs.lines.LONGEST", 1000)
    good = event("product.viewed", "a", T0)
    fits = event("product.viewed", "b", T0, category="x" * 400)
    content = b"\n".join([good, b'{"type":"' + b"x" * 5000 + b'"}', fits, good, b"y" * 3000])
    log = read_log(write("log.jsonl", content), wall=WALL)
    assert [line.value for line in log.lines()] == [good, fits, good]
    assert [reason[:18] for reason in log.rejected.reasons] == ["line 2: longer than"[:18], "line 5: longer than"[:18]]
    assert max(map(len, streams.logs.chunks.chunks(io.BytesIO(content)))) <= 1100


def test_backfill_and_shift_change_nothing_else(write: Write) -> None:
    order = (
        b'{"type":"order.completed","event_id":"e","customer_id":"a","occurred_at":"2023-11-14T23:13:20+01:00",'
        b'"order_id":"o","total":10.10,"currency":"EUR","extra":{"a" : 1.50},"items":[{"product_id":"p","quantity":1,'
        b'"launched_at":"2023-11-14","warranty_until":"2023-11-15T22:13:20Z","price":3.10},{"product_id":"q","quantity":2.0}]}'
    )
    view = event("product.viewed", "b", T0 - DAY)
    now = T0 + 100 * DAY + 7
    log = read_log(write("log.jsonl", order + b"\n" + view), wall=WALL, backfill=True, shift_to=now)
    assert log.span == (now - DAY, now)
    first, second = log.lines()
    assert (first.key, first.at, second.at) == (b"b", now - DAY, now)
    moved = 100 * DAY + 7
    launched = round(datetime(2023, 11, 14, tzinfo=UTC).timestamp() * 1000) + moved
    assert second.value == (
        order.replace(b'"2023-11-14T23:13:20+01:00"', str(now).encode())
        .replace(b'"2023-11-14"', str(launched).encode())
        .replace(b'"2023-11-15T22:13:20Z"', str(T0 + DAY + moved).encode())[:-1]
        + b',"backfill":true}'
    )
    check_valid(log)
    from_now = read_log(write("log.jsonl", order + b"\n" + view), wall=WALL, shift_to=now, anchor="first")
    assert from_now.span == (now, now + DAY)


def test_topics_one_after_another_are_not_held_in_memory(write: Write) -> None:
    """Each topic has a reader of its own, and one that is absent or done costs nothing."""
    carts = [event("product.viewed", str(i), T0 + i) for i in range(3000)]
    orders = [event("order.cancelled", str(i), T0 + i) for i in range(3000)]
    log = read_log(write("log.jsonl", b"\n".join(carts + orders)), wall=WALL)
    got = list(log.lines())
    assert [line.source for line in got] == ["purchases", "carts"] * 3000
    assert [line.value for line in got] == list(itertools.chain(*zip(orders, carts, strict=True)))


def test_progress_follows_the_lines(write: Write) -> None:
    told: list[float] = []
    content = b"\n".join(event("product.viewed", str(i), T0 + i) for i in range(5000))
    log = read_log(write("log.jsonl", content), wall=WALL, on_progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0
    seen = [log.progress for _ in log.lines()]
    assert seen == sorted(seen)
    assert 0 < seen[0] < 0.5
    assert seen[-1] == log.progress == 1.0


def test_a_file_that_shrinks_is_noticed(write: Write) -> None:
    content = b"\n".join(event("product.viewed", str(i), T0 + i) for i in range(10))
    path = write("log.jsonl", content)
    log = read_log(path, wall=WALL)
    path.write_bytes(content.split(b"\n")[0])
    with pytest.raises(LogError, match="9 lines of carts are gone"):
        list(log.lines())
    path.unlink()
    with pytest.raises(LogError, match="No such file"):
        list(log.lines())
