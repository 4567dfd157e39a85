"""What there is of dead letters, by reason and by where they came from. Pure."""

from collections import Counter, deque
from typing import Any

from streams.deadletters.letter import Letter, moment
from streams.watch.logformat import harmless

MOST_GROUPS = 10_000
"""Beyond so many, what comes from yet another place is counted under ELSEWHERE: headers may hold anything."""
ELSEWHERE = "(elsewhere)"
SHOWN = 300
"""Characters of a key, a value or a reason in an example."""
Place = tuple[str, str, int]
"""Kind, topic and partition that letters came from; -1: not told."""


class Group:
    """Letters of one kind from one place."""

    def __init__(self, examples: int) -> None:
        self.count = self.sent_back = self.again = 0
        self.first = self.last = 0
        self.examples: deque[dict[str, Any]] = deque(maxlen=examples)
        """The newest."""

    def add(self, letter: Letter, sent_back: bool) -> None:
        self.first = min(self.first, letter.at) if self.count else letter.at
        self.last = max(self.last, letter.at)
        self.count += 1
        self.sent_back += sent_back
        self.again += letter.times > 0
        if self.examples.maxlen:
            self.examples.append(_example(letter, sent_back))

    def as_json(self, place: Place) -> dict[str, Any]:
        kind, topic, partition = place
        return {
            "reason": kind,
            "topic": harmless(topic) or None,
            "partition": None if partition < 0 else partition,
            "count": self.count,
            "sent_back": self.sent_back,
            "refused_again": self.again,
            "first": moment(self.first),
            "last": moment(self.last),
            "examples": list(self.examples),
        }


class Listing:
    """:param examples: how many of each group are kept"""

    def __init__(self, examples: int = 0) -> None:
        self._keep = examples
        self._groups: dict[Place, Group] = {}

    def add(self, letter: Letter, *, sent_back: bool) -> None:
        place = letter.kind, letter.topic[:SHOWN], letter.partition
        if place not in self._groups and len(self._groups) >= MOST_GROUPS:
            place = letter.kind, ELSEWHERE, -1
        self._groups.setdefault(place, Group(self._keep)).add(letter, sent_back)

    @property
    def groups(self) -> list[tuple[Place, Group]]:
        """The largest kinds first, within them the largest groups."""
        kinds = self.reasons()
        return sorted(self._groups.items(), key=lambda g: (-kinds[g[0][0]], g[0][0], -g[1].count, g[0]))

    def reasons(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for (kind, _, _), group in self._groups.items():
            found[kind] += group.count
        return found

    def as_json(self, topic: str) -> dict[str, Any]:
        """Fields that others may rely on; text in it is such as no terminal obeys, and cut off."""
        groups = self.groups
        return {
            "topic": topic,
            "count": sum(group.count for _, group in groups),
            "sent_back": sum(group.sent_back for _, group in groups),
            "refused_again": sum(group.again for _, group in groups),
            "reasons": dict(self.reasons().most_common()),
            "groups": [group.as_json(place) for place, group in groups],
        }


def _example(letter: Letter, sent_back: bool) -> dict[str, Any]:
    return {
        "partition": letter.number,
        "offset": letter.offset,
        "at": moment(letter.at),
        "source_offset": None if letter.from_offset < 0 else letter.from_offset,
        "why": _text(letter.reason.encode()),
        "key": _text(letter.key),
        "value": _text(letter.value),
        "sent_back": sent_back,
        "times_before": letter.times,
    }


def _text(raw: bytes | None) -> str | None:
    if raw is None:
        return None
    shown = harmless(raw[: 4 * SHOWN].decode(errors="backslashreplace"))
    whole = len(raw) <= 4 * SHOWN and len(shown) <= SHOWN
    return shown if whole else f"{shown[:SHOWN]}... ({len(raw)} bytes)"
