"""Files that are no logs get one line."""

import gzip
from pathlib import Path

import pytest

from streams.logs import LogError, read_log
from tests.support.logfiles import HEADER, T0, WALL, Write, event, packed

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
