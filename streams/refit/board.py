"""What the topic of parameters holds, as far as it was read. Pure."""

from streams.refit.records import PARAMETERS, SAMPLE, TRIED, Published, RecordError, SampleOf, Tried, published
from streams.refit.records import sample_of as samples_codec
from streams.refit.records import tried as tried_codec
from tables.parameters import Parameters

_MOST_SAMPLES = 10_000
"""More partition numbers than that nobody has: a key beyond it is not ours."""


class Board:
    """Kept by whoever reads the topic, record by record; others may look at it from any thread."""

    def __init__(self) -> None:
        self.in_force: Published | None = None
        """What was published last."""
        self.parameters: Parameters | None = None
        """The same, as they are used."""
        self.tried: Tried | None = None
        self.samples: dict[int, SampleOf] = {}
        """By partition number, as of each one's last round."""
        self._slots: dict[bytes, Published] = {}

    def take(self, key: bytes | None, value: bytes | None) -> None:
        """A record, in the order of the topic. Raises RecordError for one that is to be left alone."""
        name = (key or b"").decode(errors="replace")
        if name.startswith(SAMPLE):
            self._take_sample(name.removeprefix(SAMPLE), value)
        elif name.startswith(PARAMETERS):
            self._take_published(name.encode(), value)
        elif key == TRIED:
            self.tried = None if value is None else tried_codec.decode(value)
        else:
            raise RecordError(f"a key that is not ours: {name[:40]!r}")

    def _take_sample(self, name: str, value: bytes | None) -> None:
        if not (name.isascii() and name.isdigit()) or int(name) >= _MOST_SAMPLES:
            raise RecordError(f"{name[:40]!r} is no partition number")
        if value is None:
            self.samples.pop(int(name), None)
        else:
            self.samples[int(name)] = samples_codec.decode(value)

    def _take_published(self, slot: bytes, value: bytes | None) -> None:
        if value is None:  # somebody has tidied up: what is in force stays so while anybody knows of it
            self._slots.pop(slot, None)
            return
        found = published.decode(value)
        parameters = found.content
        if found.key != slot:
            raise RecordError(f"parameters {parameters.version} of number {found.serial}, which is not theirs")
        if self.in_force is not None and found.serial < self.in_force.serial:
            raise RecordError(f"parameters {parameters.version}, overtaken by {self.version}")
        self._slots[slot] = self.in_force = found
        self.parameters = parameters

    @property
    def version(self) -> str:
        """Of the parameters in force; empty when there are none."""
        return self.parameters.version if self.parameters is not None else ""

    @property
    def next_serial(self) -> int:
        return self.in_force.serial + 1 if self.in_force is not None else 1

    def former(self) -> list[Published]:
        """What was published of late, the newest first; the one in force is the first."""
        return sorted(self._slots.values(), key=lambda one: one.serial, reverse=True)

    def named(self, version: str) -> Published | None:
        """What was published last under this version's name."""
        return next((one for one in self.former() if one.content.version == version), None)

    def round_of(self, partitions: int) -> tuple[int, list[SampleOf]]:
        """The newest round of which any partition number has a sample, and all samples, by partition number.

        Those of another number of partitions are left out: their customers may have moved since. (0, []): none.
        """
        known = [
            one for n, one in sorted(self.samples.copy().items()) if n < partitions and one.partitions == partitions
        ]
        return max((one.until for one in known), default=0), known

    def sampled(self, number: int, partitions: int) -> int:
        """The round of a partition number's sample; 0: there is none."""
        found = self.samples.get(number)
        return found.until if found is not None and found.partitions == partitions else 0
