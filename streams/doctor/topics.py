"""The topics: how they are made, whether they are well, and whether we may use them."""

from typing import Any

from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import KafkaError

from streams.brokers.topicfacts import Difference
from streams.brokers.topicplan import compare
from streams.brokers.topics import admin
from streams.doctor.check import Finding, well, wrong
from streams.doctor.patient import Patient, place

_LIMITS = ("group.min.session.timeout.ms", "group.max.session.timeout.ms")


def topics(patient: Patient) -> Finding:
    """Made as the workers need them."""
    found = compare(patient.settings, patient.cluster)
    must = [d for d in found if d.must]
    if must:
        return wrong(_told(must), _advice(must))
    return well("; ".join(("all there, partitions equal", *([_told(found)] if found else ()))), _advice(found))


def _told(found: list[Difference]) -> str:
    alike = {d.what: [e.topic for e in found if e.what == d.what] for d in found}
    return "; ".join(f"{', '.join(names)} {what}" for what, names in alike.items())


def _advice(found: list[Difference]) -> str:
    return "; ".join(dict.fromkeys(d.advice for d in found))


def replicas(patient: Patient) -> Finding:
    """Each partition has a leader, and all its copies follow it."""
    least = {name: found.configs.get("min.insync.replicas", "") for name, found in patient.cluster.found.items()}
    few, behind = [], []
    for topic, partition in patient.replicas:
        copies, written = len(partition["replica_nodes"]), len(partition["isr_nodes"])
        if (told := least.get(topic, "")).isdigit() and written < int(told):
            few.append(f"{place(topic, partition)} ({written} of {copies} copies, {told} must be written)")
        elif written < copies:
            behind.append(f"{place(topic, partition)} ({written} of {copies})")
    for what, places in (
        ("has no leader: nothing can be read or written", patient.headless),
        ("has too few copies in sync: nothing can be written", few),
        ("has copies that are away or lag: another broker lost would stop it", behind),
    ):
        if places:
            return wrong(
                f"{_some(places)} {what}", "start the brokers that are away; read their logs, look at their disks"
            )
    return well("every partition has its leader, and all copies are in sync")


def _some(places: list[str]) -> str:
    return ", ".join(places[:5]) + (f" and {len(places) - 5} more" if len(places) > 5 else "")


def rights(patient: Patient) -> Finding:
    """What the brokers say that this user may do with each topic; not all of them say it."""
    settings = patient.settings
    needed = {
        **dict.fromkeys(settings.sources, ("READ",)),
        **dict.fromkeys(settings.outputs, ("WRITE",)),
        settings.changelog: ("READ", "WRITE"),
        **({settings.published: ("READ",)} if settings.follows else {}),
    }
    with admin(settings) as client:
        told = {
            t["name"]: t.get("authorized_operations") or () for t in client.describe_topics() if t["name"] in needed
        }
    if not any(told.values()):
        return well("not known: the brokers do not tell")
    lacking = [
        f"{operation.title()} {name}"
        for name, operations in needed.items()
        for operation in operations
        if name in told and operation not in told[name]
    ]
    if lacking:
        return wrong(
            f"the brokers do not let {settings.security.who}: {', '.join(lacking)}",
            "allow it with kafka-acls.sh (streams/SECURITY.md lists what is needed)",
        )
    return well(f"{settings.security.who} may read and write what a worker does")


def session_timeout(patient: Patient) -> Finding:
    """Within what the brokers allow."""
    ours = patient.settings.session_timeout
    with admin(patient.settings) as client:
        limits = _limits(client)
    if limits is None:
        return well("not compared: the brokers do not tell their limits")
    low, high = limits
    if low <= ours <= high:
        return well(f"{ours / 1000:g} s, which the brokers allow")
    return wrong(
        f"{ours / 1000:g} s, and the brokers allow {low / 1000:g} s to {high / 1000:g} s",
        f"set OFFBEAT_SESSION_TIMEOUT to {(low if ours < low else high) // 1000}s, or change {_LIMITS[ours > high]}",
    )


def _limits(client: Any) -> tuple[int, int] | None:
    """The longest minimum and the shortest maximum, in ms; None when no broker tells."""
    try:
        names = [str(broker["broker_id"]) for broker in client.describe_cluster()["brokers"]]
        resources = [ConfigResource(ConfigResourceType.BROKER, name) for name in names]
        told = client.describe_configs(resources, config_filter="all").get("broker", {}).values()
    except (KafkaError, OSError, KeyError):
        return None
    found = [[int(entries[name]["value"]) for name in _LIMITS] for entries in told if set(_LIMITS) <= set(entries)]
    return (max(low for low, _ in found), min(high for _, high in found)) if found else None
