"""What the views in Redis tell of themselves."""

from typing import Literal, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge

Reason = Literal["away", "slow", "full", "read_only", "refused", "other"]
"""Why Redis did not take views."""
KINDS = ("customer", "sent", "deleted")


class ViewMetrics:
    """Kept by the thread that writes views."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.written = Counter("offbeat_views_written", "Views written, by kind", ["kind"], registry=registry)
        self.failures = Counter(
            "offbeat_views_failures", "Attempts to write views that failed, by why", ["reason"], registry=registry
        )
        self.dropped = Counter(
            "offbeat_views_dropped",
            "Customers whose changes were not kept until they could be shown; their views are written anew",
            registry=registry,
        )
        self.waiting = Gauge("offbeat_views_waiting", "Customers whose view waits to be written", registry=registry)
        self.behind = Gauge(
            "offbeat_views_behind_seconds", "Since all that was durable had been shown", registry=registry
        )
        self.renewing = Gauge(
            "offbeat_views_renewing", "Partition numbers whose views are written anew", registry=registry
        )
        for kind in KINDS:
            self.written.labels(kind)
        for reason in get_args(Reason):
            self.failures.labels(reason)
