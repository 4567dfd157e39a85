"""The thread that talks to the brokers and their group: what one fetch brings for one partition number is one batch.

Positions are set by who takes a partition number over, from the changelog alone. Subclass of faust-streaming 0.15.3 and
aiokafka 0.14.0; the private attributes used are marked.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError
from faust.transport.drivers import aiokafka as stock
from faust.types import TP
from mode import Service

from streams.delivery.batch import Batch, Span
from streams.delivery.positions import ANEW
from streams.delivery.records import as_parsed
from streams.ending import Membership
from streams.errors import FencedError
from streams.group.ends import ask_ends, assignment_of, ends_of
from streams.group.groupwatch import GroupWatch
from streams.settings import Settings

FETCH_WAIT_MS = 100
"""How long the broker may hold a fetch that finds nothing: what a quiet feed delays the news that it is complete."""
FETCH_BYTES = 4 << 20
HEARTBEAT_MS = 500
"""How often the group is asked at least: only so does a worker hear that another one has left, or wants to join."""
LOOK_SECONDS = 0.5
"""How often the group is looked after."""
ENDS_SECONDS = 5.0
"""How often it is asked how far sources go of which nothing is fetched."""
METADATA_MS = 10_000
"""How old may be what is known of the topics: partitions that are added are noticed no later."""
IDLE_MS = 10 * 365 * 86_400_000
"""How long a member may fetch nothing: for years.

aiokafka's own five minutes take out of the group, for good, who stands by without a partition, and who restores for
longer than that (its issue 1187). A worker that does not get on is seen by /live and /health.
"""
CONNECT_SECONDS = 1.0
"""Between two attempts to reach a broker at the start."""


class ConsumerThread(stock.AIOKafkaConsumerThread):
    """The thread that talks to the brokers. Its `_next` follows each topic's offsets, so that a gap is seen."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self._watch = GroupWatch(self.app.offbeat_settings, self.app.offbeat_fatal)
        self._next: dict[TopicPartition, int] = {}
        self._epochs: dict[int, int] = {}

    @property
    def away(self) -> bool:
        """No broker answers for the group. Callable from any thread."""
        return self._watch.away

    @property
    def membership(self) -> Membership | None:
        """In the group, if there is any. Callable from any thread."""
        coordinator = self._consumer._coordinator if self._consumer is not None else None  # noqa: SLF001
        if coordinator is None or not coordinator.member_id or coordinator.coordinator_id is None:
            return None
        broker = self._consumer._client.cluster.broker_metadata(coordinator.coordinator_id)  # noqa: SLF001
        return Membership(broker.host, broker.port, coordinator.member_id) if broker is not None else None

    def check_awake(self) -> None:
        """Raises `FencedError` when this process stood still for so long that it may have lost its partitions."""
        if seconds := self._watch.frozen:
            raise FencedError(f"this process stood still for {seconds:.0f} s")

    async def on_start(self) -> None:
        """Connect; the brokers may have gone away since they were waited for."""
        self.time_started = time.monotonic()
        while not self.should_stop:
            consumer = self._create_consumer(loop=self.thread_loop)
            try:
                await consumer.start()
            except KafkaError as exc:
                await consumer.stop()
                self._watch.hear(exc)
                await self.sleep(CONNECT_SECONDS)
            else:
                self._consumer = consumer
                return

    async def on_thread_stop(self) -> None:
        """Leave the group; without brokers aiokafka's fetcher is cancelled while it closes, and says so."""
        with suppress(asyncio.CancelledError, KafkaError):
            await super().on_thread_stop()

    @Service.task  # type: ignore[untyped-decorator]
    async def _look_after_group(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_SECONDS)
            if self._consumer is not None:
                self._watch.look(self._consumer)

    @Service.task  # type: ignore[untyped-decorator]
    async def _ask_why(self) -> None:
        while not self.should_stop:
            await self.sleep(LOOK_SECONDS)
            await self._watch.ask_why()

    @Service.task  # type: ignore[untyped-decorator]
    async def _look_at_ends(self) -> None:
        while not self.should_stop:
            await self.sleep(ENDS_SECONDS)
            if self._consumer is not None:
                with suppress(KafkaError):
                    await ask_ends(self._consumer, self._next.keys(), ENDS_SECONDS)

    def _create_worker_consumer(self, _transport: Any) -> AIOKafkaConsumer:
        settings: Settings = self.app.offbeat_settings
        self._assignor = self.app.assignor
        return AIOKafkaConsumer(
            **settings.client_options(),
            client_id=settings.group_id,
            group_id=settings.group_id,
            # Faust's own: it keeps the same partition numbers of all topics together, aiokafka's does not
            partition_assignment_strategy=[self._assignor],
            enable_auto_commit=False,
            # positions are set by who takes a partition over; one that is not there must not be passed in silence
            auto_offset_reset="none",
            isolation_level="read_committed",
            value_deserializer=as_parsed,
            max_poll_records=self.app.conf.broker_max_poll_records,
            max_partition_fetch_bytes=FETCH_BYTES,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            session_timeout_ms=settings.session_timeout,
            heartbeat_interval_ms=min(settings.session_timeout // 5, HEARTBEAT_MS),
            rebalance_timeout_ms=2 * settings.session_timeout,
            max_poll_interval_ms=IDLE_MS,
            metadata_max_age_ms=METADATA_MS,
            retry_backoff_ms=50,
        )

    async def _fetch_records(
        self,
        consumer: AIOKafkaConsumer,
        active_partitions: set[TP],
        timeout: float | None = None,  # noqa: ASYNC109 - Faust's signature
        max_records: int | None = None,
    ) -> dict[int, Batch]:
        try:
            records = await super()._fetch_records(
                consumer, active_partitions, timeout=timeout, max_records=max_records
            )
        except NoOffsetForPartitionError:  # not taken over yet
            return {}
        except OffsetOutOfRangeError as exc:
            self._out_of_range(exc.args[0])
            return {}
        except KafkaError as exc:
            self._watch.hear(exc)
            return {}
        assignment = assignment_of(consumer)
        batches: dict[int, Batch] = {}  # no await from here on: a seek cannot come in between
        if assignment is None:
            return batches
        for tp in active_partitions:
            key = TopicPartition(*tp)
            state = assignment.state_value(key)
            if state is None or not state.has_valid_position or key not in self._next:
                continue
            start, found = self._next[key], records.get(key, [])
            # the position also passes what readers do not see: markers of transactions, aborted records
            end = max(state.position, found[-1].offset + 1 if found else 0)
            if end > start:
                batch = batches.get(tp.partition)
                if batch is None:
                    batch = batches[tp.partition] = Batch(tp.partition, self._epochs.get(tp.partition))
                sent = found[0].timestamp if found else None
                batch.spans[tp.topic] = Span(start, end, state.timestamp or 0, found, sent)
                self._next[key] = end
        return batches

    def _out_of_range(self, places: Mapping[TopicPartition, int]) -> None:
        (tp, offset), *_ = places.items()
        if self._next.get(tp) == offset:  # else it is a committed one, before anybody has taken the partition over
            self.app.offbeat_fatal(
                1,
                f"{tp.topic}[{tp.partition}]: offset {offset}, the next to be taken, is not there: events were deleted "
                f"unread, or the topic was made anew. Nothing was skipped yet; {ANEW}",
            )

    def ends(self, number: int, topics: Iterable[str]) -> dict[str, tuple[int, int]]:
        """Per topic: (end offset, when the broker said so in epoch ms). Callable from any thread."""
        return ends_of(self._ensure_consumer(), number, topics)

    async def seek_exact(self, number: int, positions: Mapping[str, int], epoch: int) -> None:
        """Go on from these offsets; batches fetched before carry another epoch."""
        await self.call_thread(self._seek_exact, number, positions, epoch)

    async def _seek_exact(self, number: int, positions: Mapping[str, int], epoch: int) -> None:
        consumer = self._ensure_consumer()
        for topic, offset in positions.items():
            key = TopicPartition(topic, number)
            consumer.seek(key, offset)
            self._next[key] = offset
        self._epochs[number] = epoch

    async def in_group(self) -> bool:
        """Ask the group: this worker is a member, and nothing is being assigned anew."""
        found: bool = await self.call_thread(self._watch.confirm, self._ensure_consumer())
        return found

    async def committed(self, topic: str, number: int) -> int | None:
        """The group's committed offset."""
        found: int | None = await self.call_thread(self._ensure_consumer().committed, TopicPartition(topic, number))
        return found

    async def beginning(self, topic: str, number: int) -> int:
        """The offset of the oldest record there is."""
        key = TopicPartition(topic, number)
        found: dict[TopicPartition, int] = await self.call_thread(self._ensure_consumer().beginning_offsets, [key])
        return found[key]

    def release(self, number: int, full: Iterable[str], topics: Iterable[str]) -> None:
        """The partition number's batch is done. `full`: topics that are to be left alone until they are not."""
        self.consumer.release(number, full, topics)

    async def commit_group(self, number: int, positions: Mapping[str, int]) -> None:
        """Commit the group's offsets, for people and tools: the changelog holds the truth."""
        offsets = {TopicPartition(topic, number): offset for topic, offset in positions.items()}
        await self.call_thread(self._ensure_consumer().commit, offsets)
