"""`offbeat replay`: options, summary, refusals."""

import gc
import json
import os
import re
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

from streams.brokers.embedded import free_port
from streams.commands import run
from streams.settings import Settings
from tests.support.replays import T0, read_back, view

pytestmark = pytest.mark.usefixtures("own_directory")


@pytest.fixture
def at_shop(shop: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The topics of `shop` are those of the environment."""
    monkeypatch.setenv("OFFBEAT_BROKERS", shop.brokers)
    monkeypatch.setenv("OFFBEAT_PREFIX", shop.prefix)
    return shop


TABLE = """customer_id,event_time,event_type,product_id
a,2020-01-01,view,p
b,2020-01-03,purchase,
c,2020-01-02,add_to_cart,p
d,someday,view,p
"""


def test_the_command_sends_and_sums_up(at_shop: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    assert run(["replay", "log.csv"]) == 0
    out, err = capfd.readouterr()
    where = ", ".join(at_shop.sources)
    assert out.startswith(f"sent 3 events from 2020-01-01 00:00 to 2020-01-03 00:00 to {where} in ")
    assert out.endswith("; 12 time marks, 1 rejected\n")
    assert err == "rejected in the file: row 4: event_time 'someday' is neither ISO 8601 nor epoch milliseconds\n"
    records = read_back(at_shop, 15)
    assert Counter(source for (source, _), got in records.items() for r in got if r.key) == {"carts": 2, "purchases": 1}


@pytest.mark.parametrize(
    ("options", "anchor"), [((), "last"), (("--speed", "1e9"), "last"), (("--speed", "1"), "first")]
)
def test_backfill_and_shift(
    at_shop: Settings, tmp_path: Path, options: tuple[str, ...], anchor: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"\n".join(view("a", T0 + step).value for step in (0, 50)))
    began = round(time.time() * 1000)
    assert run(["replay", "log.jsonl", "--backfill", "--shift", *options]) == 0
    marks = int(re.findall(r"; (\d+) time marks", capfd.readouterr().out)[0])
    events = [json.loads(r.value) for got in read_back(at_shop, 2 + marks).values() for r in got]
    assert all(event["backfill"] for event in events)
    times = sorted(event["occurred_at"] for event in events if event["type"] != "time.mark")
    assert times[1] - times[0] == 50
    assert began <= times[anchor == "last"] <= round(time.time() * 1000)
    assert {event["occurred_at"] for event in events if event["type"] == "time.mark"} >= {times[1] + 1}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.csv"], "nowhere.csv: No such file or directory"),
        (["log.txt"], "log.txt: the name must end in .jsonl"),
        (["bad.csv"], "bad.csv: no column customer_id, event_time, event_type"),
        (["log.csv", "--speed", "0"], "'0' is neither a factor above 0 nor max"),
        (["log.csv", "--speed", "nan"], "'nan' is neither a factor above 0 nor max"),
        (["log.csv", "--speed", "inf"], "'inf' is neither a factor above 0 nor max"),
        (["log.csv", "--speed", "fast"], "'fast' is neither a factor above 0 nor max"),
        (["log.csv", "--prefix", "none-"], "no topic none-customers, none-purchases, none-carts at"),
        ([], "Missing argument 'FILE'"),
    ],
)
def test_bad_usage_is_one_line_and_status_2(
    at_shop: Settings, tmp_path: Path, arguments: list[str], message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    assert run(["replay", *arguments]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith("offbeat: ")
    assert message in err
    read_back(at_shop, 0)


def test_a_broker_that_is_away_is_a_failure(
    at_shop: Settings, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    address = f"127.0.0.1:{free_port()}"
    with warnings.catch_warnings(action="ignore", category=ResourceWarning):
        assert run(["replay", "log.csv", "--brokers", address, "--prefix", at_shop.prefix]) == 1
        gc.collect()  # kafka-python forgets sockets that it could not connect
    out, err = capfd.readouterr()
    assert out == ""
    assert err.startswith(f"offbeat: no broker at {address}")
    assert err.count("\n") == 1


def test_as_a_process_on_a_terminal_and_off_it(at_shop: Settings, tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(TABLE)
    command = [sys.executable, "-m", "streams", "replay", str(tmp_path / "log.csv")]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    plain = subprocess.run(command, capture_output=True, text=True, env=env, check=True)
    assert plain.stdout.startswith("sent 3 events")
    assert "\x1b" not in plain.stdout + plain.stderr
    screen = subprocess.run(command, capture_output=True, text=True, env=env | {"FORCE_COLOR": "1"}, check=True)
    assert screen.stdout.startswith("sent 3 events")
    assert "\x1b[" in screen.stderr
    assert sum(bool(r.key) for got in read_back(at_shop, 30).values() for r in got) == 6
