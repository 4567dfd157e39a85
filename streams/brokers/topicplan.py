"""Which topics the engine needs, and how those of a cluster differ. Pure; `streams.brokers.topics` asks the brokers."""

from collections.abc import Iterator

from streams.brokers.topicfacts import (
    KAFKA_MESSAGE_BYTES,
    Cluster,
    Difference,
    Topic,
    configure,
    every,
    message_bytes,
)
from streams.brokers.topicwarnings import warnings
from streams.settings import Settings

DEAD_LETTER_BYTES = 32 << 20
"""A dead letter holds whatever a source took, and headers."""
_CHANGELOG = {
    "cleanup.policy": "compact",
    # recovery reads all that is not compacted: clean early, and roll early, since the last segment is never cleaned
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(64 << 20),
    "segment.ms": "86400000",
}


def wanted(settings: Settings, cluster: Cluster) -> list[Topic]:
    """Every topic as it should be made in this cluster; sources that exist already set the number of partitions."""
    counts = [cluster.found[name].partitions for name in settings.sources if name in cluster.found]
    partitions = max(counts, default=settings.partitions)
    copies = settings.replication or min(3, max(1, cluster.brokers))
    common = {"min.insync.replicas": "2"} if copies >= 3 else {}
    special = {
        settings.changelog: _CHANGELOG,
        settings.published: _CHANGELOG,
        settings.topic("dead_letters"): {"max.message.bytes": str(DEAD_LETTER_BYTES)},
    }
    return [
        Topic(name, 1 if name == settings.published else partitions, copies, {**common, **special.get(name, {})})
        for name in every(settings)
    ]


def compare(settings: Settings, cluster: Cluster) -> list[Difference]:
    """Every difference, topic by topic; what the worker cannot do without comes first."""
    found = [
        *_missing(settings, cluster),
        *_partitions(settings, cluster),
        *_compacted(settings.changelog, "states of customers", settings, cluster),
        *_compacted(settings.published, "parameters", settings, cluster),
        *_published(settings, cluster),
        *_dead_letters(settings, cluster),
        *warnings(settings, cluster),
    ]
    return sorted(found, key=lambda difference: not difference.must)


def _missing(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    for name in every(settings):
        if name in cluster.hidden:
            yield Difference(
                name,
                f"is missing, or the brokers do not let {settings.security.who} see it",
                "allow it with kafka-acls.sh (streams/SECURITY.md lists what is needed), or run: offbeat topics create",
                must=True,
            )
        elif name not in cluster.found:
            yield Difference(name, "is missing", "run: offbeat topics create", must=True)


def _partitions(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    """The sources and the changelog must be equal: partition i of all of them belongs to one worker."""
    counts = {n: cluster.found[n].partitions for n in (*settings.sources, settings.changelog) if n in cluster.found}
    most = max(counts.values(), default=0)
    largest = next((name for name, count in counts.items() if count == most), "")
    for name, count in counts.items():
        if count != most:
            yield Difference(
                name,
                f"has {_count(count)}, {largest} has {most}",
                f"give all of them {most} while nothing has been sent yet ({_alter(settings, name, most)}); "
                "later only `offbeat topics repartition` keeps customers together with their history, also when it was "
                f"broken off: run it with --partitions {most}",
                must=True,
            )


def _count(partitions: int) -> str:
    return f"{partitions} partition{'s' if partitions != 1 else ''}"


def _compacted(name: str, what: str, settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    configs = cluster.found[name].configs if name in cluster.found else {}
    if not configs:
        if name in cluster.found:
            yield Difference(name, _UNTOLD, "see to it that its cleanup.policy is compact", must=False)
    elif (policy := configs.get("cleanup.policy", "delete")) != "compact":
        yield Difference(
            name,
            f"has cleanup.policy={policy}: {what} would be lost",
            configure(settings, name, "cleanup.policy=compact"),
            must=True,
        )


def _published(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    """What comes later counts, and order is kept within a partition alone."""
    name = settings.published
    if name in cluster.found and cluster.found[name].partitions != 1:
        yield Difference(
            name,
            f"has {_count(cluster.found[name].partitions)}, and must have one",
            "delete it (kafka-topics.sh --delete) and run: offbeat topics create; what was published, publish again",
            must=True,
        )


_UNTOLD = "could not be checked: the brokers do not tell its settings"


def _dead_letters(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    name = settings.topic("dead_letters")
    if name not in cluster.found:
        return
    if not cluster.found[name].configs:
        yield Difference(name, _UNTOLD, "see to it that max.message.bytes is at least the sources'", must=False)
        return
    sources = [cluster.found[source].configs for source in settings.sources if source in cluster.found]
    least = max((message_bytes(configs) for configs in sources), default=KAFKA_MESSAGE_BYTES)
    if message_bytes(cluster.found[name].configs) < least:
        yield Difference(
            name,
            f"takes {message_bytes(cluster.found[name].configs)} bytes a message, the sources take {least}",
            configure(settings, name, f"max.message.bytes={max(DEAD_LETTER_BYTES, least)}"),
            must=True,
        )


def _alter(settings: Settings, name: str, partitions: int) -> str:
    return f"kafka-topics.sh --bootstrap-server {settings.brokers} --alter --topic {name} --partitions {partitions}"
