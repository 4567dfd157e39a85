"""The demo's broker and worker: processes of their own that end with this one, and a folder that goes with them."""

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

import streams
from streams.brokers import topics
from streams.brokers.child import Child, ChildStartError
from streams.brokers.embedded import BrokerStartError, EmbeddedBroker, free_port
from streams.brokers.topics import BrokerError
from streams.demo.errors import DemoError
from streams.settings import Settings

READY = "offbeat worker ready"
"""What the worker says when it takes care of all its partitions (importing it from there would import Faust)."""
_START_SECONDS = 60.0
_LOOK_SECONDS = 0.05
_TRIES = 3
_TAIL_LINES = 12


class Stage:
    """`with Stage() as stage:`, then `open_broker`, `start_worker`, `await_worker`; nothing is left after the block.

    For the main thread. The worker's settings are the demo's alone: neither the caller's environment nor a settings
    file plays a part.
    """

    def __init__(self) -> None:
        self._broker = EmbeddedBroker()
        self._broker_pid = 0
        self._worker: Child | None = None
        self._folder: Path | None = None
        self.settings = Settings()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="offbeat-demo-"))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C has nothing to hasten here
        try:
            worker, self._worker = self._worker, None
            if worker is not None:
                worker.stop(signal.SIGKILL)  # its state goes with the broker: nothing to save
            self._broker.stop()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
        finally:
            signal.signal(signal.SIGINT, before)

    def open_broker(self) -> None:
        """Start the broker and make the topics. Raises DemoError."""
        try:
            self._broker.start()
            self._broker_pid = self._broker.pid or 0
            self.settings = self._settings()
            topics.create(self.settings)
        except (BrokerStartError, BrokerError) as error:
            first, _, log = str(error).partition("\n")
            raise DemoError(first, log) from None

    def _settings(self) -> Settings:
        return Settings(
            brokers=self._broker.address,
            delivery="at_least_once",  # the embedded broker has no transactions that could be relied on
            clock="event",
            session_timeout=1000,
            metrics=f"127.0.0.1:{free_port()}",
            state_dir=(self._folder or Path(tempfile.gettempdir())) / "state",
        )

    def start_worker(self) -> None:
        """Start the worker's process and return at once. Raises DemoError."""
        try:
            self._worker = Child(
                [sys.executable, "-m", streams.__name__, "worker"],
                env=worker_environment(self.settings, os.environ),
                leavings=self._folder,
            )
        except ChildStartError as error:
            raise DemoError(str(error)) from None

    def await_worker(self, on_wait: Callable[[], None] = lambda: None) -> None:
        """Return when the worker takes care of all partitions. Raises DemoError."""
        deadline = time.monotonic() + _START_SECONDS
        tries = 1
        while READY not in self._worker_log().splitlines():
            if not self._worker_lives and "OFFBEAT_METRICS" in self._worker_log() and tries < _TRIES:
                tries += 1  # somebody else took the port meanwhile
                self.settings = self._settings()
                self.start_worker()
            self.check()
            if time.monotonic() > deadline:
                raise DemoError(f"the worker was not ready after {_START_SECONDS:.0f} s", self._worker_log())
            on_wait()
            time.sleep(_LOOK_SECONDS)

    def check(self) -> None:
        """Raises DemoError when the broker or the worker has ended."""
        if self._broker_pid and not _lives(self._broker_pid):
            raise DemoError("the embedded broker has ended: run the demo again", self._worker_log(4))
        if self._worker is not None and not self._worker_lives:
            raise DemoError("the worker has ended; its last lines are above", self._worker_log())

    @property
    def _worker_lives(self) -> bool:
        return self._worker is not None and self._worker.alive

    def _worker_log(self, lines: int = _TAIL_LINES) -> str:
        return self._worker.log_tail(lines) if self._worker is not None else ""

    def stalled(self, seconds: float) -> DemoError:
        """The error when nothing has moved for so long."""
        return DemoError(
            f"nothing has moved for {seconds:.0f} s: is the machine very busy? run it again", self._worker_log()
        )


def worker_environment(settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the worker: ours without settings of Offbeat, then the demo's.

    It imports what we import, from wherever it is started.
    """
    kept = {name: value for name, value in environ.items() if not name.startswith("OFFBEAT_")}
    return kept | {
        "PYTHONPATH": os.pathsep.join(str(Path(place).resolve()) for place in sys.path),
        "OFFBEAT_CONFIG": os.devnull,
        "OFFBEAT_BROKERS": settings.brokers,
        "OFFBEAT_DELIVERY": settings.delivery,
        "OFFBEAT_CLOCK": settings.clock,
        "OFFBEAT_SESSION_TIMEOUT": f"{settings.session_timeout // 1000}s",
        "OFFBEAT_METRICS": settings.metrics,
        "OFFBEAT_STATE_DIR": str(settings.state_dir),
    }


def _lives(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return True
    return False
