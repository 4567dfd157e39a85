"""A child that cannot outlive its parent; the rest is shown by the brokers that are such children."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from streams.brokers.child import Child, ChildStartError

PARENT = """
import sys, time
from pathlib import Path
from streams.brokers.child import Child
child = Child(["/bin/sh", "-c", "trap '' TERM; sleep 60"], leavings=Path(sys.argv[1]))
print(child.pid, flush=True)
time.sleep(60)
"""


def test_leavings_go_with_a_killed_parent(tmp_path: Path) -> None:
    leavings = tmp_path / "data"
    leavings.mkdir()
    (leavings / "log").write_text("x")
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(leavings)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout as told:
        pid = int(told.readline())
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    deadline = time.monotonic() + 10
    while leavings.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not leavings.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_stop_keeps_leavings_and_tells_the_child(tmp_path: Path) -> None:
    done = tmp_path / "done"
    script = f"trap 'echo bye > {done}; exit' TERM; echo ready; while :; do sleep 0.05; done"
    child = Child(["/bin/sh", "-c", script], leavings=tmp_path)
    while child.log_tail() != "ready":
        assert child.alive
        time.sleep(0.01)
    child.stop()
    assert done.read_text() == "bye\n"
    assert not child.alive
    child.stop()


def test_its_output_and_its_end_are_seen() -> None:
    child = Child(["/bin/sh", "-c", "for i in 1 2 3; do echo line $i; done; exit 7"])
    deadline = time.monotonic() + 10
    while child.alive and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not child.alive
    assert child.log_tail(2) == "line 2\nline 3"
    child.stop()


def test_it_gets_the_environment_it_is_given() -> None:
    child = Child(["/bin/sh", "-c", 'echo "$A-$HOME"'], env={"A": "b"})
    while child.alive:
        time.sleep(0.01)
    assert child.log_tail() == "b-"
    child.stop()


def test_what_cannot_be_executed_says_why(tmp_path: Path) -> None:
    with pytest.raises(ChildStartError, match=r"^cannot run .*/nothing: No such file or directory$"):
        Child([str(tmp_path / "nothing")])
