"""Drives the real worker, `python -m streams worker` as a process of its own, and looks at it from outside."""

import os
import re
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib.metadata import version
from types import TracebackType
from typing import Self

from streams.brokers.child import Child
from streams.brokers.embedded import free_port
from streams.settings import Settings
from streams.worker import READY
from tests.bench.process import Use, use_of
from tests.support import compiled

ROOT = compiled.ROOT
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
"""As the image and the unit have it; peers and the limit get it, too."""
_START_SECONDS = 120.0
_LOOK_SECONDS = 0.5
_SAMPLE = re.compile(r"^(\w+)(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_RESTORED = re.compile(r"partition \d+: (\d+) customers restored in (\d+\.\d) s")


class BenchError(RuntimeError):
    """The measurement cannot go on; the message says why."""


def built(*, interpreted: bool = False) -> str:
    """How the worker that is measured is built: compiled, as in an image, where that can be done here."""
    if interpreted:
        return "interpreted"
    reason = compiled.missing()
    return f"interpreted ({reason})" if reason else f"compiled by mypyc {version('mypy')}"


def environment(settings: Settings, folder: str, metrics: str, *, interpreted: bool = False) -> dict[str, str]:
    """The worker's environment: ours without settings of Offbeat, and these. All else is the worker's default."""
    kept = HUGE_PAGES | {name: value for name, value in os.environ.items() if not name.startswith("OFFBEAT_")}
    code = {**kept, "PYTHONPATH": str(ROOT)} if interpreted or compiled.missing() else compiled.environment(kept)
    return code | {
        "OFFBEAT_BROKERS": settings.brokers,
        "OFFBEAT_DELIVERY": settings.delivery,
        "OFFBEAT_GROUP": settings.group,
        "OFFBEAT_TOPIC_CHANGELOG": settings.topics.changelog,
        "OFFBEAT_SESSION_TIMEOUT": f"{settings.session_timeout // 1000}s",
        "OFFBEAT_STATE_DIR": folder,
        "OFFBEAT_METRICS": metrics,
    }


class Worker:
    """A running worker; `with Worker(settings) as worker:` returns when it is ready. Raises BenchError.

    Several are started together by `start`, and waited for by `wait_until_ready`.
    """

    def __init__(self, settings: Settings, patience: float = _START_SECONDS, *, interpreted: bool = False) -> None:
        self._settings, self._patience, self._interpreted = settings, patience, interpreted
        self._folder = tempfile.TemporaryDirectory(prefix="offbeat-bench-")
        self._metrics = f"127.0.0.1:{free_port()}"
        self._child: Child | None = None
        self.started_at = self.ready_at = 0.0
        """Unix time."""

    def start(self) -> None:
        """Start the process, without waiting."""
        env = environment(self._settings, self._folder.name, self._metrics, interpreted=self._interpreted)
        self.started_at = time.time()
        self._child = Child([sys.executable, "-m", "streams", "worker"], env=env)

    def wait_until_ready(self) -> None:
        """Return when all partitions that it has are live. Raises BenchError."""
        while READY not in self.child.log_tail():
            if not self.child.alive or time.time() > self.started_at + self._patience:
                raise BenchError(f"the worker did not become ready:\n{self.child.log_tail()}")
            time.sleep(0.05)
        self.ready_at = time.time()

    def stop(self) -> None:
        """End it in an orderly way; does nothing when it was not started."""
        if self._child is not None:
            self._child.stop()
        self._folder.cleanup()

    def __enter__(self) -> Self:
        try:
            self.start()
            self.wait_until_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def child(self) -> Child:
        if self._child is None:
            raise RuntimeError("outside of its with block")
        return self._child

    def use(self) -> Use:
        """CPU time and memory of the process, as the kernel counts them."""
        return use_of(self.child.pid)

    def metrics(self) -> dict[str, float]:
        """Each metric, summed over its labels."""
        with urllib.request.urlopen(f"http://{self._metrics}/metrics", timeout=20) as answer:
            return sum_samples(answer.read().decode())

    def wait_for(self, events: int, seconds: float) -> dict[str, float]:
        """Return the metrics when that many events have been taken. Raises BenchError when nothing moves."""
        last, moved = -1.0, time.monotonic()
        while True:
            time.sleep(_LOOK_SECONDS)
            try:
                found = self.metrics()
            except (urllib.error.URLError, OSError) as error:
                raise BenchError(f"the worker is gone ({error}):\n{self.child.log_tail()}") from error
            taken = found.get("offbeat_events_total", 0.0)
            if taken >= events:
                return found
            if taken > last:
                last, moved = taken, time.monotonic()
            elif time.monotonic() - moved > seconds:
                raise BenchError(f"nothing moves after {taken:.0f} of {events} events:\n{self.child.log_tail()}")

    def restored(self) -> tuple[int, float]:
        """Customers restored, and the seconds of the slowest partition number, from opening its writer to being ready.

        They are taken over at the same time.
        """
        found = _RESTORED.findall(self.child.log_tail(1000))
        return sum(int(count) for count, _ in found), max((float(seconds) for _, seconds in found), default=0.0)


def sum_samples(text: str) -> dict[str, float]:
    """Prometheus' text format, each name summed over its labels."""
    found: dict[str, float] = {}
    for name, value in _SAMPLE.findall(text):
        found[name] = found.get(name, 0.0) + float(value)
    return found
