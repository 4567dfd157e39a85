"""A place for a worker, which is started again whenever it ends, as systemd would do it."""

import signal
import struct
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.workers import READY, ROOT, Worker

CLOCK = Path(__file__).parent / "clock"
_AGAIN_SECONDS = 0.5
_STOP_SECONDS = 12.0
"""A worker that is told to stop ends by itself within ten."""
FENCED = 75


@dataclass(frozen=True)
class OddEnd:
    """A worker that ended as it should not have."""

    slot: int
    status: int | None
    """None: it did not end when told."""
    last_lines: str


class Slot:
    """Keeps one worker running. `tend` must be called all the time: nothing here has a thread.

    :param folder: where its clock is, and all that it says
    """

    def __init__(self, number: int, environ: Mapping[str, str], folder: Path, on_odd_end: Callable[[OddEnd], None]):
        self.number = number
        self.starts = 0
        self._log = folder / f"worker-{number}.log"
        self._clock = folder / f"clock-{number}"
        self._clock.write_bytes(struct.pack("d", 0.0))
        path = f"{CLOCK}:{environ.get('PYTHONPATH', ROOT)}"
        self._environ = {**environ, "PYTHONPATH": path, "CHAOS_CLOCK": str(self._clock)}
        self._on_odd_end = on_odd_end
        self._worker: Worker | None = None
        self._due = 0.0
        self._told: set[int] = set()
        """The exit statuses that it may have now, besides that of having been fenced."""

    # -- what is done to it

    def tend(self) -> None:
        """Notice its end, and start it when that is due."""
        if self._worker is not None and (status := self._worker.process.poll()) is not None:
            self._ended(status)
        if self._worker is None and time.monotonic() >= self._due:
            self._told = set()
            self._worker = Worker(self._environ)
            self.starts += 1

    def kill(self, back: float) -> None:
        """SIGKILL; it is started again after `back` seconds. Does nothing when it does not run."""
        self._end(signal.SIGKILL, {-signal.SIGKILL}, back)

    def stop(self, back: float) -> None:
        """SIGTERM, and as `kill`; it must end with 0, or of the signal if it does not listen yet."""
        self._end(signal.SIGTERM, {0, -signal.SIGTERM}, back)

    def freeze(self) -> None:
        """SIGSTOP."""
        self._send(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT."""
        self._send(signal.SIGCONT)

    def step_clock(self, seconds: float) -> None:
        """Its wall clock is this far ahead of ours from now on."""
        with self._clock.open("r+b") as file:
            file.write(struct.pack("d", seconds))

    def _send(self, number: signal.Signals) -> None:
        if self._worker is not None:
            self._worker.send(number)

    def _end(self, how: signal.Signals, statuses: set[int], back: float) -> None:
        worker = self._worker
        if worker is None or worker.process.poll() is not None:
            return
        self._told = statuses
        worker.send(how)
        deadline = time.monotonic() + _STOP_SECONDS
        while (found := worker.process.poll()) is None:
            if time.monotonic() > deadline:
                self._on_odd_end(OddEnd(self.number, None, _tail(worker)))
                worker.kill()
                found = -signal.SIGKILL
                self._told = {found}
                break
            time.sleep(0.02)
        self._ended(found)
        self._due = time.monotonic() + back

    def _ended(self, status: int) -> None:
        worker, self._worker = self._worker, None
        assert worker is not None, "nobody ended"
        self._due = time.monotonic() + _AGAIN_SECONDS
        if status not in {*self._told, FENCED}:
            self._on_odd_end(OddEnd(self.number, status, _tail(worker)))
        with self._log.open("a") as log:
            log.write(f"{worker.errors}=== ended with {status}\n")
        worker.__exit__(None, None, None)

    # -- what it says

    @property
    def pid(self) -> int | None:
        """Of its process; None when it does not run."""
        return self._worker.process.pid if self._worker is not None else None

    @property
    def ready(self) -> bool:
        """Whether it runs, and has had all of its partitions."""
        return self._worker is not None and READY in self._worker.output.splitlines()

    def lags(self) -> dict[str, int | None]:
        """The lag of each partition number that it has; None: nobody knows. Empty: it does not answer."""
        if self._worker is not None:
            with suppress(OSError, AssertionError):
                found: dict[str, Any] = self._worker.health()["partitions"]
                return {number: told["lag"] for number, told in found.items()}
        return {}

    def close(self) -> None:
        """Stop it for good."""
        if self._worker is not None:
            self.thaw()
            self.stop(0)


def _tail(worker: Worker) -> str:
    return "\n".join(worker.errors.splitlines()[-15:])
