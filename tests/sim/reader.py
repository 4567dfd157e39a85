"""What aiokafka's consumer does for who reads a partition of the changelog, over the model's network."""

from typing import Any

from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

from tests.sim.brokers import Brokers
from tests.sim.log import Kept
from tests.sim.network import Network

FETCHED = 40
"""Records of one fetch, at the most."""
PAUSE = (0.1, 0.5)


class ModelReader:
    """Stands for aiokafka.AIOKafkaConsumer, with those of its methods that reading the changelog uses."""

    def __init__(self, network: Network, brokers: Brokers, **_options: Any) -> None:
        self._network, self._brokers = network, brokers
        self._place = ("", 0)
        self._position = 0

    async def start(self) -> None:
        await self._network.call("Metadata", lambda: None)

    def assign(self, places: list[TopicPartition]) -> None:
        ((topic, number),) = places
        self._place = topic, number

    async def seek_to_beginning(self, _place: TopicPartition) -> None:
        self._position = 0

    async def getmany(self, place: TopicPartition, **_options: Any) -> dict[TopicPartition, list[Kept]]:
        """What is there; after a pause, when there is nothing, or the brokers are in trouble."""
        try:
            found = await self._network.call("Fetch", self._brokers.read, self._place, self._position, FETCHED)
        except KafkaError:
            found = None
        if found is None or found.following == self._position:
            await self._network.pause(*PAUSE)
            return {}
        self._position = found.following
        return {place: found.records}

    def highwater(self, _place: TopicPartition) -> int | None:
        """Not known, as with brokers that do not tell."""
        return None

    async def stop(self) -> None:
        """Nothing is left open."""
