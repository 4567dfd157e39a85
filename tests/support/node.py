"""One node of Apache Kafka: a JVM that is broker and controller, on ports and in a folder that outlive its crashes."""

import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from streams.brokers.child import Child
from streams.brokers.embedded import BrokerStartError, wait_for_broker

_START_SECONDS = 90.0
_JVM = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")


class Listener(NamedTuple):
    """A way in to a node. Clients stay with the way that they came by: they are sent on to `advertised`."""

    name: str
    """In upper case."""
    port: int
    """Where the node listens, on 127.0.0.1."""
    advertised: int
    """The port that clients are told: the same, or one from where somebody brings them here."""
    protocol: str = "PLAINTEXT"


class Java(NamedTuple):
    """What every JVM is started with."""

    libraries: Path
    """The folder of Kafka's jars."""
    heap: str

    def command(self, *arguments: str) -> list[str]:
        java = shutil.which("java") or "java"
        return [java, f"-Xmx{self.heap}", *_JVM, "-cp", f"{self.libraries}/*", *arguments]


class Node:
    """A node, formatted and not started yet. Its first listener is for other nodes, and for tests.

    :param voters: all controllers, as Kafka writes them: `1@127.0.0.1:PORT,...`
    :param features: levels of the cluster's features, where they are not to be those of its version
    :param folder: of all nodes: one of its own is made there, and the caller removes them all
    """

    def __init__(
        self,
        number: int,
        *,
        java: Java,
        cluster: str,
        voters: str,
        controller: int,
        listeners: list[Listener],
        properties: Mapping[str, str],
        features: Mapping[str, int],
        folder: Path,
    ) -> None:
        self.number = number
        self.listeners = {listener.name: listener for listener in listeners}
        self._java, self._cluster, self._folder, self._features = java, cluster, folder, features
        self._port = listeners[0].port
        home = folder / str(number)
        home.mkdir()
        self._settings = home / "server.properties"
        self._child: Child | None = None
        open_to_all = [f"{one.name}://127.0.0.1:{one.port}" for one in listeners]
        told = {
            "node.id": str(number),
            "controller.quorum.voters": voters,
            "listeners": ",".join((*open_to_all, f"CONTROLLER://127.0.0.1:{controller}")),
            "advertised.listeners": ",".join(f"{one.name}://127.0.0.1:{one.advertised}" for one in listeners),
            "listener.security.protocol.map": ",".join(
                ("CONTROLLER:PLAINTEXT", *(f"{one.name}:{one.protocol}" for one in listeners))
            ),
            "inter.broker.listener.name": listeners[0].name,
            "log.dirs": str(home / "data"),
            **properties,
        }
        self._settings.write_text("".join(f"{key}={value}\n" for key, value in told.items()))
        self._format()

    def _format(self) -> None:
        levels = [argument for name, level in self._features.items() for argument in ("--feature", f"{name}={level}")]
        tool = self._java.command(
            "kafka.tools.StorageTool", "format", "-t", self._cluster, "-c", str(self._settings), *levels
        )
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        if done.returncode:
            raise BrokerStartError(f"Apache Kafka's storage cannot be formatted:\n{done.stdout}{done.stderr}")

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT` of its first listener."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The process id of the JVM, for signals; None when it is stopped."""
        return self._child.pid if self._child else None

    def log_tail(self) -> str:
        """The last lines of its log while it runs, for the message of a failed test."""
        return self._child.log_tail(40) if self._child else ""

    def launch(self) -> None:
        """Start the JVM, without waiting. Does nothing when it runs."""
        if self._child is not None and not self._child.alive:
            self.kill()  # it has ended by itself
        if self._child is None:
            command = self._java.command("kafka.Kafka", str(self._settings))
            self._child = Child(command, leavings=self._folder)

    def wait(self) -> None:
        """Return when it answers. Raises BrokerStartError, and nothing is left running then."""
        assert self._child is not None, "it was not launched"
        try:
            wait_for_broker(self._child, self._port, self._cluster, _START_SECONDS)
        except BaseException:
            self.kill()
            raise

    def start(self) -> None:
        """Start it and return when it answers; most of the others must be there. Raises BrokerStartError."""
        self.launch()
        self.wait()

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM, after ten seconds SIGKILL). Does nothing when it is stopped."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash does (SIGKILL). Does nothing when it is stopped."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again on the same ports with the same data; it is stopped first if it runs."""
        self.stop()
        self.start()

    def _end(self, how: signal.Signals) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.stop(how)
