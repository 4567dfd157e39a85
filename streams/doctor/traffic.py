"""What has come and gone of late, by offsets at times: about, since markers of transactions count, too."""

import time

from kafka import OffsetSpec

from streams.doctor.check import Finding, well, wrong
from streams.doctor.patient import Patient

_FAMILIES = ("repurchase", "cart", "basket", "lifecycle")
_HOUR, _DAY = 3_600, 86_400
_REFUSED, _REFUSED_SHARE = 10, 0.01
_BUSY = 100
_FLOOD, _FLOOD_TIMES = 100, 5
"""The limits of the alerts OffbeatDeadLetters, OffbeatSilent and OffbeatTriggerFlood."""


def dead_letters(patient: Patient) -> Finding:
    """How much of the last hour was not understood."""
    settings = patient.settings
    since = time.time() - _HOUR
    refused = _count(patient, since, settings.topic("dead_letters"))
    came = _count(patient, since, *settings.sources)
    share = refused / max(came, refused, 1)
    found = f"{refused} within the last hour, of {came} records"
    if refused > _REFUSED and share > _REFUSED_SHARE:
        return wrong(
            f"{found}: {share:.0%}", "offbeat dead-letters list --since 1h --examples 3 tells why, and from where"
        )
    return well(found)


def events(patient: Patient) -> Finding:
    """Whether the shop has fallen silent."""
    now, sources = time.time(), patient.settings.sources
    came = _count(patient, now - _HOUR, *sources)
    before = _count(patient, now - _HOUR - _DAY, *sources) - _count(patient, now - _DAY, *sources)
    if not came and before > _BUSY:
        return wrong(
            f"none came within the last hour; a day ago about {before} did",
            "look at the shop's producers; pause what sends triggers if it is the purchases that stopped",
        )
    return well(f"{came} records came within the last hour, {before} in that hour of yesterday")


def triggers(patient: Patient) -> Finding:
    """Whether many more go out than usual."""
    now, settings = time.time(), patient.settings
    for family in _FAMILIES:
        topic = settings.topic(f"triggers.{family}")
        late = _count(patient, now - _HOUR, topic)
        usual = (_count(patient, now - _HOUR - 7 * _DAY, topic) - late) / (7 * 24)
        if late > _FLOOD and late > _FLOOD_TIMES * usual:
            return wrong(
                f"{topic}: about {late} records within the last hour, {usual:.1f} in an hour of the week before",
                "pause their sender, then look: a rule that was changed, a source that was missing, an import without "
                "backfill (offbeat rules show; offbeat rules diff)",
            )
    return well("about as many as in the week before")


def _count(patient: Patient, since: float, *topics: str) -> int:
    """Records of these topics that were sent since then (epoch seconds), but for those that are deleted already."""
    ends = patient.offsets(OffsetSpec.LATEST, *topics)
    first = patient.offsets(round(since * 1000), *topics)
    return sum(end - first[place] for place, end in ends.items() if first[place] >= 0)
