"""A Prometheus for tests."""

import json
import signal
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from streams.brokers.child import Child
from streams.brokers.embedded import free_port

_START_SECONDS = 30.0


class Prometheus:
    """`with Prometheus(folder, config) as server:`; on a free port of 127.0.0.1, with data of its own."""

    def __init__(self, folder: Path, config: Path) -> None:
        """`folder`: of its program."""
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
