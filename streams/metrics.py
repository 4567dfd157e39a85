"""Every metric there is, by name, type, unit and meaning. METRICS.md lists them; a test holds the two together."""

from collections import Counter as Counts
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from agents.decisions import Decision, Trigger
from streams.pipeline import Outcome

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_LATE = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 86400.0)


class Metrics:
    """The worker's metrics. Labels are bounded: types, kinds, topics, partition numbers; never a customer."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self.events = Counter("offbeat_events", "Events taken from the sources", ["type"], registry=registry)
        self.unchanged = Counter(
            "offbeat_events_unchanged", "Events taken that changed nothing, by why", ["why"], registry=registry
        )
        self.bounds = Counter(
            "offbeat_bounds_reached", "Events that reached a bound, by which", ["bound"], registry=registry
        )
        self.dead_letters = Counter(
            "offbeat_dead_letters", "Records that are not events, by kind of reason", ["reason"], registry=registry
        )
        self.triggers = Counter("offbeat_triggers", "Triggers sent", ["type"], registry=registry)
        self.cancellations = Counter(
            "offbeat_trigger_cancellations", "Triggers that a later event contradicted", ["type"], registry=registry
        )
        self.suppressed = Counter(
            "offbeat_triggers_suppressed", "Triggers held back, by guard", ["type", "guard"], registry=registry
        )
        self.timer_lateness = Histogram(
            "offbeat_timer_lateness_seconds",
            "From a timer's due time to the decision, where timers follow the wall clock",
            buckets=_LATE,
            registry=registry,
        )
        self.batch_seconds = Histogram(
            "offbeat_batch_seconds",
            "From the start of a batch to its being durable",
            buckets=_SECONDS,
            registry=registry,
        )
        self.batches_failed = Counter(
            "offbeat_batches_failed", "Batches that failed and were begun anew", registry=registry
        )
        self.lag = Gauge(
            "offbeat_lag_records", "Records of a source not taken yet", ["topic", "partition"], registry=registry
        )
        self.catch_up = Gauge(
            "offbeat_catch_up_seconds", "Until the lag is gone, at the speed of late", ["partition"], registry=registry
        )
        self.retention_left = Gauge(
            "offbeat_retention_left_seconds",
            "Until the oldest event that is not taken may be deleted unread",
            ["topic", "partition"],
            registry=registry,
        )
        self.waiting = Gauge(
            "offbeat_waiting_records",
            "Records fetched that wait for an earlier one of another source",
            ["partition"],
            registry=registry,
        )
        self.waiting_bytes = Gauge(
            "offbeat_waiting_bytes",
            "Bytes of what was fetched and waits, fetches that are partly taken in full",
            ["partition"],
            registry=registry,
        )
        self.reached = Gauge(
            "offbeat_event_time_seconds",
            "Event time up to which timers have fired, Unix time",
            ["partition"],
            registry=registry,
        )
        self.customers = Gauge("offbeat_customers", "Customers remembered", ["partition"], registry=registry)
        self.live = Gauge(
            "offbeat_partition_live", "1 while the partition number is taken care of", ["partition"], registry=registry
        )
        self.takeovers = Counter("offbeat_takeovers", "Partition numbers taken over", registry=registry)
        self.recovered = Counter("offbeat_recovered_records", "Changelog records read back", registry=registry)
        self.recovery_seconds = Histogram(
            "offbeat_recovery_seconds",
            "From taking a partition number over to its being live",
            buckets=_SECONDS,
            registry=registry,
        )
        self.info = Gauge("offbeat_info", "1, by version and delivery mode", ["version", "delivery"], registry=registry)

    def outcome(self, outcome: Outcome, *, timed: bool) -> None:
        """Count a durable batch. `timed`: timers follow the wall clock, so that their lateness means something."""
        for kind, count in outcome.events.items():
            self.events.labels(kind).inc(count)
        for kind, count in Counts(letter.record.kind for letter in outcome.dead).items():
            self.dead_letters.labels(kind).inc(count)
        for (metric, *labels), count in Counts(map(self._counted, outcome.decisions)).items():
            metric.labels(*labels).inc(count)
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

    def gone(self, partition: int, topics: tuple[str, ...]) -> None:
        """The partition number is somebody else's now: its gauges must not go on showing what was."""
        number = str(partition)
        for gauge in (self.catch_up, self.waiting, self.waiting_bytes, self.reached, self.customers, self.live):
            gauge.labels(number)
            gauge.remove(number)
        for topic in topics:
            for gauge in (self.lag, self.retention_left):
                gauge.labels(topic, number)
                gauge.remove(topic, number)
