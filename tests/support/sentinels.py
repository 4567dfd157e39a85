"""A primary, its replica, and three Sentinels that agree on which is which: of Redis, or of Valkey."""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from redis import Redis
from redis.exceptions import ConnectionError as AwayError

from streams.brokers.child import Child
from streams.brokers.embedded import free_port
from tests.support.redis_server import RedisServer, program

NAME = "Shop-1"
_DOWN_MS = 1000
_START_SECONDS = 60.0


class Sentinels:
    """`with Sentinels() as sentinels:`, when they know of each other and of the replica.

    :param password: of the servers
    :param asked: the Sentinels ask for it, too
    """

    def __init__(self, password: str = "", *, asked: bool = False) -> None:
        self._password, self._asked = password, asked
        self._ports: list[int] = []

    @property
    def addresses(self) -> str:
        """As the setting has them."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="offbeat-sentinel-")))
            login = ["--requirepass", self._password, "--masterauth", self._password] if self._password else []
            self.primary = stack.enter_context(RedisServer("--repl-diskless-sync-delay", "0", *login))
            port = urlsplit(self.primary.url).port or 0
            self.replica = stack.enter_context(RedisServer("--replicaof", "127.0.0.1", str(port), *login))
            for _ in range(3):
                stack.callback(self._start(port).stop)
            self._wait()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, primary: int) -> Child:
        port = free_port()
        self._ports.append(port)
        lines = [
            f"port {port}", "bind 127.0.0.1", f"dir {self._folder}",
            f"sentinel monitor {NAME} 127.0.0.1 {primary} 2",
            f"sentinel down-after-milliseconds {NAME} {_DOWN_MS}",
            f"sentinel failover-timeout {NAME} 6000",
            *([f"sentinel auth-pass {NAME} {self._password}"] if self._password else []),
            *([f"requirepass {self._password}", f"sentinel sentinel-pass {self._password}"] if self._asked else []),
        ]  # fmt: skip
        file = self._folder / f"{port}.conf"  # in which it keeps what it learns
        file.write_text("\n".join(lines) + "\n")
        found = program()
        assert found is not None
        return Child([found, str(file), "--sentinel"])

    def _wait(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while not all(self._knows(port) for port in self._ports):
            assert time.monotonic() < deadline, "the Sentinels do not find each other"
            time.sleep(0.05)

    def _knows(self, port: int) -> bool:
        """Of two others, and of the replica."""
        with Redis(port=port, password=self._password if self._asked else None) as client:
            try:
                told = client.sentinel_master(NAME)
            except AwayError:
                return False
        return (told["num-other-sentinels"], told["num-slaves"]) == (2, 1)
