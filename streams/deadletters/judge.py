"""Whether letters would pass now. Pure: told the time."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from streams.deadletters.letter import FOREIGN, Letter
from streams.flow.decode import RejectedError, decoder
from streams.settings import Settings
from streams.watch.logformat import harmless
from tables.events import SOURCES

NO_PLACE = "no_place"
"""Why a letter cannot be sent back at all: where it came from is no source, or is not there any more."""


class Judge:
    """`partitions`: of each topic; `wall`: the time, epoch ms."""

    def __init__(self, settings: Settings, partitions: Mapping[str, int], wall: int) -> None:
        self._decoders = {settings.topic(source): decoder(source) for source in SOURCES}
        self._partitions, self._wall = partitions, wall

    def against(self, letter: Letter) -> tuple[str, str] | None:
        """What is against it: the kind (of decode.KINDS, FOREIGN or NO_PLACE) and why; None: it would pass."""
        if letter.kind == FOREIGN:
            return FOREIGN, "no worker wrote it: it does not say where it came from"
        decode = self._decoders.get(letter.topic)
        if decode is None:
            return NO_PLACE, f"{letter.topic[:249]} is none of the sources"
        if letter.partition >= self._partitions.get(letter.topic, 0):
            return NO_PLACE, f"{letter.topic} has no partition {letter.partition}"
        try:
            decode(letter.key, letter.value, self._wall)
        except RejectedError as error:
            return error.kind, str(error)
        return None


class Verdicts:
    """Counts what was found, with the first example of each kind."""

    def __init__(self) -> None:
        self.passing = 0
        self.before = 0
        """Of those selected: sent back already."""
        self.kinds: Counter[str] = Counter()
        self._examples: dict[str, tuple[Letter, str]] = {}

    def refuse(self, letter: Letter, kind: str, why: str) -> None:
        self.kinds[kind] += 1
        if kind not in self._examples:  # what it holds is of no use here, and may be large
            self._examples[kind] = letter._replace(key=None, value=None, headers=()), why

    @property
    def staying(self) -> int:
        """Those that would not pass."""
        return self.kinds.total()

    def as_json(self) -> list[dict[str, Any]]:
        """By kind, the most frequent first."""
        return [
            {"reason": kind, "count": count, "example": _example(*self._examples[kind])}
            for kind, count in self.kinds.most_common()
        ]


def _example(letter: Letter, why: str) -> dict[str, Any]:
    return {"partition": letter.number, "offset": letter.offset, "why": harmless(why)}
