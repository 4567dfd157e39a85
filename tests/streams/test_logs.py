"""Logs in files: formats, order, rubbish."""

import gzip
import io
import itertools
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import streams.logs.chunks
from streams.decode import EARLIEST, decoder
from streams.logs import Log, LogError, LogLine, read_log
from tables.events import SOURCES

HEADER = "customer_id,event_time,event_type,order_id,product_id,category,quantity,amount,currency\n"
DATA = Path(__file__).parents[3] / "shared" / "data"
DAY = 86_400_000
T0 = 1_700_000_000_000
WALL = T0 + 1000 * DAY
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return to_file


def event(kind: str, customer: str, at: object, **fields: object) -> bytes:
    needed: dict[str, dict[str, object]] = {"product.viewed": {"product_id": "p"}, "order.cancelled": {"order_id": "o"}}
    return json.dumps(
        {"type": kind, "event_id": f"{kind}-{at}", "customer_id": customer, "occurred_at": at}
        | needed.get(kind, {})
        | fields
    ).encode()


def values(log: Log) -> list[dict[str, Any]]:
    return [json.loads(line.value) for line in log.lines()]


def row_values(write: Write, *rows: str) -> tuple[list[dict[str, Any]], Log]:
    log = read_log(write("log.csv", HEADER + "".join(f"{row}\n" for row in rows)), wall=WALL)
    return values(log), log


def check_valid(log: Log) -> None:
    """Every line is an event that the worker takes, with the times that the line says."""
    for line in log.lines():
        _, at = decoder(line.source)(line.key, line.value, WALL)
        assert at == line.at <= line.effective


# --- JSON lines ------------------------------------------------------------------------------------------------------


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


def packed(name: str, content: bytes) -> bytes:
    if name.endswith(".gz"):
        return gzip.compress(content)
    if name.endswith(".zst"):
        squeezed: bytes = pa.compress(content, codec="zstd", asbytes=True) if content else b""
        return squeezed
    return content


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


# --- files that are none ---------------------------------------------------------------------------------------------

GOOD_LINES = b"\n".join(event("product.viewed", str(i) * 9, T0 + i * i * i) for i in range(3000))
GOOD_ROWS = (HEADER + "".join(f"c{i * i * i},{T0 + i},view,,p{i * i},,,,\n" for i in range(3000))).encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("log.txt", b"", "must end in .jsonl"),
        ("log", b"", "must end in .jsonl"),
        ("log.gz", b"", "must end in .jsonl"),
        ("log.jsonl.bz2", b"", "must end in .jsonl"),
        ("log.json", b'[{"type":"product.viewed"}]', "a JSON array; wanted is one event a line"),
        ("log.json", b"[\n", "a JSON array"),
        ("log.jsonl", b"\x00\xff\n\x01", "holds no event that can be understood; line 1: not JSON"),
        ("log.jsonl", '{"type":"product.viewed"}'.encode("utf-16"), "holds no event"),
        ("log.jsonl", GOOD_ROWS, "holds no event that can be understood; line 1: not JSON"),
        ("log.jsonl.gz", GOOD_LINES, "damaged"),
        ("log.jsonl.zst", GOOD_LINES, "damaged"),
        ("log.jsonl.gz", gzip.compress(GOOD_LINES)[:-2000], "damaged: Truncated"),
        ("log.jsonl.zst", packed(".zst", GOOD_LINES)[:-2000], "damaged: Truncated"),
        ("log.csv.gz", gzip.compress(GOOD_ROWS)[:-2000], "Truncated"),
        ("log.csv.zst", packed(".zst", GOOD_ROWS)[:-2000], "Truncated"),
        ("log.csv.zst", GOOD_ROWS, "log.csv.zst: "),
        ("log.csv", b"", "no header and rows; wanted are customer_id, event_time, event_type"),
        ("log.csv", b"\n\n", "no header and rows"),
        ("log.csv", b"a,b,c\n1,2,3\n", "no column customer_id, event_time, event_type; .* found are 'a', 'b', 'c'"),
        ("log.csv", GOOD_ROWS.replace(b",", b";"), "no column customer_id"),
        ("log.csv", b"customer_id,event_time,event_type,amount,amount\n", "the column amount is there twice"),
        ("log.csv", GOOD_LINES, "log.csv: "),
        ("log.csv", b"\x00\x01\xff\xfe" * 100, "log.csv: "),
        ("log.csv", HEADER.encode() + b"caf\xe9,2020-01-01,view,,p,,,,\n", "invalid UTF8"),
        (
            "log.csv",
            HEADER.encode() + b'a,"' + b"x\n" * (5 << 20),
            "row 1: 2 values instead of 9; is a quote not closed",
        ),
        ("log.csv", HEADER.encode() + b"a,never,view,,p,,,,\n", "holds no event .*; row 1: event_time 'never'"),
        ("log.parquet", b"", "log.parquet: "),
        ("log.parquet", GOOD_ROWS, "log.parquet: "),
        ("log.parquet.gz", gzip.compress(GOOD_ROWS), "log.parquet.gz: "),
    ],
)
def test_a_file_that_is_no_log_gets_one_line(write: Write, name: str, content: bytes, message: str) -> None:
    path = write(name, content)
    with pytest.raises(LogError, match=message) as caught:
        read_log(path, wall=WALL)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_no_file_and_no_regular_file(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"nowhere\.csv: No such file or directory"):
        read_log(tmp_path / "nowhere.csv")
    (tmp_path / "folder.jsonl").mkdir()
    with pytest.raises(LogError, match="not a file"):
        read_log(tmp_path / "folder.jsonl")


@pytest.mark.parametrize(("name", "content"), [("log.jsonl", b""), ("log.jsonl.gz", b""), ("log.csv", HEADER.encode())])
def test_an_empty_log_is_a_log(write: Write, name: str, content: bytes) -> None:
    log = read_log(write(name, content))
    assert (list(log.lines()), log.total, log.span, log.progress, log.rejected.count) == ([], 0, None, 1.0, 0)


# --- tables ----------------------------------------------------------------------------------------------------------


def test_rows_become_events(write: Write) -> None:
    got, log = row_values(
        write,
        "00001,2023-01-01T10:00:00Z,view,,p1,shoes,,,",
        "00001,2023-01-01T11:00:00+01:00,add_to_cart,,p1,shoes,2,20.5,EUR",
        "00001,2023-01-01 10:00:01,remove_from_cart,,p1,,0,,",
        "00001,2023-01-02,purchase,A1,p1,shoes,2,20.5,EUR",
        "00001,1672704000000,refund,A1,,,,-20.5,EUR",
        "00001,1672704000000,refund,A2,,,,,",
    )
    day = 1_672_531_200_000
    common = {"customer_id": "00001"}
    ten = day + 36_000_000
    view = common | {"occurred_at": ten, "product_id": "p1", "category": "shoes"}
    assert got == [
        view | {"type": "product.viewed", "event_id": "row-1"},
        view | {"type": "cart.item_added", "event_id": "row-2", "quantity": 2, "price": 10.25},
        common
        | {
            "type": "cart.item_removed",
            "event_id": "row-3",
            "product_id": "p1",
            "quantity": 1,
            "occurred_at": ten + 1000,
        },
        common
        | {"type": "order.completed", "event_id": "order-A1", "order_id": "A1", "occurred_at": day + DAY}
        | {"total": 20.5, "currency": "EUR"}
        | {"items": [{"product_id": "p1", "quantity": 2, "price": 10.25, "category": "shoes"}]},
        common
        | {
            "type": "order.refunded",
            "event_id": "row-5",
            "order_id": "A1",
            "amount": 20.5,
            "occurred_at": day + 2 * DAY,
        },
        common | {"type": "order.refunded", "event_id": "row-6", "order_id": "A2", "occurred_at": day + 2 * DAY},
    ]
    assert [line.key for line in log.lines()] == [b"00001"] * 6
    assert log.rejected.count == 0
    check_valid(log)


def test_rows_of_one_order_are_one_order_wherever_they_stand(write: Write) -> None:
    got, log = row_values(
        write,
        "a,2023-01-01T00:00:02Z,purchase,A,p2,,1,0.2,EUR",
        "b,2023-01-01T00:00:01Z,purchase,A,p9,,1,9,USD",
        "a,2023-01-01T00:00:00Z,purchase,A,p1,,1,0.1,EUR",
        "a,2023-01-01T00:00:01Z,purchase,B,,,,5,",
        "a,2023-01-01T00:00:03Z,purchase,A,,shipping,,4,EUR",
    )
    assert [(e["customer_id"], e["order_id"], e["total"], e["currency"]) for e in got] == [
        ("a", "A", 4.3, "EUR"),
        ("b", "A", 9.0, "USD"),
        ("a", "B", 5.0, "XXX"),
    ]
    assert [item["product_id"] for item in got[0]["items"]] == ["p1", "p2"]
    assert got[0]["occurred_at"] == 1_672_531_200_000
    assert [line.at for line in log.lines()] == sorted(line.at for line in log.lines())


def test_a_purchase_without_an_order_id_is_an_order_per_customer_and_time(write: Write) -> None:
    rows = ["a,2023-01-01,purchase,,p1,,,,", "a,2023-01-01,purchase,,p2,,,,", "b,2023-01-01,purchase,,p1,,,,"]
    got, _ = row_values(write, *rows, "a,2023-01-02,purchase,,p1,,,,")
    day = 1_672_531_200_000
    assert [(e["order_id"], len(e["items"]), e["total"]) for e in got] == [
        (f"a-{day}", 2, 0),
        (f"b-{day}", 1, 0),
        (f"a-{day + DAY}", 1, 0),
    ]
    path = write("log.csv", HEADER + "\n".join(rows))
    shifted = values(read_log(path, wall=WALL, shift_to=T0, backfill=True))
    assert [(e["order_id"], e["occurred_at"], e["backfill"]) for e in shifted] == [
        (f"a-{day}", T0, True),
        (f"b-{day}", T0, True),
    ]


@pytest.mark.parametrize(
    ("amounts", "total"),
    [(("1", ""), 0), (("", ""), 0), (("NaN", "2"), 0), (("5", "-1.5"), 3.5), (("0", "0"), 0), (("0.1", "0.2"), 0.3)],
)
def test_a_total_is_the_sum_and_unknown_where_a_part_is(write: Write, amounts: tuple[str, str], total: float) -> None:
    got, log = row_values(write, *(f"a,2023-01-01,purchase,A,p,,1,{amount},EUR" for amount in amounts))
    assert [e["total"] for e in got] == [total]
    assert log.rejected.count == 0
    check_valid(log)


def test_ties_of_a_table_go_by_source_then_by_row(write: Write) -> None:
    rows = ["a,2023-01-01,view,,p1,,,,", "b,2023-01-01,view,,p2,,,,", "a,2023-01-01,refund,A,,,,,"]
    _, log = row_values(write, *rows, "a,2023-01-01,purchase,B,,,,,", "a,2022-01-01,view,,p0,,,,")
    assert [json.loads(line.value)["event_id"] for line in log.lines()] == [
        "row-5",
        "row-3",
        "order-B",
        "row-1",
        "row-2",
    ]


LONG = "x" * 481


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (",2023-01-01,view,,p,,,,", "no customer_id"),
        (f"{LONG},2023-01-01,view,,p,,,,", "customer_id is longer than 480 characters"),
        ("a\0b,2023-01-01,view,,p,,,,", "customer_id holds a NUL character"),
        ("a,,view,,p,,,,", r"event_time \(empty\) is neither"),
        ("a,2023-02-30,view,,p,,,,", "event_time '2023-02-30' is neither ISO 8601 nor epoch milliseconds"),
        ("a,01/02/2023,view,,p,,,,", "event_time '01/02/2023' is neither"),
        ("a,1700000000,view,,p,,,,", r"event_time 1700000000 lies before 1990 \(milliseconds are wanted"),
        ("a,9999999999999999999999,view,,p,,,,", "is neither"),
        ("a,2100-01-01,view,,p,,,,", "more than an hour ahead"),
        ("a,0001-01-01T00:00:00+10:00,view,,p,,,,", "event_time"),
        ("a,2023-01-01,buy,,p,,,,", "event_type 'buy' is none of purchase, add_to_cart"),
        ("a,2023-01-01,,,p,,,,", r"event_type \(empty\)"),
        ("a,2023-01-01,view,,,,,,", "view without a product_id"),
        ("a,2023-01-01,add_to_cart,,,,1,,", "add_to_cart without a product_id"),
        ("a,2023-01-01,refund,,,,,5,EUR", "a refund without an order_id"),
        ("a,2023-01-01,purchase,A,p,,1,abc,EUR", "amount 'abc' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,1_0,EUR", "amount '1_0' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,inf,EUR", "amount 'inf' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,1e13,EUR", r"amount '1e13' is beyond 1e\+12"),
        ("a,2023-01-01,purchase,A,p,,many,1,EUR", "quantity 'many' is not a number"),
        ("a,2023-01-01,purchase,A,p,,1,-5,EUR", "an order with a negative total"),
        ("a,2023-01-01,purchase,A,p,,1,1,EUROPEANS", "currency is longer than 8 characters"),
        (f"a,2023-01-01,purchase,A,{LONG},,1,1,EUR", "product_id is longer"),
        (f"a,2023-01-01,purchase,A,p,{LONG * 2},1,1,EUR", "category is longer than 512"),
        ("a,2023-01-01,view,,p,,,", "8 values instead of 9"),
        ("a,2023-01-01,view,,p,,,,,", "10 values instead of 9"),
    ],
)
def test_a_row_that_cannot_be_understood_is_counted(write: Write, row: str, reason: str) -> None:
    good = "b,2023-06-01,view,,p,,,,"
    got, log = row_values(write, good, row, good)
    assert [e["event_id"] for e in got] == ["row-1", "row-3"]
    assert log.rejected.count == 1
    (told,) = log.rejected.reasons
    assert told.startswith("row 2: ")
    assert re.search(reason, told)


def test_an_order_in_several_currencies_is_refused_with_all_its_rows(write: Write) -> None:
    got, log = row_values(
        write,
        "a,2023-01-01,purchase,A,p,,1,1,EUR",
        "a,2023-01-01,purchase,B,p,,1,1,",
        "a,2023-01-01,purchase,A,p,,1,1,USD",
        "a,2023-01-01,purchase,B,p,,1,1,EUR",
    )
    assert [(e["order_id"], e["currency"]) for e in got] == [("B", "EUR")]
    assert log.rejected.count == 2
    assert log.rejected.reasons == ["row 1: an order in several currencies", "row 3: an order in several currencies"]


def test_crlf_bom_quotes_and_missing_columns(write: Write) -> None:
    content = '\ufeff"event_type",customer_id,event_time,extra,category,product_id\r\n'
    content += 'view,"a ""b"", c",2023-01-01,7,"two\nlines",p\r\n\r\nview,"007",2023-01-01,x,,p'
    got, log = values(read_log(path := write("log.csv", content), wall=WALL)), read_log(path, wall=WALL)
    assert [(e["customer_id"], e.get("category")) for e in got] == [('a "b", c', "two\nlines"), ("007", None)]
    assert log.rejected.count == 0


def test_the_reasons_shown_are_the_first_in_the_file(write: Write) -> None:
    bad = ["a,x,view,,p,,,,", "a,2023-01-01,view,,,,,,", "short", "a,2023-01-01,buy,,p,,,,"] * 3
    _, log = row_values(write, *bad, "a,2023-01-01,view,,p,,,,")
    assert log.rejected.count == 12
    assert [reason.split(":")[0] for reason in log.rejected.reasons] == [f"row {n}" for n in range(1, 6)]


# --- the same log in every format ------------------------------------------------------------------------------------

SAME = [
    "00001,2023-01-01T10:00:00Z,view,,p1,shoes,,,",
    "00002,2023-01-01T10:00:05.250Z,add_to_cart,,7,shoes,2,20.5,EUR",
    "00002,2023-01-02,purchase,0012,7,shoes,2,20.5,EUR",
    "00001,2023-01-02,purchase,,8,,1,,",
    "00002,2023-01-02T00:00:00Z,purchase,0012,9,,3,1.5,EUR",
    "00002,2023-01-03,refund,0012,,,,1.5,EUR",
]


def parquet_forms(columns: dict[str, list[Any]]) -> Iterator[pa.Table]:
    """The same columns in the types that different writers use."""
    moments = [
        datetime.fromisoformat(text).replace(tzinfo=UTC) if len(text) == 10 else datetime.fromisoformat(text)
        for text in columns["event_time"]
    ]
    floats = {name: [float(x) if x else None for x in columns[name]] for name in ("quantity", "amount")}
    texts = {name: [x or None for x in column] for name, column in columns.items()}
    yield pa.table(texts)
    yield pa.table({**texts, **floats, "event_time": pa.array(moments, pa.timestamp("us", "UTC"))})
    naive = [moment.replace(tzinfo=None) for moment in moments]
    codes = {name: pa.array(texts[name]).dictionary_encode() for name in ("event_type", "category", "currency")}
    nans = {name: [float("nan") if x is None else x for x in column] for name, column in floats.items()}
    yield pa.table({**texts, **nans, **codes, "event_time": pa.array(naive, pa.timestamp("ns"))})
    decimals = [Decimal(x) if x else None for x in columns["amount"]]
    epoch = [round(moment.timestamp() * 1000) for moment in moments]
    large = {name: pa.array(texts[name], pa.large_string()) for name in ("customer_id", "order_id")}
    yield pa.table({**texts, **large, "amount": decimals, "event_time": epoch})


@pytest.mark.parametrize("compression", ["", ".gz", ".zst"])
def test_csv_parquet_and_json_lines_give_the_same_log(write: Write, tmp_path: Path, compression: str) -> None:
    content = (HEADER + "\n".join(SAME)).encode()
    expected = list(read_log(write(f"log.csv{compression}", packed(compression, content)), wall=WALL).lines())
    assert len(expected) == 5
    lines = b"\n".join(line.value for line in expected)
    assert list(read_log(write(f"a.jsonl{compression}", packed(compression, lines)), wall=WALL).lines()) == expected
    names = HEADER.strip().split(",")
    columns = dict(zip(names, map(list, zip(*(row.split(",") for row in SAME), strict=True)), strict=True))
    for table in parquet_forms(columns):
        path = tmp_path / "log.parquet"
        pyarrow.parquet.write_table(table, path)
        path = write(f"log.PARQUET{compression}", packed(compression, path.read_bytes()))
        assert list(read_log(path, wall=WALL).lines()) == expected


def test_parquet_without_the_optional_columns_and_with_numbers_for_names(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    table = {"customer_id": [7, 8], "event_type": ["view", "view"], "product_id": [1.0, float("nan")]}
    pyarrow.parquet.write_table(pa.table({**table, "event_time": pa.array([19_000, 19_001], pa.date32())}), path)
    log = read_log(path, wall=WALL)
    assert [(e["customer_id"], e["product_id"], e["occurred_at"]) for e in values(log)] == [("7", "1", 19_000 * DAY)]
    assert log.rejected.reasons == ["row 2: view without a product_id"]


@pytest.mark.parametrize(
    ("name", "column", "message"),
    [
        ("customer_id", [1.5], "the column customer_id holds numbers with fractions; wanted is text"),
        ("customer_id", [True], "the column customer_id holds bool; wanted is text"),
        ("event_time", [1.7e12], "the column event_time holds double; wanted is ISO 8601"),
        ("amount", [[1.0]], "the column amount holds list.*; wanted are numbers"),
    ],
)
def test_parquet_columns_of_a_wrong_type(tmp_path: Path, name: str, column: list[object], message: str) -> None:
    path = tmp_path / "log.parquet"
    table: dict[str, list[object]] = {"customer_id": ["a"], "event_time": ["2023-01-01"], "event_type": ["purchase"]}
    pyarrow.parquet.write_table(pa.table({**table, name: column}), path)
    with pytest.raises(LogError, match=message) as caught:
        read_log(path, wall=WALL)
    assert str(caught.value).startswith(str(path))


# --- real logs -------------------------------------------------------------------------------------------------------


def real(name: str) -> Path:
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not in ../shared/data beside the project")
    return path


def test_cdnow() -> None:
    path = real("cdnow_master.csv.zst")
    log = read_log(path)
    lines = list(log.lines())
    assert (len(lines), log.total, log.rejected.count) == (69_659, 69_659, 0)
    assert len({line.key for line in lines}) == 23_570
    assert {line.source for line in lines} == {"purchases"}
    assert len({msgspec.json.decode(line.value)["event_id"] for line in lines}) == 69_659
    with pa.input_stream(str(path)) as stream:
        table = pyarrow.csv.read_csv(stream)
    total = sum(msgspec.json.decode(line.value)["total"] for line in lines)
    assert total == pytest.approx(table["amount"].to_numpy().sum(), rel=1e-12)
    assert all(earlier.effective <= later.effective for earlier, later in itertools.pairwise(lines))
    check_valid_sample = itertools.islice(lines, 0, None, 97)
    for line in check_valid_sample:
        decoder(line.source)(line.key, line.value, WALL)


def test_taobao() -> None:
    log = read_log(real("taobao_815users_9d.csv.zst"))
    counts: dict[str, int] = defaultdict(int)
    rows: dict[str, int] = defaultdict(int)
    for value in values(log):
        counts[value["type"]] += 1
        rows[value["type"]] += len(value.get("items", "1"))
    assert counts["product.viewed"] == 75_837
    assert counts["cart.item_added"] == 4_497
    # rows of one customer and second are one order
    assert counts["order.completed"] <= rows["order.completed"] == 1_750
    assert log.rejected.count == 0
