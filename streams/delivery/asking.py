"""Asking brokers for the requests of transactions: where to, what their errors mean, and when to ask again.

Nothing here goes on in the background: whoever stops to wait for an answer has asked for the last time. It uses private
attributes of aiokafka 0.14.0's client, which are marked.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient, ConnectionGroup, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    CoordinatorLoadInProgressError,
    CoordinatorNotAvailableError,
    DuplicateSequenceNumber,
    GroupAuthorizationFailedError,
    InvalidProducerEpoch,
    KafkaError,
    LeaderNotAvailableError,
    NoError,
    NotCoordinatorError,
    ProducerClosed,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
    UnknownError,
    for_code,
)

from streams.delivery.producing import RETRY_MS
from streams.delivery.transactionwire import Place

log = logging.getLogger(__name__)

_FENCED = {InvalidProducerEpoch.errno, 90}
"""INVALID_PRODUCER_EPOCH and PRODUCER_FENCED, for which aiokafka has no name."""
_ABORTABLE = 120
"""TRANSACTION_ABORTABLE, for which it has none either."""
_MOVED = NotCoordinatorError, CoordinatorNotAvailableError
_BUSY = CoordinatorLoadInProgressError, ConcurrentTransactions
"""The coordinator starts, or writes the markers of the transaction before: what was asked had no effect."""


class TransactionAbortableError(KafkaError):  # type: ignore[misc] # aiokafka ships no types
    """The brokers have lost track of the transaction: nothing of it will be committed."""


class Asking:
    """Of one transactional id. Raises KafkaError for what is of no use to be asked again; ProducerFenced among them."""

    def __init__(self, client: AIOKafkaClient, transactional_id: str) -> None:
        self._client, self._id = client, transactional_id
        self._coordinators: dict[CoordinationType, int] = {}
        self._closed = False

    def close(self) -> None:
        """Nothing is sent after this."""
        self._closed = True

    async def leaders(self, places: Iterable[Place]) -> dict[int, list[Place]]:
        """By node: which of these it leads. Waits until all have a leader."""
        found: defaultdict[int, list[Place]] = defaultdict(list)
        for place in places:
            while True:
                await self._client._wait_on_metadata(place[0])  # noqa: SLF001
                node = self._client.cluster.leader_for_partition(TopicPartition(*place))
                if node is not None and node != -1:
                    break
                await self.again(LeaderNotAvailableError())
            found[node].append(place)
        return found

    async def coordinator(self, kind: CoordinationType, key: str) -> int:
        """The node that coordinates transactions, or a group."""
        while kind not in self._coordinators:
            try:
                if self._closed:
                    raise ProducerClosed
                self._coordinators[kind] = await self._client.coordinator_lookup(kind, key)
            except (TransactionalIdAuthorizationFailed, GroupAuthorizationFailedError) as exc:
                raise type(exc)(key) from exc
            except KafkaError as exc:
                await self.again(exc)
        return self._coordinators[kind]

    async def coordinate(self, request: Any, pause_ms: int = RETRY_MS) -> Any:
        """The answer of the coordinator of transactions; `pause_ms`: before it is asked again the first time."""
        while True:
            node = await self.coordinator(CoordinationType.TRANSACTION, self._id)
            try:
                found = await self.send(node, request)
                if (error := self.error(found.error_code)) is not None:
                    raise error
            except KafkaError as exc:
                await self.again(exc, CoordinationType.TRANSACTION, pause_ms)
                pause_ms = min(2 * pause_ms, RETRY_MS)
            else:
                return found

    async def send(self, node: int, request: Any, group: ConnectionGroup = ConnectionGroup.COORDINATION) -> Any:
        if self._closed:
            raise ProducerClosed
        return await self._client.send(node, request, group=group)

    async def again(self, exc: KafkaError, kind: CoordinationType | None = None, pause_ms: int = RETRY_MS) -> None:
        """Wait a moment before what has failed is asked again. Raises `exc` if that is of no use.

        `kind`: of the coordinator that was asked.
        """
        if not passes(exc):
            raise exc
        log.log(
            logging.DEBUG if isinstance(exc, _BUSY + _MOVED) else logging.WARNING, "asking the brokers again: %r", exc
        )
        if kind is not None and not isinstance(exc, _BUSY):
            self._coordinators.pop(kind, None)
        if exc.invalid_metadata:
            await self._client.force_metadata_update()
        await asyncio.sleep(pause_ms / 1000)

    def failed(self, errors: Mapping[Place, int], places: Iterable[Place]) -> dict[Place, KafkaError]:
        """What has become of these; without those for which all is well."""
        found = {place: self.error(errors.get(place, UnknownError.errno), place[0]) for place in places}
        taken_before = DuplicateSequenceNumber
        return {place: error for place, error in found.items() if error and not isinstance(error, taken_before)}

    def error(self, code: int, topic: str = "", group: str = "") -> KafkaError | None:
        """What a code means, of a topic and a group; None when it is no error."""
        if code in _FENCED:
            return ProducerFenced()
        if code == _ABORTABLE:
            return TransactionAbortableError()
        kind = for_code(code)
        if kind is NoError:
            return None
        if kind is UnknownError:
            return UnknownError(f"error {code}")
        names = {
            TopicAuthorizationFailedError: topic,
            GroupAuthorizationFailedError: group,
            TransactionalIdAuthorizationFailed: self._id,
        }
        return kind(names[kind]) if kind in names else kind()


def passes(exc: KafkaError) -> bool:
    """Whether asking again may help."""
    return exc.retriable or isinstance(exc, _BUSY + _MOVED)
