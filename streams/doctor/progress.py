"""Where the workers stand: what they know in the changelog, held against what the topics have."""

import time
from typing import NamedTuple

from aiokafka import TopicPartition
from kafka import OffsetSpec

from streams.brokers.retention import NEAR, retentions, spell
from streams.delivery.positions import check_topics_are_those, go_on_from
from streams.doctor.check import Finding, well, wrong
from streams.doctor.patient import Patient
from streams.errors import StopError
from tables.events import SOURCES

LATE_SECONDS = 300
"""As the alert OffbeatLagging has it."""


def states(patient: Patient) -> Finding:
    """The newest states and marks can be read by this version."""
    for number, tail in patient.tails.items():
        if tail.problem:
            place = f"{patient.settings.changelog}[{number}]"
            return wrong(
                f"{place}: {tail.problem}", 'run the version that wrote it; "Upgrading" in streams/OPERATING.md'
            )
    told = sum(tail.mark is not None for tail in patient.tails.values())
    return well(f"the newest of {told} of {patient.partitions} partitions can be read" if told else "none yet")


def positions(patient: Patient) -> Finding:
    """A worker that takes a partition number over can go on: nothing that it knows of was deleted or made anew."""
    settings, found = patient.settings, patient.cluster.found
    begins = patient.offsets(OffsetSpec.EARLIEST, *settings.sources)
    ids = {source: found[settings.topic(source)].id for source in SOURCES}
    for number, tail in patient.tails.items():
        if tail.mark is None and not tail.whole:
            continue  # it is further back than was looked
        places = {source: TopicPartition(settings.topic(source), number) for source in SOURCES}
        try:
            check_topics_are_those(settings, tail.mark, {source: id_ for source, id_ in ids.items() if id_})
            committed = {source: patient.committed.get(place) for source, place in places.items()}
            go_on_from(settings, number, tail.mark, committed, {s: begins[place] for s, place in places.items()})
        except StopError as error:
            return wrong(str(error), '"Where the workers stand" in streams/RUNBOOK.md')
    return well("the changelog goes with the topics and with the group's offsets")


class _Waiting(NamedTuple):
    """An event that is the next to be taken in its partition."""

    place: str
    topic: str
    seconds: float
    """Since it was sent."""


def lag(patient: Patient) -> Finding:
    """How long the oldest event has been waiting, by the time at which it was sent."""
    late = [w for w in _waiting(patient) if w.seconds > LATE_SECONDS]
    if not late:
        return well(f"nothing has been waiting for more than {LATE_SECONDS // 60} minutes")
    worst = max(late, key=lambda w: w.seconds)
    return wrong(
        f"{worst.place}: the next event was sent {spell(round(worst.seconds * 1000))} ago; "
        f"{len(late)} partitions of topics are late",
        "start another worker, up to the number of partitions; see what the other checks say of brokers and workers",
    )


def retention(patient: Patient) -> Finding:
    """Events are taken before their topic deletes them."""
    settings = patient.settings
    kept = retentions({name: patient.cluster.found[name] for name in settings.sources})
    if not kept:
        return well("no source deletes by time, or the brokers do not tell")
    for waiting in _waiting(patient):
        limit = kept.get(waiting.topic)
        if limit is not None and waiting.seconds * 1000 > (1 - NEAR) * limit:
            return wrong(
                f"{waiting.place}: the next event to be taken was sent {spell(round(waiting.seconds * 1000))} ago, and "
                f"the topic keeps them for {spell(limit)}",
                f"raise it first: kafka-configs.sh --bootstrap-server {settings.brokers} --alter --entity-type topics "
                f"--entity-name {waiting.topic} --add-config retention.ms={2 * limit}; then see why the workers lag",
            )
    return well(f"the sources keep events for {spell(min(kept.values()))}; nothing is near that")


def _waiting(patient: Patient) -> list[_Waiting]:
    """Of partitions that were ever taken care of."""
    now = time.time()
    return [
        _Waiting(f"{place.topic}[{place.partition}]", place.topic, now - sent / 1000)
        for place, sent in patient.waiting.items()
    ]
