"""`offbeat backtest`: the whole way from a file to triggers, as a user runs it."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from streams.commands import offbeat, run
from tables.parameters import BUILTIN, dump_parameters
from tests.support.workers import ROOT

LOG = """\
customer_id,event_time,event_type,order_id,product_id,category,quantity,amount,currency
ann,2024-01-01T10:00:00Z,add_to_cart,,tea,drinks,2,10.00,EUR
ann,2024-01-01T12:00:00Z,add_to_cart,,pot,kitchen,1,25.00,EUR
bob,2024-01-01T12:30:00Z,add_to_cart,,tea,drinks,1,5.00,EUR
bob,2024-01-01T13:00:00Z,purchase,b1,tea,drinks,1,5.00,EUR
ann,2024-01-01T20:00:00Z,purchase,a1,tea,drinks,2,10.00,EUR
ann,2024-01-01T20:00:00Z,purchase,a1,pot,kitchen,1,25.00,EUR
"""


def backtest(*arguments: str | Path) -> Result:
    return CliRunner().invoke(offbeat, ["backtest", *map(str, arguments)])


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log.csv"
    path.write_text(LOG)
    return path


def test_a_cart_left_and_then_bought(log: Path, tmp_path: Path) -> None:
    out = tmp_path / "triggers.jsonl"
    result = backtest(log, "--triggers", out)
    assert result.exit_code == 0
    assert "1 triggers" in result.stdout
    fired, cancelled = lines_of(out)
    assert fired["topic"] == cancelled["topic"] == "triggers.cart"
    assert (fired["ce_type"], cancelled["ce_type"]) == ("cart.abandoned", "cart.abandoned.cancelled")
    assert fired["customer_id"] == "ann"
    assert fired["fired_at"] == fired["due_at"] == "2024-01-01T16:00:00.000Z"
    assert fired["expires_at"] == "2024-01-04T16:00:00.000Z"
    assert fired["reason"] == "2 products worth 35.00 left in the cart, untouched for 4 hours, no order since"
    assert [item["product_id"] for item in fired["cart"]["items"]] == ["tea", "pot"]
    assert cancelled["trigger_id"] == fired["trigger_id"]
    assert cancelled["cause"]["order_id"] == "a1"
    assert cancelled["cancelled_at"] == "2024-01-01T20:00:00.000Z"


def test_summary_as_json(log: Path) -> None:
    summary = json.loads(backtest(log, "--json").stdout)
    assert (summary["events"], summary["customers"], summary["rejected"]) == (5, 2, 0)
    assert summary["triggers"]["cart.abandoned"] == {"fired": 1, "cancelled": 1, "suppressed": 0}


def test_triggers_to_standard_output_alone(log: Path) -> None:
    result = backtest(log, "--triggers", "-")
    assert [json.loads(line)["ce_type"] for line in result.stdout.splitlines()] == [
        "cart.abandoned",
        "cart.abandoned.cancelled",
    ]


def test_rules_and_parameters_of_files(log: Path, tmp_path: Path) -> None:
    rules, parameters, out = tmp_path / "rules.toml", tmp_path / "parameters.json", tmp_path / "out.jsonl"
    rules.write_text('["cart.abandoned"]\nafter = "20m"\n')
    parameters.write_bytes(dump_parameters(BUILTIN))
    assert backtest(log, "--rules", rules, "--parameters", parameters, "--triggers", out).exit_code == 0
    assert Counter(line["customer_id"] for line in lines_of(out) if "cancelled" not in line["ce_type"]) == {
        "ann": 2,
        "bob": 1,
    }
    assert backtest(log, "--parameters", "builtin").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("missing.csv",), "missing.csv"),
        (("LOG", "--parameters", "missing.json"), "missing.json"),
        (("LOG", "--rules", "missing.toml"), "missing.toml"),
        (("LOG", "--train-until", "later"), "'later' is no date"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    log: Path, arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [str(log) if argument == "LOG" else argument for argument in arguments]
    assert run(["backtest", *given]) == 2
    told = capsys.readouterr().err.strip()
    assert says in told
    assert "\n" not in told


def test_what_cannot_be_written_leaves_nothing(log: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["backtest", str(log), "--triggers", str(tmp_path / "no" / "out.jsonl")]) == 1
    assert "out.jsonl" in capsys.readouterr().err
    bad = tmp_path / "bad.jsonl"
    bad.write_bytes(b"\xff\xfe rubbish")
    assert run(["backtest", str(bad), "--triggers", str(tmp_path / "out.jsonl")]) == 2
    assert not list(tmp_path.glob("out*"))


def test_a_link_stays_a_link(log: Path, tmp_path: Path) -> None:
    kept, link = tmp_path / "kept.jsonl", tmp_path / "link.jsonl"
    kept.write_text("old\n")
    link.symlink_to(kept)
    assert backtest(log, "--triggers", link).exit_code == 0
    assert link.is_symlink()
    assert len(lines_of(kept)) == 2


def test_what_is_no_file_is_written_to_and_never_replaced(log: Path, tmp_path: Path) -> None:
    """A pipe here; it is the same with a device."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        assert backtest(log, "--triggers", pipe).exit_code == 0
        assert os.read(reader, 65536).count(b"\n") == 2
    finally:
        os.close(reader)
    assert pipe.is_fifo()
    assert not list(tmp_path.glob("*.part"))


def test_a_reader_of_triggers_that_leaves_early_is_no_error(log: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "streams", "backtest", str(log), "--triggers", "-"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_refused_lines_are_told(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl"
    view = {"type": "product.viewed", "event_id": "1", "customer_id": "a", "product_id": "p"}
    good, old = (json.dumps({**view, "occurred_at": f"{year}-01-01T00:00:00Z"}) for year in (2024, 1970))
    path.write_text(f"{good}\n{old}\nnonsense\n")
    result = backtest(path, "--json")
    assert json.loads(result.stdout)["rejected"] == 2
    assert "line 3" in result.stderr
    assert "1970" in result.stderr or "before 1990" in result.stderr


def test_the_cdnow_log(cdnow: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.jsonl"
    summary = json.loads(backtest(cdnow, "--triggers", out, "--json").stdout)
    assert (summary["events"], summary["customers"], summary["rejected"]) == (69_659, 23_570, 0)
    lines = lines_of(out)
    fired = [line for line in lines if not line["ce_type"].endswith(".cancelled")]
    assert Counter(line["ce_type"] for line in fired) == {
        name: counts["fired"] for name, counts in summary["triggers"].items() if counts["fired"]
    }
    assert len({line["trigger_id"] for line in fired}) == len(fired)
    assert [line["fired_at"] for line in fired] == sorted(line["fired_at"] for line in fired)
    known = {line["trigger_id"] for line in fired}
    assert all(line["trigger_id"] in known for line in lines)
    again = tmp_path / "again.jsonl"
    backtest(cdnow, "--triggers", again)
    assert again.read_bytes() == out.read_bytes()
