"""A process that ends with the one that started it, however that one ends.

A small supervisor stands between the two: this file, run as a script with the standard library alone. It holds a pipe
to the parent and ends the child when the pipe closes, which the kernel does after kill -9 too. It also looks whether
the parent is still its parent, because a forked sibling may hold the pipe open. On Linux the child gets SIGKILL when
the supervisor itself is killed (PR_SET_PDEATHSIG, which fires when the *thread* that forked ends; the supervisor has
one). Both have a session of their own: Ctrl-C in a terminal reaches the parent alone, which then cleans up.
"""

import contextlib
import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_LOOK_SECONDS = 0.2
_GRACE_SECONDS = 10.0
_TAIL_BYTES = 65536


class ChildStartError(RuntimeError):
    """The program could not be executed; the message says why. Show it and give up."""


class Child:
    """A running program that cannot outlive this process.

    Its output goes to an unnamed temporary file, so that nothing is left behind. Raises ChildStartError when the
    program cannot be executed at all; one that ends at once is seen by `alive` and `log_tail`.

    :param argv: the program (a path) and its arguments
    :param env: its whole environment; None: ours
    :param leavings: a folder that is removed if we die without having called `stop`
    """

    def __init__(
        self, argv: Sequence[str], *, env: Mapping[str, str] | None = None, leavings: Path | None = None
    ) -> None:
        self._owner = os.getpid()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the child)
        try:
            self._supervisor = subprocess.Popen(
                [sys.executable, "-I", "-S", __file__, str(self._owner), str(leavings or ""), *argv],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                cwd="/",
                env=None if env is None else dict(env),
                start_new_session=True,
            )
            self.pid = self._read_pid(argv[0])
        except BaseException:
            self._log.close()
            raise

    def _read_pid(self, program: str) -> int:
        """The supervisor's first line: the child's process id, or why there is none."""
        assert self._supervisor.stdout is not None  # noqa: S101 (a pipe, see above)
        with self._supervisor.stdout as status:
            line = status.readline().decode(errors="replace").strip()
        if line.isdigit():
            return int(line)
        reason = line or self.log_tail()
        self._close_pipe()
        self._supervisor.wait()
        raise ChildStartError(f"cannot run {program}: {reason}")

    @property
    def alive(self) -> bool:
        """Whether the program still runs; its end is seen within half a second."""
        return self._supervisor.poll() is None

    def log_tail(self, lines: int = 40) -> str:
        """The last lines of its output, at most 64 KiB; empty after `stop`."""
        if self._log.closed:
            return ""
        fd = self._log.fileno()
        start = max(0, os.fstat(fd).st_size - _TAIL_BYTES)
        # not read(): the offset is shared with the writers
        text = os.pread(fd, _TAIL_BYTES, start).decode(errors="replace")
        return "\n".join(text.strip().splitlines()[-lines:])

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it with `how`, after ten seconds with SIGKILL, and wait. Does nothing when ended before, or in a fork."""
        if os.getpid() != self._owner or self._log.closed:
            return
        with contextlib.suppress(BrokenPipeError):
            self._close_pipe(bytes([how]))
        try:
            self._supervisor.wait(_GRACE_SECONDS + 5)
        except subprocess.TimeoutExpired:
            os.killpg(self._supervisor.pid, signal.SIGKILL)
            self._supervisor.wait()
        self._log.close()

    def _close_pipe(self, last_word: bytes = b"") -> None:
        assert self._supervisor.stdin is not None  # noqa: S101 (a pipe, see above)
        with self._supervisor.stdin as pipe:
            pipe.write(last_word)


def _die_with(supervisor: int) -> Callable[[], None]:
    """What the child does between fork and exec, on Linux."""
    libc = ctypes.CDLL(None)

    def before_exec() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != supervisor:  # it died before prctl
            os._exit(1)

    return before_exec


def _spawn(argv: Sequence[str]) -> "subprocess.Popen[bytes]":
    before_exec = _die_with(os.getpid()) if sys.platform == "linux" else None
    return subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr.fileno(),
        stderr=sys.stderr.fileno(),
        preexec_fn=before_exec,  # noqa: PLW1509 (the supervisor has one thread)
    )


def _end(child: "subprocess.Popen[bytes]", how: int) -> None:
    child.send_signal(how)
    deadline = time.monotonic() + _GRACE_SECONDS
    while child.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    child.kill()
    child.wait()


def _supervise(parent: int, leavings: str, argv: Sequence[str]) -> None:
    # being told to end is like the parent's death
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(1))
    try:
        child = _spawn(argv)
    except OSError as error:
        sys.stdout.write(f"{error.strerror}\n")
        return
    told = b""
    try:
        with contextlib.suppress(BrokenPipeError):
            print(child.pid, flush=True)
        while child.poll() is None and os.getppid() == parent:
            if select.select([0], [], [], _LOOK_SECONDS)[0]:
                told = os.read(0, 1)
                break
    finally:
        orphaned = not told and child.poll() is None
        _end(child, told[0] if told else signal.SIGKILL)
        if orphaned and leavings:
            shutil.rmtree(leavings, ignore_errors=True)


if __name__ == "__main__":
    _supervise(int(sys.argv[1]), sys.argv[2], sys.argv[3:])
