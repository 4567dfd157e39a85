"""Writers of one partition number on Apache Kafka: what they are given, what became of it, and what gets no answer."""

from typing import Any

from aiokafka.errors import RequestTimedOutError

from streams.delivery.ports import Row
from tests.support.network import Answer, Network
from tests.support.topics_io import read_all
from tests.support.workers import Deployment


def rows(*values: str) -> list[Row]:
    """Of one customer."""
    return [(b"c", value.encode(), []) for value in values]


def committed(to: Deployment, topic: str = "") -> list[str]:
    """What there is in a topic, the changelog where none is named."""
    return [(record.value or b"").decode() for record in read_all(to.broker, [topic or to.settings.changelog])]


def name(request: Any) -> str:
    """What the protocol calls it."""
    return type(request).__name__.removesuffix("Request")


def held_back(network: Network, kind: str) -> list[Answer]:
    """The first request of this kind gets no answer and is not sent; it waits in the list, to be sent late."""
    late: list[Answer] = []

    async def delay(request: Any, answer: Answer) -> Any:
        if name(request) == kind and not late:
            late.append(answer)
            raise RequestTimedOutError
        return await answer()

    network.handle = delay
    return late
