"""Which peers there are, each in the settings that it is measured in, and how each is started."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.bench.peers.install import classes_of, python_of, version_of

HEAP = "1g"


@dataclass(frozen=True, slots=True)
class Peer:
    """One system in one setting."""

    system: str
    """The folder of its sources, and its name in `--peers`."""
    title: str
    package: str
    """Whose version is told."""
    setting: str
    """The guarantee in its own words."""
    exactly_once: bool
    store: str
    share: int = 1
    """It gets the first 1/share of the load."""

    @property
    def name(self) -> str:
        """Title, version, store and guarantee."""
        version = version_of(self.system, self.package)
        return f"{self.title} {version}, {self.store}, {self.setting}"

    @property
    def delivery(self) -> str:
        """The guarantee as Offbeat calls it."""
        return "exactly_once" if self.exactly_once else "at_least_once"

    def command(self) -> list[str]:
        """What to run; made first if need be. Raises PeerMissingError."""
        if self.system == "kstreams":
            quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=error"
            return ["java", f"-Xmx{HEAP}", quiet, "-cp", classes_of(self.system), "Job"]
        return [str(python_of(self.system)), "-m", f"tests.bench.peers.{self.system}.job"]


def _streams(setting: str, store: str) -> Peer:
    return Peer("kstreams", "Kafka Streams", "kafka-streams", setting, setting == "exactly_once_v2", store)


def _quix(setting: str) -> Peer:
    return Peer("quix", "Quix Streams", "quixstreams", setting, setting == "exactly-once", "RocksDB")


PEERS = (
    _streams("exactly_once_v2", "RocksDB"),
    _streams("exactly_once_v2", "memory"),
    _streams("at_least_once", "RocksDB"),
    _streams("at_least_once", "memory"),
    _quix("exactly-once"),
    _quix("at-least-once"),
    # ten times slower than the others, and more: a tenth takes long enough
    Peer("faust", "faust-streaming", "faust-streaming", "at_least_once", exactly_once=False, store="memory", share=10),
)
SYSTEMS = tuple(dict.fromkeys(peer.system for peer in PEERS))


class UnknownPeerError(ValueError):
    """No such peer; one line. Name one that there is."""


def peers_named(text: str) -> Iterator[Peer]:
    """The peers that `all`, `none` or names between commas mean. Raises UnknownPeerError."""
    names = {"all": list(SYSTEMS), "none": []}.get(text, text.split(","))
    for name in names:
        if name not in SYSTEMS:
            raise UnknownPeerError(f"no peer is called {name!r}: all, none, or of {', '.join(SYSTEMS)}, between commas")
    return (peer for peer in PEERS if peer.system in names)
