"""Apache Kafka for tests: its jars come from Maven Central, its nodes are brokers and controllers on 127.0.0.1."""

import shutil
import tempfile
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

from confluent_kafka.admin import AdminClient

from streams.brokers.embedded import BrokerStartError, free_port
from tests.support.maven import available, jars, lock
from tests.support.node import Java, Listener, Node

VERSION = "4.1.0"
_TRIES = 3
_TOGETHER_SECONDS = 30.0

_PROPERTIES = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    # a killed node can come back only when its old registration has run out
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "4",
    # how late an expired transaction may be noticed
    "transaction.abort.timed.out.transaction.cleanup.interval.ms": "1000",
    "message.max.bytes": str(16 << 20),
    "replica.fetch.max.bytes": str(16 << 20),
}


def _durability(nodes: int) -> dict[str, str]:
    """Three copies, two of which must be written, where there are three nodes; with fewer, one copy."""
    copies, written = ("3", "2") if nodes >= 3 else ("1", "1")
    return {
        "default.replication.factor": copies,
        "min.insync.replicas": written,
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": written,
        "unclean.leader.election.enable": "false",
    }


class ApacheKafka:
    """Nodes of Apache Kafka, with their data in a temporary folder that goes with them or with this process.

    `with ApacheKafka() as kafka:`; BrokerStartError when they do not start. `kill`, `stop` and `restart` are faults, of
    all nodes, or of one by `kafka.nodes`: addresses and data stay the same until the end of the block.

    :param version: of Maven Central: 4.x or 3.x
    :param properties: settings of the servers, over those that make small ones fast
    :param nodes: how many; three have three copies of everything, and stand without one of them
    :param features: levels of the cluster's features, where they are not to be those of its version
    :param listeners: further ways in, for each node
    :param heap: of each JVM
    """

    def __init__(
        self,
        version: str = VERSION,
        properties: Mapping[str, str] | None = None,
        *,
        nodes: int = 1,
        features: Mapping[str, int] | None = None,
        listeners: Sequence[Sequence[Listener]] = (),
        heap: str = "512m",
    ) -> None:
        self.version = version
        self.nodes: list[Node] = []
        self._count, self._heap, self._features = nodes, heap, features or {}
        self._listeners = listeners or [[]] * nodes
        self._properties = {**_PROPERTIES, **_durability(nodes), **(properties or {})}
        self._folder: Path | None = None

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT` of every node, comma separated."""
        return ",".join(node.address for node in self.nodes)

    @property
    def pid(self) -> int | None:
        """The process id of the first node's JVM, for signals; None when it is stopped."""
        return self.nodes[0].pid

    def log_tail(self) -> str:
        """The last lines of the logs while it runs, for the message of a failed test."""
        return "\n".join(node.log_tail() for node in self.nodes)

    def __enter__(self) -> Self:
        if reason := available():
            raise BrokerStartError(reason)
        java = Java(jars(self.version), self._heap)
        with lock():
            for _ in range(_TRIES):
                try:
                    self._create(java)
                except BaseException as error:
                    self._remove()
                    if not (isinstance(error, BrokerStartError) and "Address already in use" in str(error)):
                        raise
                else:
                    return self
        raise BrokerStartError(f"Apache Kafka found its ports taken {_TRIES} times in a row: try again")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def stop(self) -> None:
        """End it in an orderly way (SIGTERM, after ten seconds SIGKILL). Does nothing when it is stopped."""
        for node in reversed(self.nodes):
            node.stop()

    def kill(self) -> None:
        """End it as a crash does (SIGKILL). Does nothing when it is stopped."""
        for node in self.nodes:
            node.kill()

    def restart(self) -> None:
        """Start it again on the same addresses with the same data; it is stopped first if it runs."""
        self.stop()
        self.start()

    def start(self) -> None:
        """Start the nodes that do not run, and return when all answer. Raises BrokerStartError."""
        for node in self.nodes:
            node.launch()
        for node in self.nodes:
            node.wait()
        deadline = time.monotonic() + _TOGETHER_SECONDS
        while len(AdminClient({"bootstrap.servers": self.address}).list_topics(timeout=10).brokers) < self._count:
            if time.monotonic() > deadline:
                raise BrokerStartError(f"Apache Kafka's nodes did not find each other:\n{self.log_tail()}")
            time.sleep(0.1)

    def _remove(self) -> None:
        self.kill()  # its data goes too: nothing to save
        self.nodes = []
        folder, self._folder = self._folder, None
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

    def _create(self, java: Java) -> None:
        """Ports, folders, storage and the first start."""
        folder = self._folder = Path(tempfile.mkdtemp(prefix="offbeat-kafka-"))
        cluster = _base64_id()
        numbers = range(1, self._count + 1)
        ports = [(free_port(), free_port()) for _ in numbers]
        voters = ",".join(f"{n}@127.0.0.1:{controller}" for n, (_, controller) in zip(numbers, ports, strict=True))

        def make(number: int) -> Node:
            port, controller = ports[number - 1]
            return Node(
                number,
                java=java,
                cluster=cluster,
                voters=voters,
                controller=controller,
                listeners=[Listener("PLAINTEXT", port, port), *self._listeners[number - 1]],
                properties=self._properties,
                features=self._features,
                folder=folder,
            )

        with ThreadPoolExecutor(self._count) as pool:
            self.nodes = list(pool.map(make, numbers))
        self.start()


def _base64_id() -> str:
    """As Kafka writes a UUID; one that begins with a dash would be taken for an option."""
    while (text := urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")).startswith("-"):
        pass
    return text
