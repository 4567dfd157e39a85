"""The peers on one broker: the logs that they read, and a round of each."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from streams.brokers.topics import create
from streams.settings import Settings
from tests.bench.load import Row, Sent, produce
from tests.bench.peers.catalog import Peer
from tests.bench.peers.install import PeerMissingError
from tests.bench.peers.reference import Reference
from tests.bench.peers.run import Log, run_peer
from tests.bench.rounds import PeerSide
from tests.support.topics_io import Broker


def made(peers: Iterable[Peer]) -> tuple[list[Peer], list[str]]:
    """Make the peers' programs; those that there are, and a line for each system that cannot be made here."""
    ready, missing = [], []
    for peer in peers:
        try:
            peer.command()
        except PeerMissingError as error:
            missing.append(str(error))
        else:
            ready.append(peer)
    return ready, list(dict.fromkeys(missing))


class Contest:
    """Peers, with what has been measured of them in `sides`."""

    def __init__(self, broker: Broker, settings: Settings, peers: list[Peer]) -> None:
        self.sides = [PeerSide(peer.name, peer.delivery, []) for peer in peers]
        self._broker, self._settings, self._peers = broker, settings, peers
        self._logs: dict[int, Log] = {}

    def lay(self, rows: Callable[[], Iterator[Row]], events: int) -> Sent:
        """Put the load, of so many events, into the source topics; of parts of it that some get, into their own.

        Raises BrokerError, KafkaError.
        """
        if not self._peers:
            return produce(self._settings, rows())
        sent = self._lay_part(rows(), events, 1)
        for share in {peer.share for peer in self._peers} - {1}:
            self._lay_part(rows(), events, share)
        return sent

    def _lay_part(self, rows: Iterator[Row], events: int, share: int) -> Sent:
        settings = self._settings if share == 1 else replace(self._settings, prefix=f"one-in-{share}.")
        create(settings)
        reference = Reference()
        sent = produce(settings, reference.over(islice(rows, events // share)))
        self._logs[share] = Log(settings, reference)
        return sent

    def run(self, number: int) -> Iterator[tuple[str, float]]:
        """Measure each peer once, in round `number`; name and events per second, as they come in. Raises BenchError."""
        for place, (peer, side) in enumerate(zip(self._peers, self.sides, strict=True)):
            found = run_peer(peer, self._logs[peer.share], self._broker, f"bench-{peer.system}-{place}-{number}")
            side.runs.append(found)
            yield side.name, found.rate
