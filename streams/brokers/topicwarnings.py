"""What could be better about topics, and stops no worker today. Pure."""

from collections.abc import Iterator

from streams.brokers.topicfacts import (
    KAFKA_MESSAGE_BYTES,
    TRANSACTION_STATE,
    Cluster,
    Difference,
    configure,
    message_bytes,
    retention_of,
)
from streams.settings import Settings

_DAY = 86_400_000
_STOPS = "batches are refused, which stops the worker"


def warnings(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    """Differences that a worker can do with."""
    yield from _small(settings, cluster)
    yield from _forgetful(settings, cluster)
    yield from _copies(settings, cluster)


def _small(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    """What is written goes out in batches of up to a megabyte."""
    for name in sorted(
        {*settings.outputs, settings.changelog, settings.published} - {settings.topic("dead_letters")}
    ):  # those must take more
        if name in cluster.found and (least := message_bytes(cluster.found[name].configs)) < KAFKA_MESSAGE_BYTES:
            lost = "samples are refused, and not learnt from" if name == settings.published else _STOPS
            yield Difference(
                name,
                f"takes {least} bytes a message: larger {lost}",
                configure(settings, name, f"max.message.bytes={KAFKA_MESSAGE_BYTES}"),
                must=False,
            )


def _forgetful(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    """Sources that keep events for less than a day."""
    for name in settings.sources:
        kept = retention_of(cluster.found[name]) if name in cluster.found else None
        if kept is not None and kept < _DAY:
            yield Difference(
                name,
                f"keeps events for {kept / 3_600_000:.1f} hours: workers that are away for longer lose them",
                configure(settings, name, f"retention.ms={7 * _DAY}"),
                must=False,
            )


def _copies(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    """What one broken broker would cost, where there are enough brokers to avoid it."""
    internal = cluster.transactions if settings.delivery == "exactly_once" else None
    for name, topic in {**cluster.found, **({TRANSACTION_STATE: internal} if internal else {})}.items():
        if cluster.brokers >= 3 and topic.replication < 3:
            copies = f"{topic.replication} cop{'ies' if topic.replication != 1 else 'y'}"
            yield Difference(
                name,
                f"has {copies} of each partition: a broken broker may lose events or stop the worker",
                "give it three with kafka-reassign-partitions.sh",
                must=False,
            )
        elif topic.replication >= 3 and topic.configs.get("min.insync.replicas") == "1":
            yield Difference(
                name,
                "has min.insync.replicas=1: what only one broker has may be lost with it",
                configure(settings, name, "min.insync.replicas=2"),
                must=False,
            )
        if topic.configs.get("unclean.leader.election.enable") == "true":
            yield Difference(
                name,
                "has unclean.leader.election.enable=true: a broker that lags may drop what was acknowledged",
                configure(settings, name, "unclean.leader.election.enable=false"),
                must=False,
            )
