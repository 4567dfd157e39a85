"""A program of ours as a process of its own: look at it while it runs, end it, and nothing is left of it."""

import ctypes
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)


class Running:
    """Python with `arguments`, in a directory of its own; at the end of a `with` block it is killed."""

    def __init__(self, arguments: Sequence[str], environ: Mapping[str, str]) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="offbeat-process-")
        self._output = Path(self._folder.name, "stdout")
        self._errors = Path(self._folder.name, "stderr")
        with self._output.open("wb") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, *arguments],
                env=dict(environ),
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                preexec_fn=_die_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - prctl alone
            )

    # -- what it says

    @property
    def output(self) -> str:
        """All of its standard output."""
        return self._output.read_text()

    @property
    def errors(self) -> str:
        """All of its standard error."""
        return self._errors.read_text()

    @property
    def told(self) -> str:
        """All that it has said."""
        return f"--- stdout\n{self.output}\n--- stderr\n{self.errors}"

    @property
    def account(self) -> str:
        """How it stands, for the message of a failed test: all that it has said."""
        return self.told

    def wait_until(self, what: Callable[[], object], seconds: float = 60.0) -> None:
        """Return when `what` holds; fails, with all that it said, when it ends before or takes longer.

        As long as a port of it does not answer, `what` does not hold.
        """
        deadline = time.monotonic() + seconds

        def holds() -> object:
            try:
                return what()
            except OSError:
                return False

        while not holds():
            status = self.process.poll()
            assert status is None, f"it ended with {status}\n{self.account}"
            assert time.monotonic() < deadline, f"not within {seconds} s\n{self.account}"
            time.sleep(0.02)

    def wait_told(self, text: str, times: int = 1) -> None:
        """Return when it has said `text` so many times."""
        self.wait_until(lambda: self.told.count(text) >= times)

    # -- its end

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = 60.0) -> int:
        """Its exit status; fails, with all that it said, when it does not end."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it runs after {seconds} s\n{self.account}") from None

    def stop(self, number: signal.Signals = signal.SIGTERM, seconds: float = 20.0) -> int:
        """Tell it to stop; its exit status."""
        self.send(number)
        return self.wait(seconds)

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and kind is not None:
            error.add_note(self.account)
        if self.process.poll() is None:
            self.kill()
        self._folder.cleanup()
