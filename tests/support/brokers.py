"""Apache Kafka for tests: its jars come from Maven Central, one combined broker and controller runs on 127.0.0.1."""

import shutil
import signal
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.child import Child
from streams.embedded import BrokerStartError, free_port, wait_for_broker
from tests.support.maven import available, jars, lock

VERSION = "4.1.0"
_TRIES = 3
_START_SECONDS = 90.0
_JVM = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")

_PROPERTIES = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    # a killed node can come back only when its old registration has run out
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.min.isr": "1",
    "message.max.bytes": str(16 << 20),
    "replica.fetch.max.bytes": str(16 << 20),
}


class ApacheKafka:
    """One node of Apache Kafka, with its data in a temporary folder that goes with it or with this process.

    `with ApacheKafka() as kafka:`; BrokerStartError when it does not start. `kill`, `stop` and `restart` are faults:
    address and data stay the same until the end of the block.

    :param version: of Maven Central: 4.x or 3.x
    :param properties: settings of the server, over those that make a small one fast
    """

    def __init__(self, version: str = VERSION, properties: Mapping[str, str] | None = None) -> None:
        self.version = version
        self._properties = {**_PROPERTIES, **(properties or {})}
        self._cluster = _base64_id()
        self._folder: Path | None = None
        self._child: Child | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id of the JVM, for signals; None when it is stopped."""
        return self._child.pid if self._child else None

    def log_tail(self) -> str:
        """The last lines of its log while it runs, for the message of a failed test."""
        return self._child.log_tail(40) if self._child else ""

    def __enter__(self) -> Self:
        if reason := available():
            raise BrokerStartError(reason)
        libraries = jars(self.version)
        try:
            with lock():
                for _ in range(_TRIES):
                    if self._create(libraries):
                        return self
        except BaseException:
            self._remove()
            raise
        raise BrokerStartError(f"Apache Kafka found its ports taken {_TRIES} times in a row: try again")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()  # its data goes too: nothing to save
        self._remove()

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM, after ten seconds SIGKILL). Does nothing when it is stopped."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL). Does nothing when it is stopped."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on the same address with the same data; it is stopped first if it runs."""
        self.stop()
        self._start(jars(self.version))

    def _end(self, how: signal.Signals) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.stop(how)

    def _remove(self) -> None:
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _create(self, libraries: Path) -> bool:
        """Ports, folder, storage and the first start. False: somebody else took a port meanwhile."""
        self._folder = Path(tempfile.mkdtemp(prefix="offbeat-kafka-"))
        self._port = free_port()
        settings = self._folder / "server.properties"
        settings.write_text("".join(f"{key}={value}\n" for key, value in self._settings(free_port()).items()))
        tool = _java(libraries, "kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(settings))
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerStartError(f"Apache Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")
        try:
            self._start(libraries)
        except BrokerStartError as error:
            self._remove()
            if "Address already in use" in str(error):
                return False
            raise
        return True

    def _settings(self, controller: int) -> dict[str, str]:
        # a second node would be a second entry of the voters, with an id and ports of its own
        return {
            "node.id": "1",
            "controller.quorum.voters": f"1@127.0.0.1:{controller}",
            "listeners": f"PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.address}",
            "log.dirs": str(self._folder / "data") if self._folder else "",
            **self._properties,
        }

    def _start(self, libraries: Path) -> None:
        assert self._folder is not None, "outside of its with block"
        child = Child(_java(libraries, "kafka.Kafka", str(self._folder / "server.properties")), leavings=self._folder)
        try:
            wait_for_broker(child, self._port, self._cluster, _START_SECONDS)
        except BaseException:
            child.stop(signal.SIGKILL)
            raise
        self._child = child


def _java(libraries: Path, *command: str) -> list[str]:
    return [shutil.which("java") or "java", *_JVM, "-cp", f"{libraries}/*", *command]


def _base64_id() -> str:
    """As Kafka writes a UUID; one that begins with a dash would be taken for an option."""
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
