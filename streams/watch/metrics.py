"""Every metric there is, by name, type, unit and meaning. OPERATING.md lists them; a test holds the two together."""

from collections import Counter as Counts
from collections.abc import Callable, Mapping
from typing import Any, get_args

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from agents.decisions import FAMILIES, Decision, Trigger
from agents.notices import Bound
from streams.flow.decode import KINDS
from streams.flow.pipeline import Outcome
from streams.watch.calibrationmetrics import CalibrationMetrics
from streams.watch.refitmetrics import RefitMetrics
from streams.watch.shopmetrics import ShopMetrics
from streams.watch.viewmetrics import ViewMetrics
from tables.events import AnyEvent, type_name

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LATE = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0)


class Metrics:
    """The worker's metrics. Labels are bounded: types, kinds, topics, partition numbers; never a customer."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry

        def counter(name: str, meaning: str, *labels: str) -> Counter:
            return Counter(f"offbeat_{name}", meaning, labels, registry=registry)

        def gauge(name: str, meaning: str, *labels: str) -> Gauge:
            return Gauge(f"offbeat_{name}", meaning, labels, registry=registry)

        def seconds(name: str, meaning: str, buckets: tuple[float, ...] = _SECONDS) -> Histogram:
            return Histogram(f"offbeat_{name}", meaning, buckets=buckets, registry=registry)

        self.events = counter("events", "Events taken from the sources", "type")
        self.unchanged = counter("events_unchanged", "Events taken that changed nothing, by why", "why")
        self.bounds = counter("bounds_reached", "Events that reached a bound, by which", "bound")
        self.dead_letters = counter("dead_letters", "Records that are not events, by kind of reason", "reason")
        self.shop = ShopMetrics(registry)
        self.calibration = CalibrationMetrics(registry)

        self.triggers = counter("triggers", "Triggers sent", "type")
        self.cancellations = counter("trigger_cancellations", "Triggers that a later event contradicted", "type")
        self.suppressed = counter("triggers_suppressed", "Triggers held back, by guard", "type", "guard")
        self.timer_lateness = seconds(
            "timer_lateness_seconds",
            "From a timer's due time to the decision, where timers follow the wall clock",
            _LATE,
        )

        self.batch_seconds = seconds("batch_seconds", "From the start of a batch to its being durable")
        self.commit_seconds = seconds("commit_seconds", "Of that, until the brokers had it durable")
        self.batches_failed = counter("batches_failed", "Batches that failed and were begun anew")

        self.lag = gauge("lag_records", "Records of a source not taken yet", "topic", "partition")
        self.lag_seconds = gauge("lag_seconds", "The last of event time that is not all taken", "partition")
        self.catch_up = gauge("catch_up_seconds", "Until the lag is gone, at the speed of late", "partition")
        self.retention_left = gauge(
            "retention_left_seconds",
            "Until the oldest event that is not taken may be deleted unread",
            *("topic", "partition"),
        )
        self.retention = gauge("retention_seconds", "How long a source keeps events", "topic")
        self.waiting = gauge(
            "waiting_records", "Records fetched that wait for an earlier one of another source", "partition"
        )
        self.waiting_bytes = gauge(
            "waiting_bytes", "Bytes of what was fetched and waits, fetches that are partly taken in full", "partition"
        )
        self.reached = gauge("event_time_seconds", "Event time up to which timers have fired, Unix time", "partition")
        self.customers = gauge("customers", "Customers remembered", "partition")

        self.partitions = gauge("partitions", "Partition numbers that there are, over all workers")
        self.live = gauge("partition_live", "1 while the partition number is taken care of", "partition")
        self.still = gauge("partition_still_seconds", "Since a live partition number has moved", "partition")
        self.takeovers = counter("takeovers", "Partition numbers taken over")
        self.recovered = counter("recovered_records", "Changelog records read back")
        self.recovery_seconds = seconds("recovery_seconds", "From taking a partition number over to its being live")
        self.recovery_left = gauge("recovery_left_seconds", "Until a state is read back", "partition")

        self.ready = gauge("ready", "1 while all partition numbers of the worker are live")
        self.loop_still = gauge("loop_still_seconds", "Since the event loop has turned")
        self.views = ViewMetrics(registry)
        self.refit = RefitMetrics(registry)
        self.info = gauge("info", "1, by version and delivery mode", "version", "delivery")
        self._begin()

    def _begin(self) -> None:
        """Counters begin with 0: what appears with its first event would not be seen to have grown."""
        for event in get_args(AnyEvent):
            self.events.labels(type_name(event))
        for why in ("duplicate", "repeated", "ignored"):
            self.unchanged.labels(why)
        for bound in get_args(Bound):
            self.bounds.labels(bound)
        for kind in KINDS:
            self.dead_letters.labels(kind)
        for name in FAMILIES:
            self.triggers.labels(name)
            self.cancellations.labels(name)
            self.suppressed.labels(name, "stale")

    def knows(self, partitions: int, retention: Mapping[str, int]) -> None:
        """Told by the brokers at the start: how many partition numbers there are, how long topics keep events (ms)."""
        self.partitions.set(partitions)
        for topic, kept in retention.items():
            self.retention.labels(topic).set(kept / 1000)

    def outcome(self, outcome: Outcome, *, timed: bool) -> None:
        """Count a durable batch. `timed`: timers follow the wall clock, so that their lateness means something."""
        for kind, count in outcome.events.items():
            self.events.labels(kind).inc(count)
        for kind, count in Counts(letter.record.kind for letter in outcome.dead).items():
            self.dead_letters.labels(kind).inc(count)
        for (metric, *labels), count in Counts(map(self._counted, outcome.decisions)).items():
            metric.labels(*labels).inc(count)
        self.calibration.decided(outcome.decisions)
        if timed:
            for late in outcome.settled.lateness:
                self.timer_lateness.observe(late / 1000)

    def _counted(self, decision: Decision) -> tuple[Any, ...]:
        """The counter that a decision belongs to, and its labels."""
        if not isinstance(decision, Trigger):
            return self.cancellations, decision.rule.name
        if isinstance(decision.suppressed_by, str):
            return self.suppressed, decision.type, decision.suppressed_by
        return self.triggers, decision.type

    def follow(
        self,
        partition: int,
        *,
        lag: Callable[[], float],
        still: Callable[[], float],
        recovery_left: Callable[[], float],
    ) -> None:
        """Ask for these, in seconds, whenever somebody looks: they change while the partition number does nothing."""
        for gauge, seconds in ((self.lag_seconds, lag), (self.still, still), (self.recovery_left, recovery_left)):
            gauge.labels(str(partition)).set_function(seconds)

    def gone(self, partition: int, topics: tuple[str, ...]) -> None:
        """The partition number is somebody else's now: its gauges must not go on showing what was."""
        number = str(partition)
        for gauge in (
            *(self.lag_seconds, self.catch_up, self.waiting, self.waiting_bytes, self.reached, self.customers),
            *(self.live, self.still, self.recovery_left),
        ):
            gauge.labels(number)
            gauge.remove(number)
        for topic in topics:
            for gauge in (self.lag, self.retention_left):
                gauge.labels(topic, number)
                gauge.remove(topic, number)
