"""A refit in a process of its own: whatever becomes of it, one line tells, and nothing of it is left."""

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from streams.refit.child import Task, framed
from streams.refit.running import RefitFailedError, refit_apart
from tables.parameters import BUILTIN
from tests.support.published import nobody
from tests.support.workers import ROOT

UNTIL = 1_600_041_600_000
TASK = Task(current=msgspec.json.encode(BUILTIN), samples=[nobody(UNTIL).encode()], until=UNTIL, every=28 * 86_400_000)


def program(text: str) -> tuple[str, ...]:
    """Stands for the one that fits."""
    return "-c", f"import os, sys, time\nopen(os.environ['PID'], 'w').write(str(os.getpid()))\n{text}"


@pytest.fixture
def pid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a program writes its process id."""
    file = tmp_path / "pid"
    monkeypatch.setenv("PID", str(file))
    return file


def wait_for(pid: Path) -> None:
    """Return when the program runs."""
    deadline = time.monotonic() + 60
    while not (pid.exists() and pid.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def test_it_answers() -> None:
    answer = asyncio.run(refit_apart(TASK))
    assert answer.parameters is None
    assert answer.why


def test_damaged_samples_are_left_out_and_that_is_said() -> None:
    answer = asyncio.run(refit_apart(msgspec.structs.replace(TASK, samples=[*TASK.samples, b"rubbish"])))
    assert answer.why.endswith("; 1 samples could not be read")
    with pytest.raises(RefitFailedError, match="it ended with status 1: ValueError: "):
        asyncio.run(refit_apart(msgspec.structs.replace(TASK, samples=[b"rubbish"])))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("print('a traceback', file=sys.stderr); sys.exit(3)", "it ended with status 3: a traceback"),
        ("os.kill(os.getpid(), 9)", "it ended with status -9"),
        ("print('{}')", "its answer cannot be read: .*missing required field"),
        ("", "its answer cannot be read: "),
        ("sys.stdout.write('x' * 5_000_000)", "its answer cannot be read: "),
    ],
)
def test_what_crashes_is_told_in_a_line(text: str, told: str, pid: Path) -> None:
    with pytest.raises(RefitFailedError, match=told) as found:
        asyncio.run(refit_apart(TASK, program=program(text)))
    assert len(str(found.value).splitlines()) == 1
    assert gone(int(pid.read_text()))


def test_what_hangs_is_given_up(pid: Path) -> None:
    with pytest.raises(RefitFailedError, match="it took longer than 2 s and was given up"):
        asyncio.run(refit_apart(TASK, seconds=2, program=program("time.sleep(1000)")))
    assert not pid.exists() or gone(int(pid.read_text()))


def test_what_is_cancelled_is_ended(pid: Path) -> None:
    async def scenario() -> None:
        fitting = asyncio.ensure_future(refit_apart(TASK, program=program("time.sleep(1000)")))
        await asyncio.to_thread(wait_for, pid)
        fitting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await fitting

    asyncio.run(scenario())
    assert gone(int(pid.read_text()))


def test_it_cannot_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(RefitFailedError, match="it could not be started: No such file"):
        asyncio.run(refit_apart(TASK))


def test_settings_are_not_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OFFBEAT_SECURITY_PASSWORD", "secret")
    with pytest.raises(RefitFailedError, match=r"status 4: \[\]"):
        asyncio.run(
            refit_apart(
                TASK,
                program=(
                    "-c",
                    "import os, sys; print([n for n in os.environ if 'OFFBEAT' in n], file=sys.stderr); sys.exit(4)",
                ),
            )
        )


HANGS = """
import time
import streams.refit.work
streams.refit.work.work = lambda task: time.sleep(1000)
from streams.refit.child import main
main()
"""


def test_it_ends_with_the_process_that_asked() -> None:
    """However that one ends: the kernel closes its side of the pipe."""
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", HANGS],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert child.communicate(framed(TASK), 60)[0] == b""
    assert child.returncode == 1
