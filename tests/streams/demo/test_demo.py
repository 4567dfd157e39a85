"""`offbeat demo` as a process: plain or live, it ends well and leaves nothing behind."""

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

import pytest

from streams.commands import run
from tests.support.commands import read_terminal
from tests.support.workers import ROOT

PROGRAM = [sys.executable, "-m", "streams", "demo"]
FEW = 200
"""Customers of a run that takes a second once the worker is there."""


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
    text = read_terminal(leader)
    assert process.wait(10) == 0, text
    assert "Where to go next" in text
    assert ("some of the latest" in text) == live
    assert ("\x1b" in text) == live
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h")  # the cursor is there again


def test_bad_usage_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", "--customers", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["demo", "--help"]) == 0
    assert "simulated around the" in capsys.readouterr().out
