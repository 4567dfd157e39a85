"""How a producer sends its requests: again and again, until there is an answer that is not to be asked for again."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, NamedTuple, TypeVar

from aiokafka.errors import ConcurrentTransactions, KafkaConnectionError, KafkaError, RequestTimedOutError
from aiokafka.protocol.transaction import EndTxnRequest

from streams.delivery.transactionv2 import FEATURE
from streams.delivery.transactionwire import (
    NEEDED,
    ApiVersionsRequest,
    InitProducerIdRequest,
    ProduceRequest,
    TxnOffsetCommitRequest,
)
from streams.delivery.transactionwire import EndTxnRequest as EndTxnV2
from tests.sim.brokers import Brokers
from tests.sim.log import Producer
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
    """What a client knows of the brokers: they refuse nobody, so there is nothing to hear; one leads everything."""

    def add_listener(self, _listener: Callable[[Any], None]) -> None:
        """It is never called."""

    def leader_for_partition(self, _place: Any) -> int:
        return 0


class Client:
    """The writer puts methods of its own in the place of `send`."""

    def __init__(self, network: Network, brokers: Brokers) -> None:
        self._network, self._brokers = network, brokers
        self.cluster = Cluster()

    async def send(self, _node: int, request: Any, group: int = 0) -> Any:
        """What the brokers answer, be it an error; raises KafkaError when there is no answer."""
        del group
        if not isinstance(request, Request | EndRequest):
            return await self._send_v2(request)
        try:
            return await self._network.call(request.kind, request.work)
        except (KafkaConnectionError, RequestTimedOutError):
            raise
        except KafkaError as exc:
            return exc

    # -- what transactions v2 are asked by

    async def bootstrap(self) -> None:
        """Everything is known."""

    async def _wait_on_metadata(self, _topic: str) -> None:
        """Everything is known."""

    async def force_metadata_update(self) -> None:
        """Nothing is new."""

    async def coordinator_lookup(self, _kind: int, _key: str) -> int:
        return 0

    async def _send_v2(self, request: Any) -> SimpleNamespace:
        """The answer to a request of streams.delivery.transactionwire."""
        if isinstance(request, ApiVersionsRequest):
            level = 2 if self._brokers.coordinator.v2 else 0
            return SimpleNamespace(versions={kind.API_KEY: (0, 99) for kind in NEEDED}, finalized={FEATURE: level})
        found: SimpleNamespace = await self._network.call(
            type(request).__name__.removesuffix("Request"), partial(self._answer, request)
        )
        return found

    def _answer(self, request: Any) -> SimpleNamespace:
        brokers = self._brokers
        match request:
            case InitProducerIdRequest():
                seconds = request.transaction_timeout_ms / 1000
                return _producer(partial(brokers.init_producer, request.transactional_id, seconds))
            case EndTxnV2():
                writer = Producer(request.producer_id, request.producer_epoch)
                return _producer(partial(brokers.end_transaction_v2, writer, commit=request.committed))
            case ProduceRequest():
                batches = {(topic, number): built for topic, found, _ in request.topics for number, built, _ in found}
                return SimpleNamespace(
                    errors={
                        place: _code(partial(brokers.produce_v2, writer, place, sequence, rows, taken))
                        for place, (writer, sequence, rows, taken) in batches.items()
                    }
                )
            case TxnOffsetCommitRequest():
                writer = Producer(request.producer_id, request.producer_epoch)
                offsets = {
                    (topic, number): offset for topic, found, _ in request.topics for number, offset, *_ in found
                }
                code = _code(partial(brokers.commit_offsets_v2, writer, offsets))
                return SimpleNamespace(errors=dict.fromkeys(offsets, code))
            case _:
                raise AssertionError(f"the model knows no {request}")

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


def _code(work: Callable[[], object]) -> int:
    """As the brokers would say it."""
    try:
        work()
    except KafkaError as exc:
        code: int = exc.errno
        return code
    return 0


def _producer(work: Callable[[], Producer]) -> SimpleNamespace:
    """An answer that names a producer, or an error."""
    try:
        found = work()
    except KafkaError as exc:
        return SimpleNamespace(error_code=exc.errno)
    return SimpleNamespace(error_code=0, producer_id=found.id, producer_epoch=found.epoch)
