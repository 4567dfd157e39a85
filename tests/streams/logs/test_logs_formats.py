"""The same log in every format, and real ones."""

import itertools
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

from streams.flow.decode import decoder
from streams.logs import LogError, read_log
from tests.support.logfiles import DAY, HEADER, WALL, Write, packed, values

TAOBAO = Path(__file__).parents[4] / "shared" / "data" / "taobao_815users_9d.csv.zst"


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


def test_cdnow(cdnow: Path) -> None:
    log = read_log(cdnow)
    lines = list(log.lines())
    assert (len(lines), log.total, log.rejected.count) == (69_659, 69_659, 0)
    assert len({line.key for line in lines}) == 23_570
    assert {line.source for line in lines} == {"purchases"}
    assert len({msgspec.json.decode(line.value)["event_id"] for line in lines}) == 69_659
    table = pyarrow.csv.read_csv(cdnow)
    total = sum(msgspec.json.decode(line.value)["total"] for line in lines)
    assert total == pytest.approx(table["amount"].to_numpy().sum(), rel=1e-12)
    assert all(earlier.effective <= later.effective for earlier, later in itertools.pairwise(lines))
    for line in lines[::97]:
        decoder(line.source)(line.key, line.value, WALL)


@pytest.mark.skipif(not TAOBAO.exists(), reason=f"{TAOBAO.name} does not come with the project")
def test_taobao() -> None:
    log = read_log(TAOBAO)
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
