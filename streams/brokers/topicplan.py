"""Which topics the engine needs, and how those of a cluster differ. Pure; `streams.brokers.topics` asks the brokers."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from streams.settings import Settings

DEAD_LETTER_BYTES = 32 << 20
"""A dead letter holds whatever a source took, and headers."""
KAFKA_MESSAGE_BYTES = 1_048_588
"""What a topic takes when nobody has said anything else."""
TRANSACTION_STATE = "__transaction_state"
"""What is lost of it may leave a transaction half committed. Of the group's offsets nothing depends: see the mark."""
_CHANGELOG = {
    "cleanup.policy": "compact",
    # recovery reads all that is not compacted: clean early, and roll early, since the last segment is never cleaned
    "min.cleanable.dirty.ratio": "0.1",
    "segment.bytes": str(64 << 20),
    "segment.ms": "86400000",
}


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it should be made."""

    name: str
    partitions: int
    replication: int
    configs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Found:
    """A topic as it is. `configs` is empty when the brokers do not tell."""

    partitions: int
    replication: int
    configs: Mapping[str, str]
    id: str = ""
    """Given by the brokers when it was made; empty when they give none."""


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not as it should be, how to mend it, and whether the worker cannot do without (`must`)."""

    topic: str
    what: str
    advice: str
    must: bool


@dataclass(frozen=True, slots=True)
class Cluster:
    """What the brokers told: how many there are, and those of our topics that exist, by name."""

    brokers: int
    found: Mapping[str, Found]
    hidden: frozenset[str] = frozenset()
    """Topics of ours that they do not let us see, or that do not exist: they do not tell which."""
    transactions: Found | None = None
    """Where the brokers themselves keep transactions (TRANSACTION_STATE); None when they do not tell of it."""


def every(settings: Settings) -> tuple[str, ...]:
    """The full names of all topics."""
    return (*settings.sources, *settings.outputs, settings.changelog, settings.published)


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
        *_copies(settings, cluster),
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
            _configure(settings, name, "cleanup.policy=compact"),
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
    least = max((_bytes(configs) for configs in sources), default=KAFKA_MESSAGE_BYTES)
    if _bytes(cluster.found[name].configs) < least:
        yield Difference(
            name,
            f"takes {_bytes(cluster.found[name].configs)} bytes a message, the sources take {least}",
            _configure(settings, name, f"max.message.bytes={max(DEAD_LETTER_BYTES, least)}"),
            must=True,
        )


def _bytes(configs: Mapping[str, str]) -> int:
    told = configs.get("max.message.bytes", "")
    return int(told) if told.isdigit() else KAFKA_MESSAGE_BYTES


def _copies(settings: Settings, cluster: Cluster) -> Iterator[Difference]:
    """Warnings: what one broken broker would cost, where there are enough brokers to avoid it."""
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
                _configure(settings, name, "min.insync.replicas=2"),
                must=False,
            )
        if topic.configs.get("unclean.leader.election.enable") == "true":
            yield Difference(
                name,
                "has unclean.leader.election.enable=true: a broker that lags may drop what was acknowledged",
                _configure(settings, name, "unclean.leader.election.enable=false"),
                must=False,
            )


def _alter(settings: Settings, name: str, partitions: int) -> str:
    return f"kafka-topics.sh --bootstrap-server {settings.brokers} --alter --topic {name} --partitions {partitions}"


def _configure(settings: Settings, name: str, config: str) -> str:
    return (
        f"run: kafka-configs.sh --bootstrap-server {settings.brokers} --alter --entity-type topics "
        f"--entity-name {name} --add-config {config}"
    )
