"""The demo: real orders stay real, every run fires the same, the figures are right, and nothing is left behind."""

import asyncio
import importlib.metadata
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

import streams
from agents.core import Core
from agents.decisions import Decision, Trigger
from agents.rules import Rules
from streams.commands import run
from streams.decode import decoder
from streams.demo import flow
from streams.demo.cdnow import BEGIN, DAY, END, read_cdnow
from streams.demo.errors import DemoError
from streams.demo.feed import demo_lines
from streams.demo.flow import run_through
from streams.demo.gauges import Gauges
from streams.demo.page import span
from streams.demo.stage import READY, Stage, worker_environment
from streams.demo.story import Storyteller, irregularity
from streams.demo.tally import Fired, Tally, moment
from streams.demo.truth import Truth, judge, orders_of
from streams.logs import LogLine
from streams.settings import Settings
from tables.events import PURCHASES, SOURCES
from tables.parameters import BUILTIN

ROOT = Path(streams.__file__).parent.parent
PROGRAM = [sys.executable, "-m", "streams", "demo"]
FEW = 200
"""Customers of a run that takes a second once the worker is there."""


# -- the orders and what is simulated around them


def test_the_log_is_the_whole_log() -> None:
    orders = read_cdnow()
    assert len(orders) == 23_570
    assert sum(map(len, orders.values())) == 69_659
    assert min(row.day for rows in orders.values() for row in rows) == BEGIN
    assert max(row.day for rows in orders.values() for row in rows) == END - DAY
    assert [tuple(row[1:]) for row in orders["00002"]] == [(1, 12.0), (5, 77.0)]
    assert list(read_cdnow(10)) == sorted(orders)[:: len(orders) // 10][:10]


def test_customers_dates_and_amounts_of_orders_stay_as_they_are() -> None:
    orders = read_cdnow(2000)
    found: dict[str, list[tuple[int, int, float]]] = {}
    for line in demo_lines(orders):
        if line.source == PURCHASES:
            event = msgspec.json.decode(line.value)
            assert event["customer_id"] == line.key.decode()
            cds = sum(item["quantity"] for item in event["items"])
            found.setdefault(event["customer_id"], []).append((line.at // DAY * DAY, cds, event["total"]))
    # two orders of a day may change places with nothing but their time of day
    assert found == {customer: [tuple(row) for row in rows] for customer, rows in orders.items()}


def test_lines_are_valid_events_in_merged_order() -> None:
    lines = demo_lines(read_cdnow(1000))
    decoders = {source: decoder(source) for source in SOURCES}
    ids = set()
    for line in lines:
        event, at = decoders[line.source](line.key, line.value, END)
        ids.add(event.event_id)  # type: ignore[union-attr]
        assert BEGIN <= at == line.at == line.effective < END
    assert len(ids) == len(lines)
    places = [(line.effective, SOURCES.index(line.source)) for line in lines]
    assert places == sorted(places)


def test_what_is_simulated_follows_from_seed_and_customer_alone() -> None:
    orders = read_cdnow(300)
    lines = demo_lines(orders, seed=7)
    assert lines == demo_lines(read_cdnow(300), seed=7)
    other = demo_lines(orders, seed=8)
    assert lines != other
    one = next(iter(orders))
    alone = demo_lines({one: orders[one]}, seed=7)
    assert alone == [line for line in lines if line.key == one.encode()]


def test_without_its_package_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def missing(_: str) -> None:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "files", missing)
    assert run(["demo"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "`make setup`" in err


# -- what is told of it


def fired(kind: str, customer: str, at: int, name: str = "") -> Fired:
    return Fired(name or f"{kind}/{customer}/{at}", kind, customer, at, "because", {})


def test_share_of_those_who_stayed_away() -> None:
    end = BEGIN + 400 * DAY
    at = BEGIN + 100 * DAY
    orders = {
        "never": [BEGIN],
        "later": [BEGIN, at + 90 * DAY + 1],
        "just": [BEGIN, at + 90 * DAY],
        "soon": [BEGIN, at + 1, at + 200 * DAY],
        "then": [BEGIN, at],
    }
    triggers = [fired("repurchase.overdue", customer, at) for customer in orders]
    triggers.append(fired("repurchase.overdue", "never", end - 90 * DAY))
    triggers.append(fired("repurchase.overdue", "never", end - 90 * DAY + 1))  # too late to tell
    triggers.append(fired("first_purchase.lapsed", "soon", at))
    triggers.append(fired("basket.grown", "never", end))
    assert judge(triggers, orders, end) == {
        "repurchase.overdue": Truth(6, 4),
        "first_purchase.lapsed": Truth(1, 0),
    }
    assert Truth(6, 4).share == pytest.approx(2 / 3)


def message(name: str, **fields: object) -> bytes:
    common = {"trigger_id": name, "type": "cart.abandoned", "customer_id": "1", "reason": "left"}
    return msgspec.json.encode(common | {"fired_at": "1997-03-01T10:00:00.000Z", "evidence": {}} | fields)


def test_tally_counts_a_message_once_and_knows_its_answer() -> None:
    tally = Tally()
    cancelled = message("a", type="cart.abandoned.cancelled", cancelled_at="1997-03-01T12:00:00.000Z")
    for value in (message("a"), message("b"), message("a"), cancelled, cancelled):
        tally.take(value)
    assert tally.fired == {"cart.abandoned": 2}
    assert tally.answered == {"cart.abandoned": 1}
    assert tally.median_answer("cart.abandoned") == 2 * 3_600_000
    assert tally.median_answer("repurchase.due") is None
    assert tally.latest["cart.abandoned"].trigger_id == "b"


def test_gauges_read_the_workers_metrics() -> None:
    gauges = Gauges("127.0.0.1:1")
    text = 'offbeat_events_total{{type="a"}} {}\noffbeat_events_total{{type="b"}} 10.0\noffbeat_events_created 7e+08\n'
    gauges.read(text.format("0.0"), 100.0)
    assert (gauges.taken, gauges.reached, gauges.rate) == (10, (0, 0), 0.0)
    times = 'offbeat_event_time_seconds{partition="0"} 8.6e+08\noffbeat_event_time_seconds{partition="1"} 8.7e+08\n'
    gauges.read(text.format("500.0") + times, 101.0)
    assert (gauges.taken, gauges.reached, gauges.rate) == (510, (860_000_000_000, 870_000_000_000), 500.0)
    assert span(gauges.reached) == "02 Apr 1997 to 27 Jul 1997"
    gauges.look()  # nobody answers at port 1: what was seen stays
    assert gauges.taken == 510


def test_irregularity_is_of_days_with_orders() -> None:
    every_20 = [BEGIN + 20 * DAY * i for i in range(6)]
    assert irregularity(every_20) == 0.0
    assert irregularity([*every_20, every_20[-1] + 3_600_000]) == 0.0
    assert irregularity(every_20[:5]) is None
    assert irregularity([BEGIN + 200 * DAY * i for i in range(6)]) is None
    uneven = irregularity([*every_20, every_20[-1] + 40 * DAY])
    assert uneven is not None
    assert uneven > 0.3


def test_stories_of_a_run_are_about_who_they_say() -> None:
    lines = demo_lines(read_cdnow(6000))
    tally = Tally()
    for decision in decisions_of(lines):
        tally.take(msgspec.json.encode(decision))
    orders = orders_of(lines)
    lost, reminded, shrunk = Storyteller(lines, tally.triggers.values(), orders).stories()
    customers = [re.findall(r"\d{5}", story.title)[0] for story in (lost, reminded, shrunk)]
    assert len(set(customers)) == 3
    told = [moment for moment in lost.moments if moment.mark == "trigger"][-1]
    assert told.text.startswith("repurchase.overdue: ")
    assert orders[customers[0]][-1] < told.at
    answered = [moment for moment in reminded.moments if moment.mark in ("order", "answer")]
    assert [moment.at for moment in answered] == [answered[0].at] * 2
    assert answered[0].at in orders[customers[1]]
    assert any(moment.text.startswith("basket.shrunk: ") for moment in shrunk.moments)
    for story in (lost, reminded, shrunk):
        times = [moment.at for moment in story.moments]
        assert times == sorted(times)
        assert 5 <= len(times) <= 12
    truths = judge(tally.triggers.values(), orders, END)
    assert truths["repurchase.overdue"].share > 0.75


# -- a run: broker, worker, replay


def decisions_of(lines: Sequence[LogLine]) -> list[Decision]:
    """What the pure core decides over the lines, with neither broker nor partitions."""
    core = Core(Rules(), BUILTIN)
    decoders = {source: decoder(source) for source in SOURCES}
    found: list[Decision] = []
    for number, line in enumerate(lines):
        event, at = decoders[line.source](line.key, line.value, END)
        if core.next_due < line.effective:
            core.advance(line.effective, 1 << 60)
        core.emitter.now = line.effective
        core.take(SOURCES.index(line.source), number, line.key, event, at)  # type: ignore[arg-type]
        if not number % 5000:
            settled = core.settle()
            found += settled.decisions
            core.adopt()
    core.advance(lines[-1].effective + 1, 1 << 60)
    return found + core.settle().decisions


def through_broker(lines: Sequence[LogLine]) -> Tally:
    tally = Tally()
    with Stage() as stage:
        stage.open_broker()
        stage.start_worker()
        stage.await_worker()
        gauges = Gauges(stage.settings.metrics)
        asyncio.run(run_through(stage, lines, tally, gauges, lambda: None))
    return tally


def test_every_run_fires_what_the_pure_core_fires() -> None:
    lines = demo_lines(read_cdnow(FEW))
    decided = decisions_of(lines)
    triggers = {(d.trigger_id, d.type, d.customer_id, moment(d.at)) for d in decided if isinstance(d, Trigger)}
    answers = {(d.trigger_id, moment(d.at)) for d in decided if not isinstance(d, Trigger)}
    assert len(triggers) > 300
    assert len(answers) > 100
    for _ in range(2):
        tally = through_broker(lines)
        came = tally.triggers.values()
        assert {(f.trigger_id, f.type, f.customer, f.at) for f in came} == triggers
        assert {(f.trigger_id, f.answered_at) for f in came if f.answered_at is not None} == answers
        assert tally.suppressed == tally.dead_letters == 0


def test_a_worker_that_stands_still_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flow, "STILL_SECONDS", 1.0)
    with Stage() as stage:
        stage.open_broker()
        stage.start_worker()
        stage.await_worker()
        assert stage._worker is not None
        os.kill(stage._worker.pid, signal.SIGSTOP)
        gauges = Gauges(stage.settings.metrics)
        with pytest.raises(DemoError, match=r"^nothing has moved for 1 s") as caught:
            asyncio.run(run_through(stage, demo_lines(read_cdnow(5)), Tally(), gauges, lambda: None))
    assert READY in caught.value.log


def test_the_worker_gets_no_settings_of_the_user() -> None:
    environ = worker_environment(
        Settings(brokers="127.0.0.1:1"), {"OFFBEAT_BROKERS": "shop:9092", "OFFBEAT_PREFIX": "x", "HOME": "/h"}
    )
    assert environ["OFFBEAT_BROKERS"] == "127.0.0.1:1"
    assert environ["HOME"] == "/h"
    assert "OFFBEAT_PREFIX" not in environ
    assert str(ROOT) in environ["PYTHONPATH"].split(os.pathsep)


def test_ready_is_what_the_worker_says() -> None:
    assert f'READY = "{READY}"' in (ROOT / "streams" / "worker.py").read_text()


# -- the command


@pytest.fixture
def temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for temporary files, which must be empty in the end; a user with settings that are of no use here."""
    folder, home = tmp_path / "temp", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    (home / "offbeat.toml").write_text("nonsense = 1\n")
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("OFFBEAT_BROKERS", "192.0.2.1:9092")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.chdir(home)
    yield folder
    assert list(folder.iterdir()) == []
    assert [path.name for path in home.iterdir()] == ["offbeat.toml"]


class Demo(NamedTuple):
    """A demo that runs, plainly, with all its processes."""

    process: "subprocess.Popen[str]"

    @classmethod
    def start(cls, customers: int) -> "Demo":
        return cls(
            subprocess.Popen(
                [*PROGRAM, "--customers", str(customers)],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )

    def wait_for(self, text: str) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if text in line:
                return
        pytest.fail(f"it ended without {text!r}")

    def children(self) -> dict[str, int]:
        """What runs below it, supervisors and all: process ids by command line."""
        found = {}
        below = {self.process.pid}
        for pid, parent in sorted(parents().items()):
            if parent in below:
                below.add(pid)
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
                found[command] = pid
        return found

    def end(self) -> tuple[int, str, str]:
        """Status, the rest of standard output, standard error."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


def parents() -> dict[int, int]:
    """Each living process's parent."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if state != "Z":
            found[int(stat.parent.name)] = int(parent)
    return found


def all_gone(pids: Sequence[int]) -> bool:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if not set(pids) & set(parents()):
            return True
        time.sleep(0.05)
    return False


def child(children: dict[str, int], what: str) -> int:
    """The process itself, not its supervisor."""
    return next(pid for command, pid in children.items() if what in command and "child.py" not in command)


@pytest.mark.usefixtures("temp")
def test_plain_output_has_all_of_it() -> None:
    done = subprocess.run([*PROGRAM, "--customers", "400"], capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "\x1b" not in done.stdout
    assert not [line for line in done.stdout.splitlines() if line != line.rstrip()]
    for text in (
        r"^Offbeat demo: 1,\d\d\d real orders of 400 customers \(CDNOW, 1997-98\); time of day, carts and views are",
        r"^replaying \d,\d\d\d events in event time",
        r"^\d,\d\d\d events in \d+\.\d s \([\d,]+ events/s\)",
        r"^Customer \d{5}: a cart reminder answered by an order$",
        r"^  repurchase\.overdue +\d+ +\d+ +\d+%, half of them within \d+ days$",
        r"^  first_purchase\.lapsed +yes after \d\d\.\d% of \d+ triggers$",
        r"^  your own orders and carts +.*offbeat backtest LOG\.csv --triggers OUT\.jsonl$",
    ):
        assert re.search(text, done.stdout, re.MULTILINE), text


@pytest.mark.usefixtures("temp")
@pytest.mark.parametrize(("moment", "delay"), [("starting", 0.0), ("starting", 0.6), ("replaying", 0.3)])
def test_ctrl_c_leaves_nothing(moment: str, delay: float) -> None:
    demo = Demo.start(3000)
    demo.wait_for(moment)
    time.sleep(delay)
    children = demo.children()
    assert len(children) >= (4 if delay else 0)
    os.killpg(demo.process.pid, signal.SIGINT)
    status, _, err = demo.end()
    assert (status, err) == (130, "stopped; nothing is left running\n")
    assert all_gone(list(children.values()))


def test_kill_9_leaves_nothing(temp: Path) -> None:
    demo = Demo.start(3000)
    demo.wait_for("replaying")
    children = demo.children()
    assert len(children) >= 4
    demo.process.kill()
    demo.end()
    assert all_gone(list(children.values()))
    deadline = time.monotonic() + 10
    while list(temp.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.usefixtures("temp")
@pytest.mark.parametrize(
    ("what", "says"), [("streams worker", "the worker has ended"), ("tansu", "the embedded broker has ended")]
)
def test_a_process_that_dies_is_told(what: str, says: str) -> None:
    demo = Demo.start(3000)
    demo.wait_for("replaying")
    children = demo.children()
    os.kill(child(children, what), signal.SIGKILL)
    status, out, err = demo.end()
    assert status == 1
    *log, last = err.splitlines()
    assert last.startswith(f"offbeat: {says}")
    assert log  # the worker's last lines
    assert "Traceback" not in out + err
    assert all_gone(list(children.values()))


@pytest.mark.usefixtures("temp")
@pytest.mark.parametrize("live", [True, False])
def test_on_a_terminal_it_is_a_live_page_unless_colours_are_not_wanted(
    monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    if not live:
        monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setenv("LINES", "30")
    leader, follower = pty.openpty()
    process = subprocess.Popen([*PROGRAM, "--customers", str(FEW)], stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    shown = b""
    while chunk := read(leader):
        shown += chunk
    os.close(leader)
    text = shown.decode()
    assert process.wait(10) == 0, text
    assert "Where to go next" in text
    assert ("some of the latest" in text) == live
    assert ("\x1b" in text) == live
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is there again


def read(leader: int) -> bytes:
    try:
        return os.read(leader, 65536)
    except OSError:  # the other side is closed
        return b""


def test_bad_usage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--customers", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["demo", "--help"]) == 0
    assert "simulated around the" in capsys.readouterr().out
