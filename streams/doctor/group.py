"""The workers' group: who is in it, and who has which partition numbers."""

from collections.abc import Iterable
from typing import Any

from kafka import OffsetSpec

from streams.brokers.topics import admin
from streams.doctor.check import Finding, well, wrong
from streams.doctor.patient import Patient

_KNOWN = ("Dead", "Empty", "PreparingRebalance", "CompletingRebalance", "Stable")
_ASSIGNOR = "faust"
"""What workers call the way in which they share partitions."""


def workers(patient: Patient) -> Finding:
    group, count = patient.settings.group_id, patient.partitions
    with admin(patient.settings) as client:
        told = client.describe_groups([group])[group]
    members = told["members"]
    if told["group_state"] not in _KNOWN:
        return wrong(f"group {group} cannot be looked at: {told['error']}", "allow Read on it (streams/SECURITY.md)")
    if not members:
        return _nobody(patient)
    if told["group_state"] != "Stable":
        return well(f"the group shares partitions anew ({told['group_state']})", "look again in a moment")
    if told["protocol_data"] != _ASSIGNOR:
        return wrong(
            f"group {group} has members that are no workers ({told['protocol_data'] or 'of another kind'})",
            "set OFFBEAT_GROUP to a name that nobody else has",
        )
    shares = [set(_numbers(member["member_assignment"], patient.settings.sources[0])) for member in members]
    if lacking := sorted(set(range(count)).difference(*shares)):
        return wrong(f"nobody has partitions {lacking}", "read the workers' logs; stop them all and start them again")
    return _shared(len(members), count)


def _shared(members: int, count: int) -> Finding:
    found = f"{members} share{'s'[: members == 1]} {count} partitions"
    if members > count:
        return well(f"{found}: {members - count} stand by", f"run {count}, or give the topics more partitions")
    if count % members:
        advice = "a number of workers that divides the partitions shares the load evenly"
        return well(f"{found}: some have one more than others", advice)
    return well(found)


def _nobody(patient: Patient) -> Finding:
    waiting = _waiting(patient)
    if not patient.marks:
        return well("none runs, and none has run yet")
    if waiting:
        return wrong(
            f"none runs, and about {waiting} records wait", "start one; the last line of its log says why it ended"
        )
    return well("none runs, and nothing waits", "start one: timers that become due wait, too")


def _waiting(patient: Patient) -> int:
    ends = patient.offsets(OffsetSpec.LATEST, *patient.settings.sources)
    return sum(max(0, end - patient.next.get(place, 0)) for place, end in ends.items())


def _numbers(assignment: Any, topic: str) -> Iterable[int]:
    """Of a member's assignment, as kafka-python reads it: what it could not read is bytes."""
    told = assignment if isinstance(assignment, dict) else getattr(assignment, "to_dict", dict)()
    for part in told.get("assigned_partitions", ()):
        if part["topic"] == topic:
            yield from part["partitions"]
