"""How a producer sends its requests: again and again, until there is an answer that is not to be asked for again."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from aiokafka.errors import ConcurrentTransactions, KafkaConnectionError, KafkaError, RequestTimedOutError
from aiokafka.protocol.transaction import EndTxnRequest

from tests.sim.network import Network

R = TypeVar("R")

PAUSE = (0.05, 0.3)
"""Seconds between attempts; aiokafka's are shorter, which here would only cost steps."""


class EndRequest(EndTxnRequest):  # type: ignore[misc] # aiokafka ships no types
    """What the writer knows the end of a transaction by."""

    def __init__(self, kind: str, work: Callable[[], Any]) -> None:
        self.kind, self.work = kind, work


class Request(NamedTuple):
    """Any other one."""

    kind: str
    work: Callable[[], Any]


class Cluster:
    """What a client knows of the brokers: they refuse nobody, so there is nothing to hear."""

    def add_listener(self, _listener: Callable[[Any], None]) -> None:
        """It is never called."""


class Client:
    """The writer puts methods of its own in the place of `send`."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self.cluster = Cluster()

    async def send(self, _node: int, request: Request | EndRequest) -> Any:
        """What the brokers answer, be it an error; raises KafkaError when there is no answer."""
        try:
            return await self._network.call(request.kind, request.work)
        except (KafkaConnectionError, RequestTimedOutError):
            raise
        except KafkaError as exc:
            return exc

    async def close(self) -> None:
        """There are no connections to be closed."""

    async def insist(self, kind: str, work: Callable[..., R], *args: Any) -> R:
        """The answer to a request; raises the KafkaError that it is, if that does not pass."""
        request = (EndRequest if kind == "EndTxn" else Request)(kind, partial(work, *args))
        while True:
            with suppress(KafkaError):
                answer: R | KafkaError = await self.send(0, request)
                if not isinstance(answer, KafkaError):
                    return answer
                if not answer.retriable and not isinstance(answer, ConcurrentTransactions):
                    break
            await self._network.pause(*PAUSE)
        raise answer
