"""Prometheus for tests: Debian's, fetched into `.cache/prometheus` under the project's root unless it is installed."""

import fcntl
import json
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.child import Child
from streams.embedded import free_port

_CACHE = Path(__file__).resolve().parents[2] / ".cache" / "prometheus"
_PROGRAMS = ("prometheus", "promtool")
_FETCH_SECONDS = 300.0
_START_SECONDS = 30.0


class FetchError(RuntimeError):
    """There is no Prometheus here, and none can be had; the message says why."""


def programs() -> Path:
    """The folder with `prometheus` and `promtool`. Raises FetchError."""
    found = [shutil.which(name) for name in _PROGRAMS]
    if found[0] is not None and found[1] is not None:
        return Path(found[0]).parent
    _CACHE.mkdir(parents=True, exist_ok=True)
    with (_CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several at once would fetch it into each other's folder
        home = _CACHE / "debian"
        if not home.exists():
            with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
                _fetch(Path(folder))
                (Path(folder) / "root").rename(home)  # whole or not at all
    return home / "usr" / "bin"


def _fetch(folder: Path) -> None:
    """Unpack Debian's package into `folder`/root. Needs no rights: nothing is installed."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise FetchError(f"no Prometheus, and no {program} to fetch Debian's: install Prometheus")
    apt = ["apt-get", "-q", "-o", "APT::Sandbox::User="]
    download = ["download", "prometheus"]
    if not _runs([*apt, *download], folder):  # its lists may never have been fetched: then into a folder of our own
        (folder / "lists" / "partial").mkdir(parents=True)
        (folder / "cache" / "archives" / "partial").mkdir(parents=True)
        apt += ["-o", f"Dir::State::Lists={folder / 'lists'}", "-o", f"Dir::Cache={folder / 'cache'}"]
        if not (_runs([*apt, "update"], folder) and _runs([*apt, *download], folder)):
            raise FetchError("no Prometheus, and apt-get could not fetch Debian's: apt-get install prometheus")
    (package,) = folder.glob("prometheus_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True, timeout=_FETCH_SECONDS)


def _runs(command: Sequence[str], folder: Path) -> bool:
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=_FETCH_SECONDS)
    return done.returncode == 0


class Prometheus:
    """`with Prometheus(folder, config) as server:`; on a free port of 127.0.0.1, with data of its own."""

    def __init__(self, folder: Path, config: Path) -> None:
        """`folder`: of `programs`."""
        self._program, self._config = folder / "prometheus", config

    def __enter__(self) -> Self:
        self._data = tempfile.TemporaryDirectory(prefix="offbeat-prometheus-")
        self.address = f"127.0.0.1:{free_port()}"
        self._child = Child(
            [
                str(self._program),
                f"--config.file={self._config}",
                f"--storage.tsdb.path={self._data.name}",
                f"--web.listen-address={self.address}",
            ],
            leavings=Path(self._data.name),
        )
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._get("/-/ready")
            except OSError:
                assert self._child.alive, self._child.log_tail(40)
                assert time.monotonic() < deadline, self._child.log_tail(40)
                time.sleep(0.05)
            else:
                return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self._child.log_tail(20))
        self._child.stop(signal.SIGKILL)
        self._data.cleanup()

    def query(self, expr: str) -> list[dict[str, Any]]:
        """The samples of a PromQL expression, now: {"metric": labels, "value": [time, text]} each."""
        found = self._json("/api/v1/query?" + urllib.parse.urlencode({"query": expr}))
        assert found["resultType"] == "vector", found
        result: list[dict[str, Any]] = found["result"]
        return result

    def rules(self) -> list[dict[str, Any]]:
        """All recording and alerting rules, as it has them."""
        return [rule for group in self._json("/api/v1/rules")["groups"] for rule in group["rules"]]

    def _json(self, path: str) -> Any:
        return json.loads(self._get(path))["data"]

    def _get(self, path: str) -> str:
        try:
            with urllib.request.urlopen(f"http://{self.address}{path}", timeout=10) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 503:
                    raise OSError("not ready") from None
                raise AssertionError(f"{path}: {error.read().decode()}") from None
