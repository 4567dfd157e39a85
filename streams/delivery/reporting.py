"""What one partition number tells of itself: metrics, and its line in the health report."""

import logging
from collections.abc import Mapping
from math import inf, nan

from streams.brokers.retention import Unread
from streams.delivery.batch import Batch
from streams.delivery.changelog import offsets
from streams.delivery.excess import Excess
from streams.flow.pipeline import Outcome, Pipeline
from streams.settings import Settings
from streams.watch.logformat import about
from streams.watch.metrics import Metrics
from streams.watch.status import PartitionStatus, Status

log = logging.getLogger(__name__)


class Report:
    """Kept by the partition; nothing is decided by it."""

    def __init__(
        self, number: int, settings: Settings, metrics: Metrics, status: Status, retention: Mapping[str, int]
    ) -> None:
        """`retention`: of topics, in ms, where the brokers tell."""
        self._number, self._label, self._settings = number, str(number), settings
        self._topics = settings.sources
        self._timed = settings.clock == "wall"
        self._metrics, self._status = metrics, status
        self._unread = {topic: Unread(topic, number, retention[topic]) for topic in self._topics if topic in retention}
        self._excess = Excess(number, metrics.bounds)
        self._heard = 0
        """When the brokers last said where sources end (`_rests`)."""

    def restoring(self) -> None:
        """Its state is being read back."""
        progress = self._progress()
        progress.restoring()
        self._metrics.follow(
            self._number,
            lag=lambda: _known(progress.lag_seconds),
            still=lambda: _known(progress.still_seconds),
            recovery_left=lambda: _known(progress.recovery_left),
        )

    def read_back(self, count: int, left: int) -> None:
        """So many records of the changelog; about so many are left."""
        self._metrics.recovered.inc(count)
        self._progress().read_back(count, left)

    def taken_over(self, customers: int, seconds: float, at: Mapping[str, int]) -> None:
        """It goes on from these offsets."""
        self._metrics.takeovers.inc()
        self._metrics.recovery_seconds.observe(seconds)
        log.info(
            "partition %d: %d customers restored in %.1f s",
            self._number,
            customers,
            seconds,
            extra=about(self._number, at),
        )

    def live(self, pipeline: Pipeline, wall: int) -> None:
        """It takes events from now on, at `wall`, epoch ms."""
        self._progress().live()
        self.holds(pipeline, wall)

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
            progress = self._progress()
            left = progress.is_behind(lags, taken)
            self._metrics.catch_up.labels(self._label).set(inf if left is None else left)
            if self._rests(lags, pipeline.merge.waiting, [at for _, at in ends.values()]):
                progress.moved()

    def _rests(self, lag: int, waiting: int, heard: list[int]) -> bool:
        """Whether it is right that nothing is made durable, by what the brokers have said since, of each source when.

        By the wall clock they must have said of all that nothing is left. In event time, whoever waits for another
        source does so for as long as that is silent, and no more is fetched of a source that is full.
        """
        last = min(heard) if self._timed else max(heard)
        news, self._heard = last != self._heard, last
        return news and (lag == 0 or (waiting > 0 and not self._timed))

    def durable(self, pipeline: Pipeline, outcome: Outcome, seconds: float, writing: float) -> None:
        """A batch is durable, after so many seconds, of which `writing` were the brokers'."""
        self._progress().moved()
        if log.isEnabledFor(logging.DEBUG):
            at = offsets(pipeline.positions, self._settings)
            log.debug("partition %d: durable in %.3f s", self._number, seconds, extra=about(self._number, at))
        metrics = self._metrics
        metrics.outcome(outcome, timed=self._timed)
        metrics.shop.sold(pipeline.core.sales.take())
        if pipeline.core.calibration is not None:
            metrics.calibration.closed(pipeline.core.calibration.take())
        metrics.batch_seconds.observe(seconds)
        metrics.commit_seconds.observe(writing)
        for why, count in pipeline.core.counts.items():
            metrics.unchanged.labels(why).inc(count)
        pipeline.core.counts.clear()
        self._excess.tell(pipeline.core.notices.take())
        metrics.reached.labels(self._label).set(outcome.now / 1000)

    def holds(self, pipeline: Pipeline, wall: int) -> None:
        """What it holds now, at `wall`, epoch ms."""
        metrics = self._metrics
        self._progress().passed(pipeline.merge.behind(wall))
        metrics.customers.labels(self._label).set(len(pipeline.core.states))
        metrics.waiting.labels(self._label).set(pipeline.merge.waiting)
        metrics.waiting_bytes.labels(self._label).set(pipeline.merge.weigh())
        metrics.live.labels(self._label).set(1)

    def gone(self) -> None:
        """It is not ours any more: what was must not go on being shown."""
        self._metrics.gone(self._number, self._topics)
        self._status.partitions.pop(self._number, None)

    def _progress(self) -> PartitionStatus:
        return self._status.partition(self._number, ages=self._timed)


def _known(value: float | None) -> float:
    return nan if value is None else value
