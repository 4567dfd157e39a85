"""The records of the topic of parameters. One module owns their format.

One partition, compacted. Keys: `sample/N`, what refits need of partition number N, as of its last round;
`parameters/N`, what was published, in one of SLOTS places by turns, so that former ones are kept; `tried`, how the last
refit ended. What was published last is in force: all who read see the same order.
"""

from types import ModuleType
from typing import Generic, Literal, TypeVar

import msgspec
from msgspec import Raw, Struct

from agents.models.levels import NAMES
from tables.parameters import Parameters

FORM = 1
"""Of all records; one that says otherwise was written by a newer version."""
SLOTS = 16
SAMPLE, PARAMETERS, TRIED = "sample/", "parameters/", b"tried"
MAX_BYTES = 900_000
"""No record is larger: topics take a mebibyte when nobody has said anything else."""

Way = Literal["refit", "clock", "hand"]
"""How they came about: a whole fit; the population's clock extended by the weeks that are over; by a command."""
Outcome = Literal["adopted", "kept", "clock", "failed"]
"""What a round came to: rhythm or baskets are new; they were fitted and are no better; the clock alone went on."""


class RecordError(ValueError):
    """A record that is not ours, or of a newer version: leave it alone. One line says why."""


class Score(Struct, frozen=True):
    """What held-back customers say of parameters (agents.learning.refit.Scores)."""

    gaps: int
    ln_likelihood: float
    """Per gap."""
    coverage: tuple[float, float, float] | None = None
    """Shares of gaps inside their windows of LEVELS; None: too few to tell."""

    @property
    def by_window(self) -> dict[str, float] | None:
        """`coverage` by the names of the windows."""
        return None if self.coverage is None else dict(zip(NAMES, self.coverage, strict=True))


class Published(Struct, frozen=True, kw_only=True):
    """Parameters for all workers."""

    form: int = FORM
    serial: int
    """One more than that of the parameters before."""
    way: Way
    parameters: Raw
    """As in a parameters file; apart, so that the rest can be told of parameters of a newer version."""
    by: str
    """Who published them."""
    published_at: int
    """Epoch ms of the wall clock."""
    until: int = 0
    """What was known then went into them, epoch ms; 0 of those published by hand."""
    why: str = ""
    before: Score | None = None
    after: Score | None = None
    """Of the parameters before, and of these."""

    @property
    def content(self) -> Parameters:
        """Raises RecordError when this version cannot use them."""
        try:
            return msgspec.json.decode(self.parameters, type=Parameters)
        except (msgspec.DecodeError, RecursionError, ValueError) as error:
            raise RecordError(f"parameters that this version cannot use: {error}") from None

    @property
    def key(self) -> bytes:
        return f"{PARAMETERS}{self.serial % SLOTS}".encode()


class Tried(Struct, frozen=True, kw_only=True):
    """How the last round ended in which something was due."""

    form: int = FORM
    until: int
    """Its round, epoch ms."""
    outcome: Outcome
    why: str
    by: str
    ended_at: int
    """Epoch ms of the wall clock."""
    failures: int = 0
    """Rounds in a row that have failed."""
    before: Score | None = None
    after: Score | None = None


class SampleOf(Struct, frozen=True, kw_only=True):
    """What refits need of a partition number's customers."""

    form: int = FORM
    until: int
    """The round, epoch ms: what came later is not in it."""
    partitions: int
    """How many partition numbers there were."""
    orders: int
    """About how many there were, in all of the partition number."""
    sample: bytes
    """As agents.learning.sample encodes it."""


class _Form(Struct):
    form: int


Record = TypeVar("Record", Published, Tried, SampleOf)


class _Codec(Generic[Record]):
    """One kind of record as bytes."""

    def __init__(self, module: ModuleType, kind: type[Record]) -> None:
        self._encode = module.Encoder().encode
        self._form, self._decode = module.Decoder(_Form).decode, module.Decoder(kind).decode

    def encode(self, record: Record) -> bytes:
        """Raises RecordError when topics would not take it."""
        value: bytes = self._encode(record)
        if len(value) > MAX_BYTES:
            raise RecordError(f"a record of {len(value):,} bytes; {MAX_BYTES:,} are the most")
        return value

    def decode(self, value: bytes) -> Record:
        """Raises RecordError."""
        try:
            form = self._form(value).form
            if form == FORM:
                found: Record = self._decode(value)
                return found
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise RecordError(str(error)) from None
        raise RecordError(f"of form {form}, which a newer version of Offbeat has written")


published = _Codec(msgspec.json, Published)
tried = _Codec(msgspec.json, Tried)
sample_of = _Codec(msgspec.msgpack, SampleOf)


def sample_key(number: int) -> bytes:
    """Of a partition number."""
    return f"{SAMPLE}{number}".encode()
