"""Who keeps workers running tells how they ended; a clock that is stepped is, for them alone."""

import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

from streams.brokers.embedded import free_port
from tests.chaos.slot import CLOCK, OddEnd, Slot
from tests.support.workers import environment


def wait(slot: Slot, starts: int) -> None:
    """Until it has been started so many times."""
    deadline = time.monotonic() + 30
    while slot.starts < starts:
        assert time.monotonic() < deadline
        slot.tend()
        time.sleep(0.02)


def test_a_worker_that_ends_by_itself_is_told_of_and_started_again(tmp_path: Path) -> None:
    odd: list[OddEnd] = []
    slot = Slot(3, environment("127.0.0.1:1", "", delivery="sometimes"), tmp_path, odd.append)
    wait(slot, 2)
    assert [(end.slot, end.status) for end in odd] == [(3, 2)]
    assert "sometimes" in odd[0].last_lines
    slot.kill(back=1000)
    assert "sometimes" in (tmp_path / "worker-3.log").read_text()


def test_one_that_was_killed_or_stopped_is_not(tmp_path: Path) -> None:
    odd: list[OddEnd] = []
    slot = Slot(0, environment(f"127.0.0.1:{free_port()}", ""), tmp_path, odd.append)
    for starts, end in enumerate((slot.kill, slot.stop), 1):
        wait(slot, starts)
        end(0.0)
    wait(slot, 3)
    slot.close()
    assert (slot.starts, odd) == (3, [])
    told = (tmp_path / "worker-0.log").read_text()
    assert f"=== ended with {-signal.SIGKILL}\n" in told


def test_the_clock_steps_while_a_process_runs(tmp_path: Path) -> None:
    file = tmp_path / "clock"
    file.write_bytes(struct.pack("d", 1000.0))
    script = (
        "import os, sys, time\n"
        "for _ in range(2):\n"
        "    print(time.time(), time.time_ns(), flush=True)\n"
        "    sys.stdin.readline()\n"
    )
    environ = {**os.environ, "PYTHONPATH": str(CLOCK), "CHAOS_CLOCK": str(file)}
    with subprocess.Popen(
        [sys.executable, "-c", script], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for ahead in (1000.0, -500.0):
            with file.open("r+b") as clock:
                clock.write(struct.pack("d", ahead))
            if ahead < 0:
                process.stdin.write("\n")
                process.stdin.flush()
            seconds, nanoseconds = process.stdout.readline().split()
            assert abs(float(seconds) - time.time() - ahead) < 20
            assert abs(int(nanoseconds) / 1e9 - time.time() - ahead) < 20
        process.stdin.write("\n")
