"""What one partition number tells of itself: metrics, and its line in the health report."""

import logging
from collections.abc import Mapping
from math import inf

from streams.batch import Batch
from streams.excess import Excess
from streams.metrics import Metrics
from streams.pipeline import Outcome, Pipeline
from streams.retention import Unread
from streams.settings import Settings
from streams.status import PartitionStatus, Status

log = logging.getLogger(__name__)


class Report:
    """Kept by the partition; nothing is decided by it."""

    def __init__(
        self, number: int, settings: Settings, metrics: Metrics, status: Status, retention: Mapping[str, int]
    ) -> None:
        """`retention`: of topics, in ms, where the brokers tell."""
        self._number, self._label = number, str(number)
        self._topics = settings.sources
        self._timed = settings.clock == "wall"
        self._metrics, self._status = metrics, status
        self._unread = {
            topic: Unread(f"{topic}[{number}]", retention[topic]) for topic in self._topics if topic in retention
        }
        self._excess = Excess(number, metrics.bounds)

    def restoring(self) -> None:
        """Its state is being read back."""
        self._progress().restoring()

    def read_back(self, count: int) -> None:
        """So many records of the changelog."""
        self._metrics.recovered.inc(count)

    def taken_over(self, customers: int, seconds: float) -> None:
        self._metrics.takeovers.inc()
        self._metrics.recovery_seconds.observe(seconds)
        log.info("partition %d: %d customers restored in %.1f s", self._number, customers, seconds)

    def live(self, pipeline: Pipeline) -> None:
        """It takes events from now on."""
        self._progress().live()
        self.holds(pipeline)

    def failed(self) -> None:
        """A batch failed."""
        self._metrics.batches_failed.inc()
        self._metrics.live.labels(self._label).set(0)
        self.restoring()

    def fetched(self, batch: Batch) -> None:
        """It has got these records."""
        for topic, span in batch.spans.items():
            if topic in self._unread and span.sent is not None and span.start is not None:
                self._unread[topic].fetched(span.start, span.end, span.sent)

    def ends(self, pipeline: Pipeline, ends: Mapping[str, tuple[int, int]], wall: int) -> None:
        """The sources end there (Intake.ends), and it is `wall`, epoch ms: how far is it behind?"""
        lags, taken = 0, 0
        for topic, feed in zip(self._topics, pipeline.merge.feeds, strict=True):
            if topic in ends:
                position = feed.position[0]
                lag = max(0, ends[topic][0] - position)
                self._metrics.lag.labels(topic, self._label).set(lag)
                lags, taken = lags + lag, taken + position
                if topic in self._unread:
                    self._unread[topic].look(position, lag, wall)
                    self._metrics.retention_left.labels(topic, self._label).set(self._unread[topic].left / 1000)
        if len(ends) == len(self._topics):
            left = self._progress().is_behind(lags, taken)
            self._metrics.catch_up.labels(self._label).set(inf if left is None else left)

    def durable(self, pipeline: Pipeline, outcome: Outcome, seconds: float) -> None:
        """A batch is durable, after so many seconds."""
        metrics = self._metrics
        metrics.outcome(outcome, timed=self._timed)
        metrics.batch_seconds.observe(seconds)
        for why, count in pipeline.core.counts.items():
            metrics.unchanged.labels(why).inc(count)
        pipeline.core.counts.clear()
        self._excess.tell(pipeline.core.notices.take())
        metrics.reached.labels(self._label).set(outcome.now / 1000)

    def holds(self, pipeline: Pipeline) -> None:
        """What it holds now."""
        metrics = self._metrics
        metrics.customers.labels(self._label).set(len(pipeline.core.states))
        metrics.waiting.labels(self._label).set(pipeline.merge.waiting)
        metrics.waiting_bytes.labels(self._label).set(pipeline.merge.weigh())
        metrics.live.labels(self._label).set(1)

    def gone(self) -> None:
        """It is not ours any more: what was must not go on being shown."""
        self._metrics.gone(self._number, self._topics)
        self._status.partitions.pop(self._number, None)

    def _progress(self) -> PartitionStatus:
        return self._status.partitions.setdefault(self._number, PartitionStatus())
